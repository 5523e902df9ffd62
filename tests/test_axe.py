"""axe-core (https://github.com/dequelabs/axe-core) finds no barrier in any state of the pages."""

from pathlib import Path

import pytest

AXE = Path(__file__).resolve().parents[1] / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.skipif(
    not AXE.exists(), reason="axe-core is missing: npm install --no-save axe-core")
CHECK = """axe.run(document, {resultTypes: ["violations"], runOnly: %s}).then(
    ({violations}) => violations.map(({id, nodes}) => [id, ...nodes.slice(0, 3).map(
        ({html, any}) => html.slice(0, 120) + " " + (any[0]?.message ?? ""))]))"""
COLOURS = '["color-contrast", "link-in-text-block"]'  # the rules that the dark scheme can break


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name, states", [
    ("index.html", ["1", "document.querySelector('summary').click()", "go(0)"]),
    ("play.html", [
        "1",
        "(s => { s.value = 'x'; s.dispatchEvent(new Event('change')) })"
        "(document.querySelector('#seed'))",
        "go({at: 1})",  # the slider of epochs, at another one
        "go({at: undefined, of: '0-3', near: 30, from: 1})",
        "togglePick('0-3'); togglePick('0-4')",
        "openInside('0-3')",
        "document.querySelector('#begin').click()",
        "cards[0].button.click(); answer()",
        "openSave('0-3')",
    ])], ids=["page", "play"])
def test_axe_finds_nothing_in_any_state(browser, tiny_run, name, states, dark):
    browser.open(tiny_run / name, dark=dark, width=390 if dark else 1280)
    browser.run(AXE.read_text(encoding="utf-8") + "\n;0")
    for state in states:
        browser.run(f"(() => {{ {state} }})()")
        browser.run("new Promise(done => setTimeout(done, 300))")
        assert browser.run(CHECK % (COLOURS if dark else "undefined")) == [], state

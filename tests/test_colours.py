"""Both pages have borders that can be seen, and follow a desktop that forces its colours."""

import re

import pytest
from browsers import in_one

PAGES = pytest.mark.parametrize("name", ["index.html", "play.html"])


def luminance(colour):
    """Returns the relative luminance (WCAG 2) of a CSS colour of three numbers up to 255."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
              for c in (float(number) / 255 for number in re.findall(r"[\d.]+", colour)[:3])]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, two):
    low, high = sorted(map(luminance, (one, two)))
    return (high + 0.05) / (low + 0.05)


def open_whole(browser, folder, name, **wishes):
    browser.open(folder / name, **wishes)
    if name == "play.html":
        browser.wait_for("tiles.every(tile => tile.isShown)")
        browser.run("(togglePick('0-1'), togglePick('0-2'), openInside('0-1'), "
                    "document.querySelector('#begin').click(), 0)")
    else:
        browser.wait_for("document.querySelectorAll('svg .curve').length > 4")


def background(browser):
    return browser.run("getComputedStyle(document.body).backgroundColor")


@in_one
@PAGES
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_border_of_every_control_has_a_contrast_of_three_to_one(browser, tiny_run, name, dark):
    open_whole(browser, tiny_run, name, dark=dark)
    borders = browser.run(
        "[...document.querySelectorAll('button:not(.link), input:not([type=range])')]"
        ".filter(node => node.offsetParent).map(node => [node.id || node.textContent,"
        " getComputedStyle(node).borderTopColor, getComputedStyle(node).borderTopStyle])"
        ".filter(([, colour]) => !/(, 0|transparent|\\/ 0)\\)?$/.test(colour))")
    assert len(borders) >= (3 if name == "index.html" else 20)
    assert [border for border in borders if border[2] != "solid"
            or contrast(border[1], background(browser)) < 3] == []


def test_in_forced_colours_legends_and_curves_are_seen(browser, tiny_run):
    open_whole(browser, tiny_run, "index.html", forced=True)
    assert browser.run("matchMedia('(forced-colors: active)').matches")
    colours = browser.run(
        "[...document.querySelectorAll('.key')].map(key => getComputedStyle(key, '::before'))"
        ".filter(mark => parseFloat(mark.borderTopWidth) > 1).map(mark => mark.borderTopColor)"
        ".concat([...document.querySelectorAll('.curve, .balance, .cursor')]"
        ".map(line => getComputedStyle(line).stroke))")
    assert len(colours) > 8
    assert min(contrast(colour, background(browser)) for colour in colours) >= 3


def test_in_forced_colours_it_is_seen_what_is_pressed(browser, tiny_run):
    open_whole(browser, tiny_run, "play.html", forced=True)
    browser.run("(cards[0].button.click(), cards[0].button.blur(), 0)")
    outlines = browser.run(
        "[tiles[0].pick, tiles[2].pick, cards[0].button, cards[1].button].map(button =>"
        " getComputedStyle(button).outlineStyle)")
    assert outlines == ["solid", "none", "solid", "none"]

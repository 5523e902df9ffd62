"""The page that draws and its run: which networks it takes, and what it does without them."""

import json
import re
import shutil
import time

import numpy as np
import pytest
from browsers import in_one
from conftest import change_settings
from drawing_page import (
    ALL_DRAWN,
    PRETRAINED,
    assert_same_image,
    expected,
    open_page,
    pixels,
)

import plot
from lab.look import page, play
from lab.look.generated import latent
from lab.runs import checkpoint
from lab.runs.files import FolderError
from lab.runs.opened import open_run


def test_the_page_of_a_run_and_the_page_that_draws_lead_to_each_other(browser, tiny_run):
    assert (tiny_run / "play.html").exists()  # written by trainer.py
    browser.open(tiny_run / "index.html")
    browser.wait_for("document.querySelector('#samples img')?.complete")
    browser.click("#draws")
    browser.wait_for("location.pathname.endsWith('/play.html') && document.readyState === "
                     "'complete'")
    browser.wait_for(ALL_DRAWN)
    browser.wait_for("!document.querySelector('#run').hidden")
    browser.click("#run")
    browser.wait_for("location.pathname.endsWith('/index.html') && document.readyState === "
                     "'complete'")
    styles = {}
    for name in "index.html", "play.html":
        browser.open(tiny_run / name)
        styles[name] = browser.run("['font', 'color', 'backgroundColor'].map(name => "
                                   "getComputedStyle(document.body)[name])")
    assert styles["index.html"] == styles["play.html"]


@in_one
def test_a_generator_and_its_settings_are_enough(browser, tmp_path, capsys):
    folder = tmp_path / "pretrained"
    folder.mkdir()
    for name in "generator-average.npz", "settings.json":
        shutil.copy(PRETRAINED / name, folder)
    assert plot.main(["play", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'play.html'}\n"
    open_page(browser, folder)
    shown, _ = expected(folder, latent(0, 9, 100))
    assert_same_image(pixels(browser, "tiles[8].canvas"), shown[8])
    assert browser.run("tiles[8].caption.textContent") == ""  # no discriminator, no probability
    assert browser.run("document.querySelector('#run').offsetParent") is None


def test_a_page_that_was_sent_alone_has_no_link_to_its_run(browser, tiny_run, tmp_path):
    for folder, there in (tiny_run, True), (tmp_path, False):
        if not there:
            shutil.copy(tiny_run / "play.html", folder)
        open_page(browser, folder)
        browser.wait_for("document.readyState === 'complete'")
        time.sleep(0.1)
        assert (browser.run("document.querySelector('#run').offsetParent") is not None) == there
    browser.complaints()  # some browsers report the missing file


@in_one
def test_of_a_run_that_goes_on_it_takes_the_newest_checkpoint_and_says_so(
        browser, tiny_run, tmp_path):
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    change_settings(folder, epochs=9)
    (folder / "generator.npz").unlink()
    arrays, meta = checkpoint.read(checkpoint.paths(folder)[0])
    arrays["generator/dc4/b"] += 1
    checkpoint.write(folder, 5, arrays, {**meta, "epoch": 5})
    play.write(open_run(folder))
    open_page(browser, folder)
    assert "epoch 5 of 9: the newest checkpoint" in browser.run("document.body.innerText")
    shown, _ = expected(folder, latent(0, 1, 10))
    assert_same_image(pixels(browser, "tiles[0].canvas"), shown[0])


@in_one
def test_words_in_the_settings_are_words_and_never_commands(browser, zeros, tmp_path):
    evil = ("</script><script>document.title = 'taken'</script><!--<img src=no onerror='taken()'>"
            "{{data}}")
    folder = shutil.copytree(zeros, tmp_path / "run")
    change_settings(folder, data_source=evil)
    play.write(open_run(folder))
    open_page(browser, folder)
    assert evil in browser.run("document.querySelector('#about').textContent")
    assert browser.run("document.title") == "Draw: Digit 0"


@pytest.mark.parametrize("damage, message", [
    (lambda path: path.unlink(), "the run has no generator.npz and no checkpoint"),
    (lambda path: path.write_bytes(path.read_bytes()[:1000]), "the weights cannot be read"),
    (lambda path: path.write_bytes(b""), "the weights cannot be read"),
    (lambda path: np.savez(path, x=np.zeros(3)), "these are not the weights of the network"),
], ids=["none", "truncated", "empty", "another"])
def test_no_generator_or_a_damaged_one_is_an_error_message_and_leaves_the_older_page(
        zeros, tmp_path, capsys, damage, message):
    folder = shutil.copytree(zeros, tmp_path / "run")
    damage(folder / "generator.npz")
    before = (folder / "play.html").read_bytes()
    assert plot.main(["play", str(folder)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("plot.py: error: ") and message in error and error.count("\n") == 1
    assert (folder / "play.html").read_bytes() == before


def test_a_folder_that_is_no_run_is_refused_and_stays_empty(tmp_path):
    with pytest.raises(FolderError, match="no run in this folder"):
        play.write(open_run(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_file_holds_nothing_from_elsewhere(tiny_run):
    text = (tiny_run / "play.html").read_text(encoding="utf-16")
    parts = re.findall('class="data">(.*?)</script>', text, re.DOTALL)
    assert max(map(len, parts)) <= 1 << 16  # with longer ones WebKit takes half a minute
    data = json.loads("".join(parts))
    assert data["networks"]["zSize"] == 10
    code = re.sub('class="data">(.*?)</script>', "", text, flags=re.DOTALL)
    assert "http://www.w3.org/2000/svg" in code and code.count("http") == 1
    assert len(code) < 80_000


def test_the_page_of_the_run_is_told_that_it_can_be_drawn_with(tiny_run, tmp_path):
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    (folder / "play.html").unlink()
    page.write(open_run(folder))
    assert '"draws": false' in (folder / "index.js").read_text()
    play.write(open_run(folder))
    assert '"draws": true' in (folder / "index.js").read_text()

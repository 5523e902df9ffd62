"""The page of a run that goes on, was stopped or was killed."""

import json
import os
import re
import signal
import time

import numpy as np
import pytest
from browsers import in_one
from conftest import TINY, change_settings
from PIL import Image
from reading_page import open_page, points, shown, train_on

import trainer
from lab.look import page
from lab.runs import claim
from lab.runs.opened import open_run
from plot import sample_grid


def test_while_the_run_goes_on_new_epochs_come_by_themselves(browser, run):
    train_on(run, 4, of=1000)
    open_page(browser, run, True)
    assert "4 of 1000 epochs so far: newer ones appear" in browser.run("document.body.innerText")
    train_on(run, 5, of=1000)
    browser.wait_for("document.body.innerText.includes('5 of 1000 epochs so far')")
    assert shown(browser) == "epoch-0005.png"  # the slider was at its end and stays there
    assert points(browser, "Losses") == [5, 5]
    browser.press("ArrowRight")
    assert shown(browser) == "epoch-0005.png"


def test_the_trainer_tells_the_page_of_every_epoch(tmp_path, monkeypatch):
    """--checkpoint-every 9 leaves no checkpoint between the first and the last."""
    monkeypatch.setattr("lab.training.run.SECONDS_PER_PAGE", 0)
    told, write = [], page.write_for

    def listen(run, going, out=None):
        path = write(run, going, out)
        data = json.loads((run.folder / "index.js").read_text()[len("take("):-len(");\n")])
        told.append((data["losses"]["epoch"], data["going"], data["draws"]))
        return path

    monkeypatch.setattr(page, "write_for", listen)
    out = str(tmp_path / "run")
    assert trainer.main([*TINY, "--checkpoint-every", "9", "--out", out]) == 0
    assert told == [([], True, False), ([1], True, False), ([1, 2], True, False),
                    ([1, 2, 3], True, False), ([1, 2, 3], False, True)]


@in_one
def test_new_epochs_leave_the_reader_in_place(browser, run):
    train_on(run, 4, of=1000)
    open_page(browser, run, True, width=390)
    browser.click("#slider", across=0.6)
    browser.click("summary")
    browser.run("scrollTo(0, 700)")
    place = browser.run("[scrollY, document.activeElement.tagName]")
    assert shown(browser) == "epoch-0002.png" and place[0] == 700
    train_on(run, 5, of=1000)
    browser.wait_for("document.body.innerText.includes('5 of 1000 epochs so far')")
    assert shown(browser) == "epoch-0002.png"
    assert browser.run("[scrollY, document.activeElement.tagName]") == place
    assert browser.run("document.querySelector('#settings').open")
    assert browser.run("document.querySelector('#slider').max") == "5"


@in_one
def test_a_new_run_in_the_folder_is_shown_with_its_own_pictures(browser, run):
    """--overwrite gives the files of a new run the names of the old run's."""
    train_on(run, 4, of=1000)
    open_page(browser, run, True)
    change_settings(run, digit=7)
    sample_grid(np.zeros((1, 1, 28, 28)), None, run / "epoch-0004.png")
    page.write_for(open_run(run), going=True)
    browser.wait_for("document.querySelector('h1')?.textContent.endsWith('sevens')")
    assert shown(browser) == "epoch-0004.png"
    with Image.open(run / "epoch-0004.png") as picture:
        assert browser.run("document.querySelector('#samples img').naturalWidth") == picture.width


@in_one
def test_a_pointer_in_a_curve_is_not_disturbed(browser, run):
    train_on(run, 4, of=1000)
    open_page(browser, run, True)
    browser.drag(".chart svg", (0.3, 0.3), (0.4, 0.3), release=False)
    browser.run("window.held = charts[0]; window.asked = 0; const was = take; "
                "take = (run) => { asked++; was(run); }; 0")
    train_on(run, 5, of=1000)
    browser.wait_for("asked >= 1")
    assert browser.run("charts[0] === held")
    browser.release()
    browser.wait_for("charts[0] !== held")


@in_one
def test_a_finished_run_is_not_asked_for_again(browser, run):
    train_on(run, 4, of=5)
    open_page(browser, run, True)
    train_on(run, 5, of=5)
    browser.wait_for("document.querySelector('#about').textContent.endsWith(' 5 epochs')")
    assert browser.run("document.querySelectorAll('script[src*=\"?\"]').length") == 0
    browser.run("window.asked = 0; const was = ask; ask = () => { asked++; was(); }; 0")
    time.sleep(2.2)
    assert browser.run("asked") == 0


@in_one
def test_a_run_that_was_stopped_says_so(browser, run):
    train_on(run, 4, of=400)
    open_page(browser, run)
    about = browser.run("document.querySelector('#about').textContent")
    assert about.endswith("stopped after epoch 4 of 400") and "by themselves" not in about


@in_one
def test_the_page_of_a_run_that_is_killed_sees_that_nobody_writes_any_more(browser, run):
    train_on(run, 4, of=400)
    data = run / "index.js"
    then = int(time.time()) - 3600
    text = re.sub(r'"written": \d+', f'"written": {then}', data.read_text())
    data.write_text(text)
    browser.open(run / "index.html")
    browser.wait_for("document.querySelector('#about').textContent.includes('nothing new since')")
    since = time.strftime("%M", time.localtime(then))
    assert f":{since}" in browser.run("document.querySelector('#about').textContent")


def test_whether_a_run_goes_on_is_asked_of_the_folders_lock(run):
    train_on(run, 4, of=400)
    with claim.locked(run):
        page.write(open_run(run))
        assert '"going": true' in (run / "index.js").read_text()
    page.write(open_run(run))
    assert '"going": false' in (run / "index.js").read_text()


def test_a_run_that_is_stopped_leaves_both_pages(tmp_path):
    """SIGTERM stops it after the second epoch."""
    out, drawn = tmp_path / "run", trainer.sample_grid

    def draw(images, probabilities, path, **more):
        drawn(images, probabilities, path, **more)
        if path.name == "epoch-0002.png":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "sample_grid", draw)
        assert trainer.main([*TINY, "--out", str(out)]) == 128 + signal.SIGTERM
    assert '"going": false' in (out / "index.js").read_text()
    assert '"draws": true' in (out / "index.js").read_text() and (out / "play.html").exists()

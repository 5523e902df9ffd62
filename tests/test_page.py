"""The page of a run, operated in real browsers."""

import json
import time

import numpy as np
import pytest
from browsers import in_one
from conftest import change_settings
from reading_page import find_chart, open_page, points, shown

from lab.look import page
from lab.runs import files
from lab.runs.files import FolderError
from lab.runs.opened import open_run


def test_it_opens_from_disk_and_shows_the_last_epoch_beside_real_images(browser, run):
    open_page(browser, run)
    assert shown(browser) == "epoch-0003.png"
    assert browser.run("document.querySelector('#samples img').naturalWidth") > 500
    assert browser.run("document.querySelector('#real img').naturalWidth") > 500
    assert browser.run("document.title") == "Digit 0, 3 epochs"
    assert "so far" not in browser.run("document.body.innerText")


@in_one
def test_it_asks_for_nothing_but_the_pictures_beside_it(browser, run):
    open_page(browser, run)
    browser.press("ArrowLeft")
    shown(browser)
    asked = browser.run("[...document.querySelectorAll('[src], link')].map(node => node.src || "
                        "node.href).concat([...loaded.values()].map(image => image.src))")
    allowed = {path.as_uri() for path in run.resolve().glob("*.png")}
    allowed |= {(run.resolve() / "index.js").as_uri(), "data:,"}
    assert len(asked) > 4 and {url.split("?")[0] for url in asked} <= allowed
    assert "http" not in (run / "index.html").read_text().replace("http://www.w3.org/2000/svg", "")


def test_arrow_keys_scrub_through_the_epochs(browser, run):
    open_page(browser, run)
    seen = []
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowRight"):
        browser.press(key)
        seen.append(shown(browser))
    assert seen == ["epoch-0002.png", "epoch-0001.png", "epoch-0002.png", "epoch-0003.png",
                    "epoch-0003.png"]
    browser.press("ArrowLeft", shift=True)
    assert shown(browser) == "epoch-0000.png"


def test_the_slider_scrubs_and_says_the_epoch(browser, long_run):
    open_page(browser, long_run)
    browser.click("#slider", across=0.25)
    at = int(browser.run("document.querySelector('#slider').value"))
    assert 220 < at < 280
    assert shown(browser) == f"epoch-{at:04d}.png"
    assert browser.run("document.querySelector('#slider').ariaValueText ?? document.querySelector("
                       "'#slider').getAttribute('aria-valuetext')") == f"epoch {at}"
    browser.press("Home")
    assert shown(browser) == "epoch-0000.png"
    browser.press("ArrowRight")
    assert shown(browser) == "epoch-0001.png"


def test_every_control_is_reached_and_worked_by_the_keyboard(browser, run):
    open_page(browser, run)
    names = []
    for _ in range(7):
        browser.press("Tab")
        names.append(browser.run("document.activeElement.ariaLabel || "
                                 "document.activeElement.textContent"))
    assert names == ["Draw with it, look inside it, play against D", "Play", "Previous picture",
                     "Next picture", "Epoch", "epoch 2", "Settings"]
    browser.press("Enter")
    assert "batch size" in browser.run("document.querySelector('#settings').innerText")
    browser.run("document.querySelector('#back').focus()")
    browser.press("Enter")
    assert shown(browser) == "epoch-0002.png"


@in_one
def test_it_plays_from_the_first_epoch_to_the_last_and_stops(browser, run):
    open_page(browser, run)
    browser.run("window.seen = []; new MutationObserver(() => seen.push(document.querySelector("
                "'output').textContent)).observe(document.querySelector('output'), "
                "{childList: true}); 0")
    browser.click("#play")
    assert browser.run("document.querySelector('#play').textContent") == "Pause"
    browser.wait_for("document.querySelector('#play').textContent === 'Play'")
    assert browser.run("seen") == ["epoch 0", "epoch 1", "epoch 2", "epoch 3"]


def test_space_plays_and_pauses(browser, long_run):
    open_page(browser, long_run)
    browser.press(" ")
    browser.wait_for("index > 4")
    browser.press(" ")
    stopped = shown(browser)
    time.sleep(0.2)
    assert shown(browser) == stopped and stopped != "epoch-1000.png"


def test_curves_of_losses_probabilities_and_quality_are_drawn(browser, run):
    open_page(browser, run)
    assert points(browser, "Losses") == [3, 3]
    assert points(browser, "How real D finds them") == [3, 3]
    assert points(browser, "Fréchet distance") == [2]
    assert points(browser, "Recall") == [1]  # NaN is a gap


@in_one
def test_real_images_are_a_dashed_line_in_the_curves_of_quality(browser, run):
    assert open_run(run).settings.real_figures["frechet"] < 1  # as trainer.py writes it
    change_settings(run, real_figures={"frechet": 0.5})
    open_page(browser, run)
    for title, notes, dashed in (
            ("Fréchet distance", "0 is best; dashed: real 0.500; ○ best: epoch 2", 1),
            ("Recall", "1 is best", 0)):
        points(browser, title)
        assert browser.run(
            "(c => [c.querySelector('p').textContent, c.querySelectorAll('.balance').length])"
            f"({find_chart(title)})") == [notes, dashed]


@in_one
@pytest.mark.parametrize("weights", ["trained", "average"])
def test_the_distance_is_drawn_of_the_generator_and_of_the_average(browser, run, weights):
    change_settings(run, weights=weights, real_figures={})
    other = {"trained": "average", "average": "trained"}[weights]
    (run / "quality.csv").write_text(
        f"epoch,frechet,recall,frechet_{other}\n0,1.9,0.1,nan\n2,0.8,0.5,0.4\n")
    open_page(browser, run)
    assert points(browser, "Fréchet distance") == ([2, 1] if weights == "trained" else [1, 2])
    assert browser.run(f"{find_chart('Fréchet distance')}.querySelector('p').textContent") == (
        "0 is best; ○ best: epoch 2generatoraverage of its weights")
    assert browser.run("document.querySelectorAll('#charts figure').length") == 4


@in_one
def test_the_best_epoch_is_marked(browser, run):
    np.savez(run / "best-generator.npz", epoch=2)
    change_settings(run, real_figures={})
    open_page(browser, run)
    assert browser.run(f"{find_chart('Fréchet distance')}.querySelector('p').textContent") == (
        "0 is best; ○ best: epoch 2")
    points(browser, "Fréchet distance")
    assert browser.run("document.querySelectorAll('#charts .best').length") == 1


@in_one
def test_a_long_curve_has_its_trend_before_it(browser, long_run):
    open_page(browser, long_run)
    assert points(browser, "Losses") == [1000] * 4
    assert browser.run("document.querySelectorAll('.chart').length") == 2  # no quality.csv


@in_one
def test_the_cursor_and_the_figures_follow_the_epoch(browser, run):
    open_page(browser, run)
    rows = (run / "losses.csv").read_text().splitlines()
    for epoch in 3, 2, 1:
        loss = float(rows[epoch].split(",")[1])
        assert browser.run("document.querySelector('#numbers td').textContent") == f"{loss:.3f}"
        browser.wait_for("document.querySelector('svg .cursor') !== null")
        place, begin, end = browser.run(
            "['.cursor', '.grid'].flatMap(q => { const l = document.querySelector('svg ' + q); "
            "return q === '.grid' ? [+l.getAttribute('x1'), +l.getAttribute('x2')] "
            ": [+l.getAttribute('x1')] })")
        assert (place - begin) / (end - begin) == pytest.approx(epoch / 3)
        browser.press("ArrowLeft")
    browser.press("ArrowLeft")
    assert browser.run("document.querySelector('#numbers td').textContent") == "–"  # epoch 0


@in_one
def test_a_click_into_a_curve_goes_to_that_epoch(browser, long_run):
    open_page(browser, long_run)
    browser.wait_for("document.querySelector('svg .cursor') !== null")
    browser.click(".chart svg", across=0.5)
    assert 440 < int(shown(browser)[6:10]) < 520


def test_a_finger_goes_along_a_curve_or_scrolls_past_it(browser, long_run):
    open_page(browser, long_run, width=390)
    points(browser, "Losses")
    browser.tap(".chart svg", down=-200)
    assert shown(browser) == "epoch-1000.png"
    browser.tap(".chart svg")
    assert 440 < (tapped := int(shown(browser)[6:10])) < 560
    browser.tap(".chart svg", across=100)
    assert tapped + 200 < int(shown(browser)[6:10]) < tapped + 400


@in_one
def test_of_a_thousand_pictures_only_the_current_one_and_a_few_neighbours_are_loaded(
        browser, long_run):
    open_page(browser, long_run)
    assert browser.run("loaded.size") <= 6
    browser.run("window.asked = 0; const Was = Image; "
                "Image = function() { asked++; return new Was(); }; 0")
    browser.click("#slider", across=0.5)
    for _ in range(20):
        browser.press("ArrowRight")
        shown(browser)
    assert browser.run("asked") <= 40
    assert browser.run("loaded.size") <= 13


@in_one
def test_the_untrained_generator_can_be_looked_at_before_the_first_epoch_is_over(browser, run):
    for path in [*run.glob("epoch-000[123].png"), run / "quality.csv"]:
        path.unlink()
    files.write_table(run / "losses.csv", files.LOSS_COLUMNS, [])
    open_page(browser, run)
    assert shown(browser) == "epoch-0000.png"


@in_one
def test_the_page_of_pictures_names_their_folder_and_draws_no_digit_share(browser, run):
    values = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps({**values, "digit": None, "images": 48,
                                                   "data_source": "my pictures"}))
    open_page(browser, run)
    text = browser.run("document.body.innerText")
    assert "my pictures" in text and "48 images" in text and "Recall" in text
    assert "igit" not in text.split("Settings")[0]


@in_one
def test_words_in_the_settings_are_words_and_never_commands(browser, run):
    evil = "</script><script>document.title = 'taken'</script><img src=no onerror='taken()'>&amp;"
    change_settings(run, data_source=evil, environment={evil: evil})
    open_page(browser, run)
    browser.click("summary")
    assert browser.run("document.body.innerText").count(evil) == 4
    assert "taken" not in browser.run("document.title")


@in_one
def test_a_picture_that_is_missing_is_named(browser, run):
    open_page(browser, run)
    (run / "epoch-0000.png").unlink()
    browser.press("ArrowLeft", shift=True)
    browser.wait_for("document.querySelector('#samples .picture').textContent === "
                     "'The picture of epoch 0 is missing.'")
    browser.complaints()  # some browsers report it
    browser.press("ArrowRight")
    assert shown(browser) == "epoch-0001.png"


def test_a_page_of_a_thousand_epochs_is_written_in_a_moment(long_run):
    began = time.process_time()
    page.write(open_run(long_run))
    assert time.process_time() - began < 0.3
    assert (long_run / "index.js").stat().st_size < 120_000
    assert (long_run / "index.html").stat().st_size < 40_000


def test_a_full_disk_leaves_the_older_page_whole(run, monkeypatch):
    page.write(open_run(run))
    before = [(run / name).read_bytes() for name in ("index.html", "index.js")]

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    (run / "real.png").unlink()
    with pytest.raises(OSError, match="No space"):
        page.write(open_run(run))
    assert [(run / name).read_bytes() for name in ("index.html", "index.js")] == before


def test_a_folder_without_pictures_gets_no_page(run):
    for path in [*run.glob("epoch-*.png"), run / "index.html", run / "index.js"]:
        path.unlink()
    with pytest.raises(FolderError, match="no pictures"):
        page.write(open_run(run))
    assert not (run / "index.html").exists() and not (run / "index.js").exists()

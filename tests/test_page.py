"""The page of a run, operated in a real browser."""

import json
import re
import shutil
import time

import numpy as np
import pytest
from chromium import PROGRAM, Chromium
from conftest import TINY, change_settings, settings_of
from PIL import Image

import trainer
from lab.look import page
from lab.runs import files
from lab.runs.files import FolderError
from lab.runs.opened import open_run
from lab.runs.settings import write_settings
from plot import sample_grid

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="Chromium is not installed: the page was not operated in a browser "
                            "(Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser
    assert browser.complaints == []


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of a finished run of three epochs, of which 0 and 2 have been measured."""
    folder = shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("best-*"))
    (folder / "quality.csv").write_text(
        "epoch,frechet,precision,recall\n0,1.9,0.0,nan\n2,0.8,0.25,0.5\n")
    return folder


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """The folder of 1000 epochs; all pictures are the same one."""
    folder = tmp_path_factory.mktemp("runs") / "long"
    folder.mkdir()
    write_settings(folder, settings_of(epochs=1000))
    sample_grid(np.zeros((9, 1, 28, 28)), None, folder / "epoch-0000.png")
    for epoch in range(1, 1001):
        files.picture(folder, epoch).hardlink_to(folder / "epoch-0000.png")
    stream = np.random.default_rng(0)
    files.write_table(folder / "losses.csv", files.LOSS_COLUMNS, [
        (epoch, *np.exp(stream.normal([2, -7])), 5.0, *stream.random(2))
        for epoch in range(1, 1001)])
    page.write(open_run(folder))
    return folder


def open_page(browser, folder, **window):
    page.write(open_run(folder))
    browser.open(folder / "index.html", **window)
    wait_for_picture(browser)


def wait_for_picture(browser):
    """Waits until the picture on show is that of the epoch that is named."""
    browser.wait_for("document.querySelector('#samples img')?.complete && document.querySelector("
                     "'#samples img').alt.endsWith(document.querySelector('output').textContent)")


def shown(browser):
    """The file of the picture on show."""
    wait_for_picture(browser)
    return browser.run("document.querySelector('#samples img').src").rsplit("/", 1)[1]


@needs_chromium
def test_it_opens_from_disk_and_shows_the_last_epoch_beside_real_images(browser, run):
    open_page(browser, run)
    assert shown(browser) == "epoch-0003.png"
    assert browser.run("document.querySelector('#samples img').naturalWidth") > 500
    assert browser.run("document.querySelector('#real img').naturalWidth") > 500
    assert browser.run("document.title") == "Digit 0, 3 epochs"
    assert "so far" not in browser.run("document.body.innerText")
    assert browser.complaints == []


@needs_chromium
def test_it_asks_for_nothing_but_the_pictures_beside_it(browser, run):
    open_page(browser, run)
    browser.press("ArrowLeft")
    shown(browser)
    allowed = {path.as_uri() for path in run.resolve().glob("*.png")}
    allowed |= {(run.resolve() / name).as_uri() for name in ("index.html", "index.js")}
    allowed |= {"data:,"}
    assert set(browser.requests) <= allowed


@needs_chromium
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


@needs_chromium
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


@needs_chromium
def test_every_control_is_reached_and_worked_by_the_keyboard(browser, run):
    open_page(browser, run)
    names = []
    for _ in range(6):
        browser.press("Tab")
        names.append(browser.run("document.activeElement.ariaLabel || "
                                 "document.activeElement.textContent"))
    assert names == ["Draw with its generator", "Play", "Previous picture", "Next picture", "Epoch",
                     "Settings"]
    browser.press("Enter")
    assert "batch size" in browser.run("document.querySelector('#settings').innerText")
    browser.run("document.querySelector('#back').focus()")
    browser.press("Enter")
    assert shown(browser) == "epoch-0002.png"


@needs_chromium
def test_it_plays_from_the_first_epoch_to_the_last_and_stops(browser, run):
    open_page(browser, run)
    browser.run("window.seen = []; new MutationObserver(() => seen.push(document.querySelector("
                "'output').textContent)).observe(document.querySelector('output'), "
                "{childList: true}); 0")
    browser.click("#play")
    assert browser.run("document.querySelector('#play').textContent") == "Pause"
    browser.wait_for("document.querySelector('#play').textContent === 'Play'")
    assert browser.run("seen") == ["epoch 0", "epoch 1", "epoch 2", "epoch 3"]


@needs_chromium
def test_space_plays_and_pauses(browser, long_run):
    open_page(browser, long_run)
    browser.press(" ")
    browser.wait_for("document.querySelector('output').textContent === 'epoch 5'")
    browser.press(" ")
    stopped = shown(browser)
    time.sleep(0.2)
    assert shown(browser) == stopped and stopped != "epoch-1000.png"


def find_chart(title):
    """JavaScript for the chart with that title."""
    return ("[...document.querySelectorAll('.chart')]"
            f".find(c => c.innerText.startsWith({title!r}))")


def points(browser, chart):
    """Of each curve in a chart, once it is drawn: how many points it has."""
    browser.wait_for(f"{find_chart(chart)}?.querySelector('svg').children.length")
    paths = browser.run(f"[...{find_chart(chart)}.querySelectorAll('.curve')]"
                        ".map(path => path.getAttribute('d'))")
    return [len(re.findall("[ML]", path)) for path in paths]


@needs_chromium
def test_curves_of_losses_probabilities_and_quality_are_drawn(browser, run):
    open_page(browser, run)
    assert points(browser, "Losses") == [3, 3]
    assert points(browser, "D’s mean probability") == [3, 3]
    assert points(browser, "Fréchet distance") == [2]
    assert points(browser, "Recall") == [1]  # NaN is a gap


@needs_chromium
def test_real_images_are_a_dashed_line_in_the_curves_of_quality(browser, run):
    assert open_run(run).settings.real_figures["frechet"] < 1  # as the trainer has left it
    change_settings(run, real_figures={"frechet": 0.5})
    open_page(browser, run)
    for title, notes, dashed in (("Fréchet distance", "0 is best; dashed: real 0.500", 1),
                                 ("Recall", "1 is best", 0)):
        assert browser.run(
            "(c => [c.querySelector('p').textContent, c.querySelectorAll('.balance').length])"
            f"({find_chart(title)})") == [notes, dashed]


@needs_chromium
@pytest.mark.parametrize("weights", ["trained", "average"])
def test_the_distance_is_drawn_of_the_generator_and_of_the_average(browser, run, weights):
    change_settings(run, weights=weights, real_figures={})
    other = {"trained": "average", "average": "trained"}[weights]
    (run / "quality.csv").write_text(
        f"epoch,frechet,recall,frechet_{other}\n0,1.9,0.1,nan\n2,0.8,0.5,0.4\n")
    open_page(browser, run)
    assert points(browser, "Fréchet distance") == ([2, 1] if weights == "trained" else [1, 2])
    assert browser.run(f"{find_chart('Fréchet distance')}.querySelector('p').textContent") == (
        "0 is bestgeneratoraverage of its weights")
    assert browser.run("document.querySelectorAll('#charts figure').length") == 4


@needs_chromium
def test_the_best_epoch_is_marked(browser, run):
    np.savez(run / "best-generator.npz", epoch=2)
    change_settings(run, real_figures={})
    open_page(browser, run)
    assert browser.run(f"{find_chart('Fréchet distance')}.querySelector('p').textContent") == (
        "0 is best; ▲ best: epoch 2")
    assert browser.run("document.querySelectorAll('#charts .mark').length") == 1


@needs_chromium
def test_a_long_curve_has_its_trend_before_it(browser, long_run):
    open_page(browser, long_run)
    assert points(browser, "Losses") == [1000] * 4
    assert browser.run("document.querySelectorAll('.chart').length") == 2  # no quality.csv


@needs_chromium
def test_the_cursor_and_the_figures_follow_the_epoch(browser, run):
    open_page(browser, run)
    rows = (run / "losses.csv").read_text().splitlines()
    for epoch in 3, 2, 1:
        loss = float(rows[epoch].split(",")[1])
        assert browser.run("document.querySelector('#numbers td').textContent") == f"{loss:.3f}"
        place, begin, end = browser.run(
            "['.cursor', '.grid'].flatMap(q => { const l = document.querySelector('svg ' + q); "
            "return q === '.grid' ? [+l.getAttribute('x1'), +l.getAttribute('x2')] "
            ": [+l.getAttribute('x1')] })")
        assert (place - begin) / (end - begin) == pytest.approx(epoch / 3)
        browser.press("ArrowLeft")
    browser.press("ArrowLeft")
    assert browser.run("document.querySelector('#numbers td').textContent") == "–"  # epoch 0


@needs_chromium
def test_a_click_into_a_curve_goes_to_that_epoch(browser, long_run):
    open_page(browser, long_run)
    browser.click(".chart svg", across=0.5)
    assert 460 < int(shown(browser)[6:10]) < 520


@needs_chromium
def test_a_finger_goes_along_a_curve_or_scrolls_past_it(browser, long_run):
    open_page(browser, long_run, width=390)
    browser.tap(".chart svg", down=-200)
    assert shown(browser) == "epoch-1000.png"
    browser.tap(".chart svg")
    assert 440 < (tapped := int(shown(browser)[6:10])) < 560
    browser.tap(".chart svg", across=100)
    assert tapped + 200 < int(shown(browser)[6:10]) < tapped + 400


@needs_chromium
def test_of_a_thousand_pictures_only_the_current_one_and_a_few_neighbours_are_loaded(
        browser, long_run):
    open_page(browser, long_run)
    assert len([url for url in browser.requests if "epoch-" in url]) <= 6
    browser.click("#slider", across=0.5)
    for _ in range(20):
        browser.press("ArrowRight")
        shown(browser)
    assert len([url for url in browser.requests if "epoch-" in url]) <= 40
    assert browser.run("loaded.size") <= 13


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_a_desk_by_day_and_by_night(browser, run, width, dark):
    open_page(browser, run, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    samples, real = browser.run("['samples', 'real'].map(id => "
                                "document.getElementById(id).getBoundingClientRect().toJSON())")
    if width < 600:  # one below the other, as wide as the window
        assert samples["bottom"] < real["top"] and samples["width"] == real["width"] > 0.9 * width
    else:
        assert samples["right"] < real["left"] and samples["top"] == real["top"]
    ink, paper = (sum(map(int, re.findall(r"\d+", browser.run(
        f"getComputedStyle(document.body).{name}"))[:3])) / 3 for name in
        ("color", "backgroundColor"))
    assert (ink > 200 and paper < 50) if dark else (ink < 50 and paper > 200)
    assert points(browser, "Losses") == [3, 3]


def train_on(run, epoch, of):
    """What a run that goes on leaves after an epoch."""
    change_settings(run, epochs=of)
    shutil.copy(run / "epoch-0001.png", files.picture(run, epoch))
    files.append_row(run / "losses.csv", (epoch, 1.5, 0.25, 5.0, 0.9, 0.1))
    page.write(open_run(run))


@needs_chromium
def test_while_the_run_goes_on_new_epochs_come_by_themselves(browser, run):
    train_on(run, 4, of=1000)
    open_page(browser, run)
    assert "4 of 1000 epochs so far: newer ones appear" in browser.run("document.body.innerText")
    train_on(run, 5, of=1000)
    browser.wait_for("document.body.innerText.includes('5 of 1000 epochs so far')")
    assert shown(browser) == "epoch-0005.png"  # who is at the end stays at the end
    assert points(browser, "Losses") == [5, 5]
    browser.press("ArrowRight")
    assert shown(browser) == "epoch-0005.png"


def test_the_trainer_tells_the_page_of_every_epoch(tmp_path, monkeypatch):
    """Not only of those with a checkpoint; here there is none between the first and the last."""
    monkeypatch.setattr("lab.training.run.SECONDS_PER_PAGE", 0)
    told, write = [], page.write

    def listen(run):
        path = write(run)
        data = json.loads((run.folder / "index.js").read_text()[len("take("):-len(");\n")])
        told.append((data["losses"]["epoch"], data["going"], data["draws"]))
        return path

    monkeypatch.setattr(page, "write", listen)
    out = str(tmp_path / "run")
    assert trainer.main([*TINY, "--checkpoint-every", "9", "--out", out]) == 0
    assert told == [([], True, False), ([1], True, False), ([1, 2], True, False),
                    ([1, 2, 3], True, False), ([1, 2, 3], False, True)]


@needs_chromium
def test_new_epochs_leave_the_reader_in_place(browser, run):
    train_on(run, 4, of=1000)
    open_page(browser, run, width=390)
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


@needs_chromium
def test_a_new_run_in_the_folder_is_shown_with_its_own_pictures(browser, run):
    """As after --overwrite: the files' names are those of the old run."""
    train_on(run, 4, of=1000)
    open_page(browser, run)
    change_settings(run, digit=7)
    sample_grid(np.zeros((1, 1, 28, 28)), None, run / "epoch-0004.png")
    page.write(open_run(run))
    browser.wait_for("document.querySelector('h1')?.textContent.startsWith('Digit 7')")
    assert shown(browser) == "epoch-0004.png"
    with Image.open(run / "epoch-0004.png") as picture:
        assert browser.run("document.querySelector('#samples img').naturalWidth") == picture.width


@needs_chromium
def test_a_pointer_in_a_curve_is_not_disturbed(browser, run):
    train_on(run, 4, of=1000)
    open_page(browser, run)
    browser.run("document.querySelector('.chart svg').scrollIntoView()")
    box = browser.run("document.querySelector('.chart svg').getBoundingClientRect().toJSON()")
    mouse = {"x": box["x"] + 100, "y": box["y"] + 50, "button": "left", "clickCount": 1}
    browser.call("Input.dispatchMouseEvent", type="mousePressed", buttons=1, **mouse)
    browser.run("window.held = charts[0]; window.asked = 0; const was = take; "
                "take = (run) => { asked++; was(run); }; 0")
    train_on(run, 5, of=1000)
    browser.wait_for("asked >= 1")
    assert browser.run("charts[0] === held")
    browser.call("Input.dispatchMouseEvent", type="mouseReleased", buttons=0, **mouse)
    browser.wait_for("charts[0] !== held")


@needs_chromium
def test_a_finished_run_is_not_asked_for_again(browser, run):
    train_on(run, 4, of=5)
    open_page(browser, run)
    train_on(run, 5, of=5)
    browser.wait_for("document.querySelector('#about').textContent.endsWith(' 5 epochs')")
    asked = browser.requests.copy()
    time.sleep(2.5)
    browser.run("0")  # takes note of what has happened meanwhile
    assert [url for url in browser.requests[len(asked):] if "index.js" in url] == []
    assert [url for url in asked if "index.js?" in url]


@needs_chromium
def test_it_speaks_japanese_to_a_browser_that_asks_for_it(browser, run):
    open_page(browser, run)
    english = browser.run("Object.keys(say).concat(Object.keys(say.quality))")
    page.write(open_run(run))
    browser.open(run / "index.html", language="ja")
    browser.wait_for("document.querySelector('#samples img')?.complete")
    assert browser.run("Object.keys(say).concat(Object.keys(say.quality))") == english
    text = browser.run("document.body.innerText")
    for word in "数字 0", "損失", "再生", "エポック 3", "フレシェ距離", "この生成器で描く":
        assert word in text
    assert not {"Play", "Losses", "Settings", "epochs"} & set(text.split())


@needs_chromium
def test_nothing_moves_for_those_who_asked_for_that(browser, run):
    page.write(open_run(run))
    browser.open(run / "index.html", still=True)
    wait_for_picture(browser)
    assert browser.run("document.querySelector('#play').offsetParent") is None
    browser.press(" ")
    assert browser.run("player.moves") is False
    browser.press("ArrowLeft")
    assert shown(browser) == "epoch-0002.png"


@needs_chromium
def test_the_untrained_generator_can_be_looked_at_before_the_first_epoch_is_over(browser, run):
    for path in [*run.glob("epoch-000[123].png"), run / "quality.csv"]:
        path.unlink()
    files.write_table(run / "losses.csv", files.LOSS_COLUMNS, [])
    open_page(browser, run)
    assert shown(browser) == "epoch-0000.png"
    assert browser.complaints == []


@needs_chromium
def test_words_in_the_settings_are_words_and_never_commands(browser, run):
    evil = "</script><script>document.title = 'taken'</script><img src=no onerror='taken()'>&amp;"
    change_settings(run, data_source=evil, environment={evil: evil})
    open_page(browser, run)
    browser.click("summary")
    assert browser.run("document.body.innerText").count(evil) == 4
    assert "taken" not in browser.run("document.title")
    assert browser.complaints == []


@needs_chromium
def test_a_picture_that_is_missing_is_named(browser, run):
    open_page(browser, run)
    (run / "epoch-0000.png").unlink()
    browser.press("ArrowLeft", shift=True)
    browser.wait_for("document.querySelector('#samples').innerText === "
                     "'The picture of epoch 0 is missing.'")
    assert browser.complaints and all("ERR_FILE_NOT_FOUND" in str(c) for c in browser.complaints)
    browser.complaints.clear()
    browser.press("ArrowRight")
    assert shown(browser) == "epoch-0001.png"


def test_a_page_of_a_thousand_epochs_is_written_in_a_moment(long_run):
    began = time.process_time()
    page.write(open_run(long_run))
    assert time.process_time() - began < 0.3
    assert (long_run / "index.js").stat().st_size < 120_000
    assert (long_run / "index.html").stat().st_size < 30_000


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

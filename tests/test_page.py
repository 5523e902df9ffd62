"""The page of a run, operated in a real browser."""

import json
import os
import re
import shutil
import signal
import time

import numpy as np
import pytest
from conftest import TINY, change_settings, settings_of
from PIL import Image

import trainer
from lab.look import page
from lab.runs import claim, files
from lab.runs.files import FolderError
from lab.runs.opened import open_run
from lab.runs.settings import write_settings
from plot import sample_grid


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of a finished run of three epochs, of which 0 and 2 have been measured."""
    folder = shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("best-*"))
    (folder / "quality.csv").write_text(
        "epoch,frechet,precision,recall\n0,1.9,0.0,nan\n2,0.8,0.25,0.5\n")
    for path in folder.glob("best-*"):  # of other figures
        path.unlink()
    return folder


@pytest.fixture(scope="session")
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


def open_page(browser, folder, going=False, **window):
    page.write_for(open_run(folder), going)
    browser.open(folder / "index.html", **window)
    wait_for_picture(browser)


def wait_for_picture(browser):
    """Waits until the picture on show is that of the epoch that is named."""
    browser.wait_for("document.querySelector('#samples img')?.complete && document.querySelector("
                     "'#samples img').alt.endsWith(document.querySelector('output').textContent)")


def shown(browser):
    """The file of the picture on show."""
    wait_for_picture(browser)
    url = browser.run("document.querySelector('#samples img').src")
    return url.rsplit("/", 1)[1].split("?")[0]


def test_it_opens_from_disk_and_shows_the_last_epoch_beside_real_images(browser, run):
    open_page(browser, run)
    assert shown(browser) == "epoch-0003.png"
    assert browser.run("document.querySelector('#samples img').naturalWidth") > 500
    assert browser.run("document.querySelector('#real img').naturalWidth") > 500
    assert browser.run("document.title") == "Digit 0, 3 epochs"
    assert "so far" not in browser.run("document.body.innerText")


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


def test_curves_of_losses_probabilities_and_quality_are_drawn(browser, run):
    open_page(browser, run)
    assert points(browser, "Losses") == [3, 3]
    assert points(browser, "How real D finds them") == [3, 3]
    assert points(browser, "Fréchet distance") == [2]
    assert points(browser, "Recall") == [1]  # NaN is a gap


def test_real_images_are_a_dashed_line_in_the_curves_of_quality(browser, run):
    assert open_run(run).settings.real_figures["frechet"] < 1  # as the trainer has left it
    change_settings(run, real_figures={"frechet": 0.5})
    open_page(browser, run)
    for title, notes, dashed in (
            ("Fréchet distance", "0 is best; dashed: real 0.500; ○ best: epoch 2", 1),
            ("Recall", "1 is best", 0)):
        points(browser, title)
        assert browser.run(
            "(c => [c.querySelector('p').textContent, c.querySelectorAll('.balance').length])"
            f"({find_chart(title)})") == [notes, dashed]


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


def test_the_best_epoch_is_marked(browser, run):
    np.savez(run / "best-generator.npz", epoch=2)
    change_settings(run, real_figures={})
    open_page(browser, run)
    assert browser.run(f"{find_chart('Fréchet distance')}.querySelector('p').textContent") == (
        "0 is best; ○ best: epoch 2")
    points(browser, "Fréchet distance")
    assert browser.run("document.querySelectorAll('#charts .best').length") == 1


def test_a_long_curve_has_its_trend_before_it(browser, long_run):
    open_page(browser, long_run)
    assert points(browser, "Losses") == [1000] * 4
    assert browser.run("document.querySelectorAll('.chart').length") == 2  # no quality.csv


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


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_a_desk_by_day_and_by_night(browser, run, width, dark):
    open_page(browser, run, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    samples, real = browser.run("['samples', 'real'].map(id => "
                                "document.getElementById(id).getBoundingClientRect().toJSON())")
    assert samples["bottom"] < real["top"] and samples["width"] == real["width"]
    if width < 600:  # as wide as the window
        assert real["width"] > 0.85 * width
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
    page.write_for(open_run(run), going=epoch < of)


def test_while_the_run_goes_on_new_epochs_come_by_themselves(browser, run):
    train_on(run, 4, of=1000)
    open_page(browser, run, True)
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


def test_a_new_run_in_the_folder_is_shown_with_its_own_pictures(browser, run):
    """As after --overwrite: the files' names are those of the old run."""
    train_on(run, 4, of=1000)
    open_page(browser, run, True)
    change_settings(run, digit=7)
    sample_grid(np.zeros((1, 1, 28, 28)), None, run / "epoch-0004.png")
    page.write_for(open_run(run), going=True)
    browser.wait_for("document.querySelector('h1')?.textContent.endsWith('sevens')")
    assert shown(browser) == "epoch-0004.png"
    with Image.open(run / "epoch-0004.png") as picture:
        assert browser.run("document.querySelector('#samples img').naturalWidth") == picture.width


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


def test_a_finished_run_is_not_asked_for_again(browser, run):
    train_on(run, 4, of=5)
    open_page(browser, run, True)
    train_on(run, 5, of=5)
    browser.wait_for("document.querySelector('#about').textContent.endsWith(' 5 epochs')")
    assert browser.run("document.querySelectorAll('script[src*=\"?\"]').length") == 0
    browser.run("window.asked = 0; const was = ask; ask = () => { asked++; was(); }; 0")
    time.sleep(2.2)
    assert browser.run("asked") == 0


def test_it_speaks_japanese_to_a_browser_that_asks_for_it(browser, run):
    open_page(browser, run)
    english = browser.run("Object.keys(say).concat(Object.keys(say.quality))")
    page.write(open_run(run))
    browser.open(run / "index.html", language="ja")
    browser.wait_for("document.querySelector('#samples img')?.complete")
    assert browser.run("Object.keys(say).concat(Object.keys(say.quality))") == english
    text = browser.run("document.body.innerText")
    for word in "数字の0", "損失", "再生", "エポック3", "フレシェ距離", "このGeneratorで画像を生成":
        assert word in text
    assert not {"Play", "Losses", "Settings", "epochs"} & set(text.split())


def test_who_asked_for_less_motion_gets_slow_steps_when_pressing_play(browser, run):
    open_page(browser, run, still=True)
    assert browser.run("player.moves") is False
    browser.press("ArrowLeft", shift=True)
    browser.click("#play")
    begun = time.monotonic()
    browser.wait_for("index === 2")
    assert time.monotonic() - begun > 1.5  # a second each
    browser.press("Escape")
    assert browser.run("player.moves") is False


def test_the_untrained_generator_can_be_looked_at_before_the_first_epoch_is_over(browser, run):
    for path in [*run.glob("epoch-000[123].png"), run / "quality.csv"]:
        path.unlink()
    files.write_table(run / "losses.csv", files.LOSS_COLUMNS, [])
    open_page(browser, run)
    assert shown(browser) == "epoch-0000.png"


def test_the_page_of_pictures_names_their_folder_and_draws_no_digit_share(browser, run):
    values = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps({**values, "digit": None, "images": 48,
                                                   "data_source": "my pictures"}))
    open_page(browser, run)
    text = browser.run("document.body.innerText")
    assert "my pictures" in text and "48 images" in text and "Recall" in text
    assert "igit" not in text.split("Settings")[0]


def test_words_in_the_settings_are_words_and_never_commands(browser, run):
    evil = "</script><script>document.title = 'taken'</script><img src=no onerror='taken()'>&amp;"
    change_settings(run, data_source=evil, environment={evil: evil})
    open_page(browser, run)
    browser.click("summary")
    assert browser.run("document.body.innerText").count(evil) == 4
    assert "taken" not in browser.run("document.title")


def test_a_picture_that_is_missing_is_named(browser, run):
    open_page(browser, run)
    (run / "epoch-0000.png").unlink()
    browser.press("ArrowLeft", shift=True)
    browser.wait_for("document.querySelector('#samples .picture').textContent === "
                     "'The picture of epoch 0 is missing.'")
    browser.complaints()  # some say so, too
    browser.press("ArrowRight")
    assert shown(browser) == "epoch-0001.png"


def test_a_page_of_a_thousand_epochs_is_written_in_a_moment(long_run):
    began = time.process_time()
    page.write(open_run(long_run))
    assert time.process_time() - began < 0.3
    assert (long_run / "index.js").stat().st_size < 120_000
    assert (long_run / "index.html").stat().st_size < 40_000


# ---- each a row of what was seen in one browser or another

def test_a_run_that_was_stopped_says_so(browser, run):
    train_on(run, 4, of=400)
    open_page(browser, run)
    about = browser.run("document.querySelector('#about').textContent")
    assert about.endswith("stopped after epoch 4 of 400") and "by themselves" not in about


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
    """As a signal stops it, after the second epoch."""
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


def test_dragging_in_a_curve_selects_nothing(browser, long_run):
    open_page(browser, long_run)
    browser.drag(".chart svg", (0.3, 0.5), (0.7, 0.9))
    assert 600 < int(shown(browser)[6:10]) < 800
    assert browser.run("String(getSelection())") == ""
    assert browser.run("getSelection().isCollapsed")


@pytest.mark.parametrize("dark", [False, True])
def test_printed_all_charts_are_whole_and_dark_on_white(browser, run, dark):
    open_page(browser, run, dark=dark, width=1280)
    points(browser, "Losses")
    # As the printer is told: on a sheet of A4.
    browser.run("""(() => {
        for (const {cssRules} of document.styleSheets) for (const rule of cssRules) {
            const media = rule.media?.mediaText;
            if (media?.includes("print")) rule.media.mediaText = "all";
            else if (media?.includes("screen")) rule.media.mediaText = "not all";
        }
        Object.assign(document.body.style, {width: "700px", margin: 0});
    })()""")
    boxes = browser.run("[...document.querySelectorAll('.chart')].map(chart => "
                        "['', 'svg'].map(q => (q ? chart.querySelector(q) : chart)"
                        ".getBoundingClientRect().toJSON()))")
    assert len(boxes) == 5
    for chart, svg in boxes:
        assert chart["left"] <= svg["left"] and svg["right"] <= chart["right"] + 1 <= 702
        assert svg["bottom"] <= chart["bottom"] + 1
        drawn = browser.run("[...document.querySelectorAll('svg')].every(svg => "
                            "svg.viewBox.baseVal.width > 100)")
        assert drawn
    charts = [chart for chart, _ in boxes]
    assert not any(a["left"] < b["right"] - 1 and b["left"] < a["right"] - 1
                   and a["top"] < b["bottom"] - 1 and b["top"] < a["bottom"] - 1
                   for i, a in enumerate(charts) for b in charts[:i])
    ink, = browser.run("[getComputedStyle(document.body).color.match(/\\d+/)[0]]")
    assert int(ink) < 60


@pytest.mark.parametrize("language", ["en-US", "ja"])
def test_nothing_is_wider_than_the_smallest_phone(browser, run, language):
    page.write(open_run(run))
    browser.open(run / "index.html", width=320, height=640, language=language)
    browser.wait_for("document.querySelector('#samples img')?.complete")
    assert browser.run("document.documentElement.scrollWidth") <= 320
    cut = browser.run("[...document.querySelectorAll('.key, td, th, p, button, li')].filter(node =>"
                      " node.offsetParent && node.scrollWidth > node.clientWidth + 1"
                      " && node.clientWidth).map(node => node.textContent)")
    assert cut == []
    # A word that does not fit would be broken in the middle.
    assert browser.run("[...document.querySelectorAll('#numbers td + td')].every(cell => "
                       "cell.clientWidth > 70)")


def test_keys_that_do_nothing_here_are_left_to_the_browser(browser, run):
    open_page(browser, run)
    browser.run("window.taken = []; addEventListener('keydown', "
                "event => taken.push(event.defaultPrevented)); 0")
    for key in "ArrowRight", "ArrowDown", "Escape", "ArrowLeft", "x":
        browser.press(key)
    assert browser.run("taken") == [False, False, False, True, False]


def test_a_screen_reader_hears_the_end_and_not_every_epoch(browser, run):
    open_page(browser, run)
    assert browser.run("document.querySelector('output').getAttribute('aria-live')") == "off"
    browser.run("window.heard = []; new MutationObserver(() => heard.push(document.querySelector("
                "'#announce').textContent)).observe(document.querySelector('#announce'), "
                "{childList: true}); 0")
    browser.click("#play")
    browser.wait_for("!player.moves")
    browser.run("new Promise(requestAnimationFrame)")
    assert browser.run("heard") == ["epoch 3"]


def test_a_chart_is_a_sentence_for_those_who_do_not_see_it(browser, run):
    open_page(browser, run)
    label = browser.run(f"{find_chart('Fréchet distance')}.querySelector('svg').getAttribute("
                        "'aria-label')")
    assert label == ("Fréchet distance over the epochs. Fréchet distance from 1.900 to 0.800, "
                     "lowest 0.800 at epoch 2, highest 1.900 at epoch 0.")


def test_curves_are_told_apart_without_colours(browser, run):
    open_page(browser, run)
    points(browser, "Losses")
    widths = browser.run("[...document.querySelector('.chart').querySelectorAll('.curve')].map("
                         "curve => getComputedStyle(curve).strokeWidth)")
    keys = browser.run("[...document.querySelectorAll('.chart .key')].slice(0, 2).map("
                       "key => getComputedStyle(key, '::before').borderTopWidth)")
    assert len(set(widths)) == 2 and len(set(keys)) == 2


def test_a_thousand_epochs_are_played_in_half_a_minute(browser, long_run):
    open_page(browser, long_run)
    assert 25 < browser.run("pace() * pictures.length / 1000") < 35
    browser.press(" ")
    browser.wait_for("index > 10")
    begun, first = time.monotonic(), browser.run("index")
    time.sleep(1)
    browser.press("Escape")
    rate = (browser.run("index") - first) / (time.monotonic() - begun)
    assert rate > 20  # of 33, however slow the machine is in loading them


def test_without_its_data_the_page_says_what_is_missing(browser, run):
    page.write(open_run(run))
    (run / "index.js").unlink()
    browser.open(run / "index.html")
    browser.wait_for("document.body.innerText.includes('index.js is not there')")
    assert browser.run("document.querySelector('#play').offsetParent") is None
    browser.complaints()


# ---- what one sees

def test_the_curves_tell_their_story_and_lead_to_it(browser, long_run, tmp_path):
    run = shutil.copytree(long_run, tmp_path / "run", copy_function=os.link)
    (run / "losses.csv").unlink()
    files.write_table(run / "losses.csv", files.LOSS_COLUMNS,
                      [(epoch, 7.0, 5e-4, 1.0, 1.0, 0.0) for epoch in range(1, 61)])
    files.write_table(run / "quality.csv", ("epoch", "frechet", "recall", "diversity"), [
        (0, 1.8, 0, 0.2), (10, 0.7, 0, 0.7), (20, 0.8, 0, 0.7), (40, 0.3, 0, 0.7),
        (50, 0.9, 0, 0.7), (60, 0.33, 0, 0.7)])
    open_page(browser, run)
    told = browser.run("[...document.querySelectorAll('#story li')].map(li => li.textContent)")
    assert [line.split(":")[0] for line in told] == ["epoch 40"] * 3 + ["epoch 50", "epoch 60"]
    assert "best pictures" in told[0] and "repeats a few shapes" in told[1]
    assert "never in doubt, yet" in told[2] and "fall apart" in told[3] and "recover" in told[4]
    browser.click("#story li:nth-child(4) button")
    assert shown(browser) == "epoch-0050.png"
    assert browser.run("document.querySelectorAll('.best').length") == 1


def test_picture_slider_and_curves_fit_one_view_on_a_desk(browser, run):
    open_page(browser, run, width=1366, height=768)
    points(browser, "Losses")
    bottoms = browser.run("['#samples img', '#slider', '.chart:nth-child(2) svg'].map(q => "
                          "document.querySelector(q).getBoundingClientRect().bottom)")
    assert max(bottoms) <= 768


def test_on_a_phone_picture_and_slider_stay_while_one_reads_the_curves(browser, run):
    open_page(browser, run, width=390, height=740)
    browser.run("document.querySelector('.chart:nth-child(3)').scrollIntoView({block: 'end'})")
    browser.wait_for("document.body.classList.contains('away')")
    boxes = browser.run("['#thumb', '#slider'].map(q => "
                        "document.querySelector(q).getBoundingClientRect().toJSON())")
    assert all(0 <= box["top"] and 0 < box["bottom"] < 160 for box in boxes)
    browser.run("go(1)")
    browser.wait_for("document.querySelector('#thumb').src.includes('epoch-0001.png')")


def test_a_stranger_is_told_what_this_is_and_who_d_is(browser, run):
    open_page(browser, run)
    assert browser.run("document.querySelector('h1').textContent") == (
        "A network learns to draw zeros")
    text = browser.run("document.body.innerText")
    assert "never made by anybody" in text and "D, the discriminator, is a second network" in text
    assert "“real 0.312” above an image: D takes it for real with 31 %" in text


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

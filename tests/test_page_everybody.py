"""The page of a run: phones, print, keyboard, screen readers, Japanese, and what it explains."""

import os
import re
import shutil
import time

import pytest
from browsers import by_day_and_by_night, in_one
from reading_page import find_chart, open_page, points, shown

from lab.look import page
from lab.runs import files
from lab.runs.opened import open_run


@by_day_and_by_night(phone=390)
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


@in_one
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


def test_dragging_in_a_curve_selects_nothing(browser, long_run):
    open_page(browser, long_run)
    browser.drag(".chart svg", (0.3, 0.5), (0.7, 0.9))
    assert 600 < int(shown(browser)[6:10]) < 800
    assert browser.run("String(getSelection())") == ""
    assert browser.run("getSelection().isCollapsed")


@pytest.mark.parametrize("dark", [pytest.param(False, marks=pytest.mark.faults), True])
def test_printed_all_charts_are_whole_and_dark_on_white(browser, run, dark):
    open_page(browser, run, dark=dark, width=1280)
    points(browser, "Losses")
    # Applies the rules for print, on a sheet of A4.
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
    # In narrower cells words would break in the middle.
    assert browser.run("[...document.querySelectorAll('#numbers td + td')].every(cell => "
                       "cell.clientWidth > 70)")


def test_keys_that_do_nothing_here_are_left_to_the_browser(browser, run):
    open_page(browser, run)
    browser.run("window.taken = []; addEventListener('keydown', "
                "event => taken.push(event.defaultPrevented)); 0")
    for key in "ArrowRight", "ArrowDown", "Escape", "ArrowLeft", "x":
        browser.press(key)
    assert browser.run("taken") == [False, False, False, True, False]


@in_one
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


@in_one
def test_a_chart_is_a_sentence_for_those_who_do_not_see_it(browser, run):
    open_page(browser, run)
    label = browser.run(f"{find_chart('Fréchet distance')}.querySelector('svg').getAttribute("
                        "'aria-label')")
    assert label == ("Fréchet distance over the epochs. Fréchet distance from 1.900 to 0.800, "
                     "lowest 0.800 at epoch 2, highest 1.900 at epoch 0.")


@in_one
def test_curves_are_told_apart_without_colours(browser, run):
    open_page(browser, run)
    points(browser, "Losses")
    widths = browser.run("[...document.querySelector('.chart').querySelectorAll('.curve')].map("
                         "curve => getComputedStyle(curve).strokeWidth)")
    keys = browser.run("[...document.querySelectorAll('.chart .key')].slice(0, 2).map("
                       "key => getComputedStyle(key, '::before').borderTopWidth)")
    assert len(set(widths)) == 2 and len(set(keys)) == 2


@in_one
def test_a_thousand_epochs_are_played_in_half_a_minute(browser, long_run):
    open_page(browser, long_run)
    assert 25 < browser.run("pace() * pictures.length / 1000") < 35
    browser.press(" ")
    browser.wait_for("index > 10")
    begun, first = time.monotonic(), browser.run("index")
    time.sleep(1)
    browser.press("Escape")
    rate = (browser.run("index") - first) / (time.monotonic() - begun)
    assert rate > 20  # 33 where pictures load at once


@in_one
def test_without_its_data_the_page_says_what_is_missing(browser, run):
    page.write(open_run(run))
    (run / "index.js").unlink()
    browser.open(run / "index.html")
    browser.wait_for("document.body.innerText.includes('index.js is not there')")
    assert browser.run("document.querySelector('#play').offsetParent") is None
    browser.complaints()


@in_one
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


@in_one
def test_on_a_phone_picture_and_slider_stay_while_one_reads_the_curves(browser, run):
    open_page(browser, run, width=390, height=740)
    browser.run("document.querySelector('.chart:nth-child(3)').scrollIntoView({block: 'end'})")
    browser.wait_for("document.body.classList.contains('away')")
    boxes = browser.run("['#thumb', '#slider'].map(q => "
                        "document.querySelector(q).getBoundingClientRect().toJSON())")
    assert all(0 <= box["top"] and 0 < box["bottom"] < 160 for box in boxes)
    browser.run("go(1)")
    browser.wait_for("document.querySelector('#thumb').src.includes('epoch-0001.png')")


@in_one
def test_a_stranger_is_told_what_this_is_and_who_d_is(browser, run):
    open_page(browser, run)
    assert browser.run("document.querySelector('h1').textContent") == (
        "A network learns to draw zeros")
    text = browser.run("document.body.innerText")
    assert "never made by anybody" in text and "D, the discriminator, is a second network" in text
    assert "“real 0.312” above an image: D takes it for real with 31 %" in text

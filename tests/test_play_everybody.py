"""The page that draws: phones, keyboard, screen readers, Japanese, and what it explains."""

import shutil
import time

import numpy as np
from browsers import by_day_and_by_night, in_one
from drawing_page import (
    assert_same_image,
    expected,
    judgements,
    names,
    open_page,
    pixels,
    saved_image,
)
from PIL import Image

from chainer_cpu import chainer, functions
from lab.look.generated import latent
from lab.look.tiles import cut_tiles, to_pixels
from lab.runs.opened import open_run


def test_all_is_done_by_the_keyboard(browser, zeros):
    open_page(browser, zeros)
    for key, focused in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowDown", 5), ("ArrowLeft", 4),
                         ("ArrowUp", 1), ("ArrowUp", 1), ("ArrowRight", 2)):
        browser.press(key)
        if focused == 1 and key == "ArrowRight":  # the first arrow goes to the first image
            browser.press(key)
        assert browser.run("tiles.findIndex(t => t.button === document.activeElement)") == focused
    if browser.run("document.hasFocus()"):  # without a desktop a window may have none
        outline = browser.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    browser.press("Enter")
    assert names(browser)[4] == "0-3"
    assert browser.run("document.activeElement === tiles[4].button")
    browser.press("Tab")
    browser.press(" ")
    assert browser.run("state.a") == "0-3"
    browser.press("Escape")
    assert names(browser)[2] == "0-3"
    assert browser.run("document.activeElement === tiles[2].button")


@in_one
def test_a_screen_reader_hears_what_everything_is(browser, zeros):
    open_page(browser, zeros, "#of=0-3.30-2&a=0-3&b=0-4")
    unnamed = browser.run(
        "[...document.querySelectorAll('button, input')].filter(node => !node.ariaLabel"
        " && !node.labels?.[0]?.textContent && !node.textContent).map(node => node.outerHTML)")
    assert unnamed == []
    judgements(browser)
    label = browser.run("tiles[0].button.ariaLabel")
    assert label.startswith("image 3 of seed 0, variation 2, variation 1, D: ")
    assert label.endswith(": its variations")
    assert browser.run("between.button.ariaLabel").startswith("50% of the way from A, image 3 of")
    assert browser.run("document.querySelector('#near').getAttribute('aria-valuetext')") == "30%"
    assert browser.run("document.querySelector('#what').role") == "status"


@in_one
def test_who_asked_for_less_motion_gets_slow_steps_when_pressing_play(browser, zeros):
    open_page(browser, zeros, "#a=0-1&b=0-2", still=True)
    assert browser.run("document.getAnimations().length") == 0
    begun = time.monotonic()
    browser.press(" ")
    browser.wait_for("phase >= 40")
    assert time.monotonic() - begun > 1.5
    browser.press("Escape")


def test_keys_that_do_nothing_here_are_left_to_the_browser(browser, zeros):
    open_page(browser, zeros)
    browser.run("window.taken = []; addEventListener('keydown', "
                "event => taken.push(event.defaultPrevented)); 0")
    for key in " ", "ArrowDown", "Escape", "ArrowRight", "ArrowUp", "ArrowDown":
        browser.press(key)
    assert browser.run("taken") == [False, False, False, True, False, True]


@by_day_and_by_night(phone=360)
def test_it_fits_a_phone_and_a_desk_by_day_and_by_night(browser, zeros, width, dark):
    open_page(browser, zeros, "#of=0-3&a=0-3&b=0-4", width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    boxes = browser.run("[...document.querySelectorAll('button, input')].filter(node => "
                        "node.offsetParent).map(node => node.getBoundingClientRect().toJSON())")
    assert all(0 <= box["left"] and box["right"] <= width and box["height"] >= 32 for box in boxes)
    ink, paper = browser.run("['color', 'backgroundColor'].map(name => +getComputedStyle("
                             "document.body)[name].match(/\\d+/)[0])")
    assert (ink > 200 and paper < 50) if dark else (ink < 50 and paper > 200)


def test_it_speaks_japanese_to_a_browser_that_asks_for_it(browser, zeros):
    open_page(browser, zeros)
    english = browser.run("Object.keys(say)")
    open_page(browser, zeros, "#of=0-3&a=0-3&b=0-4", language="ja")
    assert browser.run("Object.keys(say)") == english
    assert browser.run("document.documentElement.lang") == "ja"
    text = browser.run("document.body.innerText")
    for word in "戻る", "近く", "遠く", "モーフィング", "再生", "保存", "リンクをコピー", "数字の0":
        assert word in text
    assert not {"Back", "Play", "Save", "Morph", "Digit"} & set(text.split())
    assert "シード0の画像3" in browser.run("tiles[4].button.ariaLabel")


def test_only_the_file_a_phone_and_no_network(browser, zeros, tmp_path):
    """Somebody draws a zero, finds one by its variations, morphs it into another, saves it."""
    phone = tmp_path / "phone"
    phone.mkdir()
    shutil.copy(zeros / "play.html", phone)
    open_page(browser, phone, width=360, height=740)
    browser.tap("#more")
    assert names(browser)[0] == "0-10"
    browser.tap(".grid figure:nth-child(2) .image")
    assert names(browser)[4] == "0-11"
    browser.tap(".grid figure:nth-child(1) .image")
    assert names(browser)[4] == "0-11.30-1"
    browser.tap(".grid figure:nth-child(5) .tools button")
    browser.tap("#back")
    browser.tap("#back")
    browser.tap(".grid figure:nth-child(9) .tools button")
    browser.wait_for("state.b === '0-18'")
    browser.tap("#way figure:nth-child(2) .image")
    browser.wait_for("dialog.open")
    browser.tap("dialog .row button:first-child")
    picture = saved_image(browser, "0-11.30-1~0-18~50.png")
    assert picture.size == (28, 28)
    np.testing.assert_array_equal(np.array(picture.convert("RGB")), pixels(browser))


@in_one
def test_where_a_browser_allows_no_worker_the_page_draws_itself(browser, zeros, tmp_path):
    text = (zeros / "play.html").read_text(encoding="utf-16")
    (tmp_path / "play.html").write_text(
        text.replace("<head>", "<head><script>delete window.Worker</script>"), encoding="utf-16")
    open_page(browser, tmp_path)
    assert browser.run("typeof Worker") == "undefined"
    assert_same_image(pixels(browser, "tiles[0].canvas"), expected(zeros, latent(0, 1, 100))[0][0])


@in_one
def test_inside_the_generator_each_layer_is_shown_and_a_number_of_z_moved(browser, zeros):
    open_page(browser, zeros)
    browser.click(".grid figure:nth-child(3) .image")
    browser.click("#closer")
    browser.wait_for("document.querySelectorAll('#up .layer').length")
    sizes = browser.run("[...document.querySelectorAll('.layer b')].map(b => b.textContent)")
    assert sizes == [f"{s} × {s}" for s in (3, 4, 6, 10, 28, 10, 6, 4, 3, 1)]
    assert browser.run("look.name") == "0-3"
    # Chainer's own output of dc1.
    gen, dis, _ = open_run(zeros).networks()
    z = latent(0, 3, 100)[2:]
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        h = functions.relu(gen.bn1(functions.reshape(gen.l1(z), (1, -1, 3, 3))))
        h = functions.relu(gen.bn2(gen.dc1(h))).array[0]
    channel = h.var(axis=(1, 2)).argmax()
    assert f"channel {channel + 1}" == browser.run(
        "document.querySelectorAll('#up .layer')[1].querySelector('canvas').ariaLabel")
    assert_same_image(pixels(browser, "document.querySelector('#up .large')"),
                      expected(zeros, z)[0][0])
    browser.run("choose(7); (v => { v.value = 1; v.dispatchEvent(new Event('input')) })"
                "(document.querySelector('#value'))")
    browser.wait_for("!asked && !busy")
    z[0, 7] = 1
    shown, real = expected(zeros, z)
    assert_same_image(pixels(browser, "document.querySelector('#up .large')"), shown[0])
    verdict = browser.run("document.querySelector('#down .verdict').textContent")
    assert abs(int(verdict.split("D: ")[1].split(" ")[0]) - 100 * real[0]) < 1.5


@in_one
def test_real_or_drawn_is_a_game_with_a_score_for_both(browser, tiny_run):
    open_page(browser, tiny_run)
    browser.click("#begin")
    browser.wait_for("cards.every(card => card.shown === card.name)")
    real = browser.run("cards.map(card => card.name.startsWith('real-'))")
    assert 2 <= sum(real) <= 6
    assert browser.run("cards.map(card => card.caption.textContent)") == [""] * 9
    for i in range(9):
        if real[i] != (i == 0):  # the first is guessed wrongly
            browser.click(f"#cards figure:nth-child({i + 1}) .image")
    browser.wait_for("cards.every(card => card.picture.real !== undefined)")
    found = browser.run("cards.map(card => card.picture.real)")
    # D is told how many are real, and picks as many with the highest probabilities.
    picked = np.isin(np.arange(9), np.argsort(-np.array(found), kind="stable")[:sum(real)])
    judged = picked == np.array(real)
    browser.click("#answer")
    assert browser.run("document.querySelector('#score').textContent") == (
        f"You: 8 of 9. D: {sum(judged)} of 9.")
    marks = browser.run("cards.map(card => card.verdict.textContent[0])")
    assert marks == ["✗", *"✓" * 8]
    browser.click("#again")
    browser.wait_for("cards.every(card => card.shown === card.name)")
    browser.click("#answer")
    assert "of 18" in browser.run("document.querySelector('#score').textContent")


def test_the_real_images_of_the_game_are_those_of_the_run(tiny_run):
    with Image.open(tiny_run / "real.png") as picture:
        found = cut_tiles(picture, 9, 28)
    run = open_run(tiny_run)
    _, own = run.images()
    order = np.random.default_rng(run.settings.seed)
    order.uniform(-1, 1, (9, run.settings.z_dim))
    images = own[order.permutation(len(own))[:9]]
    np.testing.assert_array_equal(found, to_pixels(images))


@in_one
def test_a_stranger_is_told_what_this_is_and_who_d_is(browser, zeros):
    open_page(browser, zeros)
    assert browser.run("document.querySelector('h1').textContent") == "Zeros that nobody wrote"
    text = browser.run("document.body.innerText")
    assert "never made by anybody" in text and "D, the discriminator, is a second network" in text
    assert "Click a picture for eight others like it" in text
    main = browser.run("[...document.querySelectorAll('button.main')].filter(button => "
                       "button.offsetParent).map(button => button.textContent)")
    assert main == ["Nine more"]


@in_one
def test_what_there_is_to_do_further_down_is_said_on_top_and_a_click_away(browser, tiny_run):
    browser.open(tiny_run / "index.html")
    browser.wait_for("document.querySelector('#draws').textContent")
    assert browser.run("document.querySelector('#draws').textContent") == (
        "Draw with it, look inside it, play against D")
    browser.open(tiny_run / "play.html", height=700)
    browser.wait_for("tiles.every(tile => tile.isShown)")
    found = browser.run("[...document.querySelectorAll('#below button')].map(button => "
                        "[button.textContent, button.getBoundingClientRect().bottom])")
    assert [words for words, _ in found] == ["From one to another", "Inside the networks",
                                             "Real or drawn?"]
    assert max(bottom for _, bottom in found) < 250
    browser.click("#below button:nth-of-type(3)")
    assert browser.run("document.activeElement.textContent") == "Real or drawn?"
    assert browser.run("document.querySelector('#begin').getBoundingClientRect().bottom") <= 700
    assert browser.run("location.hash") == ""


@in_one
def test_without_real_images_there_is_no_game_to_go_to(browser, zeros):
    browser.open(zeros / "play.html")
    browser.wait_for("tiles.every(tile => tile.isShown)")
    assert browser.run("[...document.querySelectorAll('#below button')].filter(button => "
                       "button.offsetParent).length") == 2

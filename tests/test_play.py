"""The page that draws: seeds, variations, morphs, saved files and links."""

import shutil
import time

import numpy as np
import pytest
from browsers import in_one
from drawing_page import (
    assert_same_image,
    expected,
    judgements,
    names,
    open_page,
    pick,
    pixels,
    saved_image,
)

from lab.look.generated import great_circle, latent


def test_nine_more_and_a_seed(browser, zeros):
    open_page(browser, zeros)
    assert names(browser) == [f"0-{i}" for i in range(1, 10)]
    browser.click("#more")
    assert names(browser) == [f"0-{i}" for i in range(10, 19)]
    browser.click("#seed")
    browser.run("document.querySelector('#seed').select()")
    browser.type("3")
    browser.press("Enter")
    assert names(browser) == [f"3-{i}" for i in range(1, 10)]
    assert browser.run("location.hash") == "#seed=3"


@in_one
@pytest.mark.parametrize("text", ["-1", "4294967296", "zero"])
def test_what_is_no_seed_is_said_and_changes_nothing(browser, zeros, text):
    open_page(browser, zeros, "#seed=5")
    browser.run(f"(s => {{ s.value = {text!r}; s.dispatchEvent(new Event('change')) }})"
                "(document.querySelector('#seed'))")
    assert names(browser)[0] == "5-1"
    assert browser.run("document.querySelector('#seed').value") == "5"
    refused = browser.run("document.querySelector('#refused').textContent")
    assert f"“{text}” is no seed" in refused and "whole number" in refused
    assert browser.run("document.querySelector('#seed').getAttribute('aria-invalid')") == "true"
    assert browser.run("getComputedStyle(document.querySelector('#refused')).color") != (
        browser.run("getComputedStyle(document.querySelector('#what')).color"))


@in_one
def test_a_seed_in_full_width_digits_is_one(browser, zeros):
    open_page(browser, zeros)
    browser.run("(s => { s.value = '１２'; s.dispatchEvent(new Event('change')) })"
                "(document.querySelector('#seed'))")
    assert names(browser)[0] == "12-1"
    assert browser.run("parseFloat(getComputedStyle(document.querySelector('#seed')).fontSize)"
                       ) >= 16  # below that, a phone enlarges the page


def test_a_double_click_goes_one_level_deep(browser, zeros):
    open_page(browser, zeros)
    browser.click(".grid figure:nth-child(5) .image", times=2)
    time.sleep(0.1)
    assert names(browser)[4] == "0-5"


def test_a_click_makes_an_image_the_middle_of_eight_variations_and_so_on_and_back(browser, zeros):
    open_page(browser, zeros)
    browser.click(".grid figure:nth-child(3) .image")
    assert names(browser) == [*(f"0-3.30-{i}" for i in (1, 2, 3, 4)), "0-3",
                              *(f"0-3.30-{i}" for i in (5, 6, 7, 8))]
    images = [pixels(browser, f"tiles[{i}].canvas") for i in range(9)]
    assert all((a != b).any() for i, a in enumerate(images) for b in images[:i])
    assert_same_image(images[4], expected(zeros, latent(0, 3, 100)[2:])[0][0])
    browser.click(".grid figure:nth-child(9) .image")
    assert names(browser)[4] == "0-3.30-8" and names(browser)[0] == "0-3.30-8.30-1"
    browser.click("#back")
    assert names(browser)[4] == "0-3" and names(browser)[8] == "0-3.30-8"
    browser.click("#others")
    assert names(browser)[0] == "0-3.30-9"
    browser.press("Escape")
    assert names(browser) == [f"0-{i}" for i in range(1, 10)]
    browser.run("history.back()")  # as the browser's Back button does
    browser.wait_for("state.of === '0-3' && state.from === 9")
    assert names(browser)[0] == "0-3.30-9"


@in_one
def test_the_slider_brings_variations_nearer_or_farther(browser, zeros):
    open_page(browser, zeros, "#of=0-3&near=50")
    middle = pixels(browser, "tiles[4].canvas").astype(float)

    def spread():
        return np.mean([np.abs(pixels(browser, f"tiles[{i}].canvas") - middle).mean()
                        for i in (0, 1, 2, 3, 5, 6, 7, 8)])

    half = spread()
    browser.click("#near", across=0.05)
    near = spread()
    browser.click("#near", across=0.95)
    assert near < half / 2 and half < spread()
    assert int(browser.run("location.hash").split("near=")[1]) > 90


@in_one
def test_a_variation_lies_on_the_great_circle_to_an_image_of_its_own(browser, zeros):
    open_page(browser, zeros)
    z, towards = (np.array(browser.run(f"[...{vector}]"), np.float32) for vector in
                  ("vectorOf('0-3', 100)", "latent(seedOf('0-3'), 2, 100)"))
    np.testing.assert_allclose(browser.run("[...vectorOf('0-3.25-2', 100)]"),
                               great_circle(z, towards, 5)[1], atol=1e-6)


@in_one
def test_two_picked_images_morph_along_the_great_circle(browser, zeros):
    open_page(browser, zeros)
    assert "two images" in browser.run("document.querySelector('#morph').innerText")
    pick(browser, 2)
    assert "second" in browser.run("document.querySelector('#morph').innerText")
    browser.click("#more")
    pick(browser, 1)
    z = latent(0, 10, 100)
    way, _ = expected(zeros, great_circle(z[1], z[9], 5))
    for t, frame in zip((0, 25, 50, 75, 100), way, strict=True):
        browser.run(f"(s => {{ s.value = {t}; s.dispatchEvent(new Event('input')) }})"
                    "(document.querySelector('#along'))")
        assert_same_image(pixels(browser), frame)
    assert_same_image(pixels(browser, "ends[0].canvas"), way[0])
    assert_same_image(pixels(browser, "ends[1].canvas"), way[4])
    browser.click("#along", across=0.9)
    assert browser.run("location.hash").startswith("#seed=0&from=10&a=0-2&b=0-10&t=")


@in_one
def test_a_third_pick_takes_the_place_of_the_second_and_each_can_be_taken_away(browser, zeros):
    open_page(browser, zeros)
    pick(browser, 1, 2, 3)
    assert browser.run("[state.a, state.b]") == ["0-1", "0-3"]
    browser.click("#way figure:first-child .image")
    assert browser.run("[state.a, state.b ?? null]") == ["0-3", None]
    pick(browser, 3)
    assert browser.run("state.a ?? null") is None


def test_the_focus_stays_on_the_page_when_what_has_it_is_taken_away(browser, zeros):
    open_page(browser, zeros, "#a=0-1&b=0-2")
    for end, left in (1, "A, image 1 of seed 0: "), (0, "image 1 of seed 0, D: "):
        browser.run(f"ends[{end}].button.focus()")
        browser.press("Enter")
        assert browser.run("document.activeElement.ariaLabel").startswith(left)


@in_one
def test_the_browsers_way_back_stops_the_player(browser, zeros):
    open_page(browser, zeros, "#a=0-1")
    pick(browser, 2)
    browser.click("#play")
    browser.wait_for("state.t > 50")
    browser.run("history.back()")
    browser.wait_for("!state.b")
    assert browser.run("player.moves") is False
    assert browser.run("document.querySelector('#play').textContent") == "Play"


@in_one
def test_the_player_goes_from_one_to_the_other_and_back(browser, zeros):
    open_page(browser, zeros)
    pick(browser, 1, 2)
    assert browser.run("state.t") == 50  # half of the way, until it is played
    browser.wait_for("between.judgement")
    browser.run("window.seen = []; between.show = () => seen.push(state.t); 0")
    browser.click("#play")
    browser.wait_for("seen.length > 3")
    assert browser.run("document.querySelector('#play').textContent") == "Pause"
    browser.press(" ")  # on the button
    stopped = browser.run("state.t")
    assert 0 < stopped < 100 and browser.run("location.hash").endswith(f"&t={stopped}")
    browser.run("phase = 90; document.activeElement.blur()")
    browser.press(" ")
    browser.wait_for("!player.moves")
    seen = browser.run("seen")
    turn = seen.index(max(seen))
    assert seen[0] < 20 and max(seen) > 95 and seen[-1] == 0
    assert seen[turn:] == sorted(seen[turn:], reverse=True)
    assert browser.run("document.querySelector('#announce').textContent").startswith("0% of the")


@in_one
def test_the_second_pick_brings_the_morph_into_view_and_is_announced(browser, zeros):
    open_page(browser, zeros, height=700)
    pick(browser, 1)
    assert browser.run("document.querySelector('#announce').textContent") == "Pick a second image."
    pick(browser, 2)
    browser.wait_for("document.querySelector('#play').getBoundingClientRect().bottom <= "
                     "innerHeight")
    assert browser.run("tiles[0].button.ariaLabel").startswith("A, image 1 of seed 0")
    assert browser.run("tiles[1].pick.ariaLabel").startswith("B, image 2 of seed 0")


@in_one
def test_a_strip_of_the_morph_is_saved(browser, zeros):
    open_page(browser, zeros, "#a=0-1&b=0-2")
    browser.click("#strip")
    strip = np.array(saved_image(browser, "0-1~0-2-strip.png"))
    way, _ = expected(zeros, great_circle(*latent(0, 2, 100), 9))
    times = strip.shape[0] // 28
    assert strip.shape[1] == 9 * (28 * times + times) - times
    for i in 0, 4, 8:
        tile = strip[::times, i * 29 * times:(i * 29 + 28) * times:times]
        assert_same_image(tile, way[i])


@in_one
def test_while_something_moves_d_waits(browser, zeros):
    open_page(browser, zeros, "#a=0-1&b=0-2")
    judgements(browser)
    browser.run("window.asked_for = []; const were = ask; "
                "ask = (task, data) => { asked_for.push(task); were(task, data); }; 0")
    browser.click("#play")
    browser.wait_for("asked_for.length > 8")
    assert set(browser.run("asked_for")) == {"draw"}
    browser.press("Escape")
    browser.wait_for("between.judgement")


def test_an_image_is_saved_at_its_size_and_enlarged(browser, zeros):
    open_page(browser, zeros)
    browser.click(".grid figure:nth-child(2) .tools button:last-child")
    browser.click("dialog .row button:first-child")
    small = np.array(saved_image(browser, "0-2.png"))
    assert small.shape == (28, 28, 3)
    assert_same_image(small, expected(zeros, latent(0, 2, 100)[1:])[0][0])
    browser.click("dialog .row button:last-child")
    large = np.array(saved_image(browser, "0-2-504.png"))
    np.testing.assert_array_equal(large, small.repeat(18, axis=0).repeat(18, axis=1))
    browser.press("Escape")
    assert not browser.run("dialog.open")
    assert browser.run("document.activeElement.ariaLabel") == "image 2 of seed 0: save"


@pytest.mark.parametrize("clipboard", ["navigator.clipboard", "of old"])
def test_a_copied_link_opens_the_same_again(browser, zeros, tmp_path, clipboard):
    open_page(browser, zeros)
    browser.run("window.copied = null; Object.defineProperty(navigator, 'clipboard', {value: "
                + ("{writeText: async text => { copied = text; }}" if clipboard != "of old" else
                   "{writeText: async () => { throw Error('not allowed'); }}") + "}); 0")
    browser.click(".grid figure:nth-child(5) .image")
    browser.click("#near", across=0.7)
    browser.click("#others")
    pick(browser, 1, 6)
    browser.click("#along", across=0.2)
    browser.click("#link")
    browser.wait_for("document.querySelector('#status').textContent.startsWith('Copied')")
    if clipboard == "of old":
        browser.run("document.body.append(element('textarea', {id: 'paste'}))")
        browser.click("#paste")
        browser.press("v", "Control")
        browser.wait_for("document.querySelector('#paste').value")
    link = browser.run("copied ?? document.querySelector('#paste').value")
    before = names(browser), pixels(browser), browser.run("state")
    friend = tmp_path / "friend"  # has the file and the end of the address
    friend.mkdir()
    shutil.copy(zeros / "play.html", friend)
    open_page(browser, friend, link[link.index("#"):])
    assert (names(browser), browser.run("state")) == (before[0], before[2])
    np.testing.assert_array_equal(pixels(browser), before[1])


@in_one
@pytest.mark.parametrize("address", [
    "#nonsense", "#seed=-1&from=0", "#seed=99999999999&from=NaN", "#of=0-1.101-1",
    "#of=<img src=x onerror=alert(1)>", "#%E3%81", "#a=~&b=1&t=x", "#of=" + "0-1" + ".30-1" * 300])
def test_an_address_that_is_nonsense_means_nine_images(browser, zeros, address):
    open_page(browser, zeros, address)
    assert names(browser) == [f"0-{i}" for i in range(1, 10)]
    assert browser.run("document.querySelector('#way').hidden")
    browser.click("#more")
    assert names(browser)[0] == "0-10" and browser.run("location.hash") == "#seed=0&from=10"


@in_one
def test_the_last_of_a_seed_are_followed_by_the_next_seed(browser, zeros):
    open_page(browser, zeros, "#seed=4294967295&from=4990")
    browser.click("#more")
    assert names(browser)[0] == "0-1"
    browser.run("go({of: '0-1.30-4999', near: 30, from: 1})")
    browser.click("#back")
    assert "0-1.30-4999" in names(browser)

"""The page that draws the same z with the generators of several epochs."""

import shutil

import numpy as np
import pytest
import small
from browsers import in_one
from conftest import TINY
from drawing_page import all_pixels, names, open_page, pixels, saved_image

import dcgan
import trainer
from lab.look import play
from lab.look.generated import latent
from lab.look.tiles import to_pixels
from lab.runs import files
from lab.runs.opened import open_run

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Returns a run of three epochs that kept the generators of 1 and 2; the best is that of 2."""
    folder = tmp_path_factory.mktemp("epochs") / "run"
    with small.networks():
        assert trainer.main([*TINY, "--out", str(folder)]) == 0
        with np.load(folder / "generator-0002.npz") as arrays:
            np.savez(folder / "best-generator.npz", epoch=2, **{
                name: np.asarray(array, np.float32 if array.dtype == np.float16 else array.dtype)
                for name, array in arrays.items()})
        play.write(open_run(folder))
    return folder


def go_to(browser, stop):
    browser.run(f"(s => {{ s.value = {stop}; s.dispatchEvent(new Event('input')); "
                "s.dispatchEvent(new Event('change')) })(document.querySelector('#epoch'))")


def drawn(gen, z):
    return to_pixels(dcgan.generate(gen, z))[..., None]


def test_the_slider_draws_the_same_z_with_the_generator_of_every_epoch_that_is_kept(browser, run):
    open_page(browser, run, "#seed=3")
    opened, z = open_run(run), latent(3, 9, 10)
    gens = [opened.snapshot(1), opened.snapshot(2), opened.networks().gen]
    seen = []
    for stop, gen in enumerate(gens):
        go_to(browser, stop)
        assert names(browser) == [f"3-{i}" for i in range(1, 10)]
        seen.append(all_pixels(browser))
        assert np.abs(seen[-1].astype(int) - drawn(gen, z)).max() <= 2
    assert all((a != b).any() for a, b in zip(seen, seen[1:], strict=False))


@in_one
def test_it_says_which_epoch_and_which_is_best_and_the_address_says_it_too(browser, run):
    open_page(browser, run)
    assert browser.run("document.querySelector('#time').offsetParent") is not None
    assert browser.run("document.querySelector('#at').textContent") == "epoch 3"
    go_to(browser, 1)
    words = "epoch 2, the best"
    assert browser.run("document.querySelector('#at').textContent") == words
    assert browser.run("document.querySelector('#epoch').getAttribute('aria-valuetext')") == words
    assert browser.run("location.hash") == "#seed=0&epoch=2"
    browser.click("#more")
    names(browser)
    before = all_pixels(browser)
    open_page(browser, run, browser.run("location.hash"))
    assert browser.run("document.querySelector('#at').textContent") == words
    assert np.array_equal(all_pixels(browser), before)


@in_one
def test_d_judges_only_the_generator_that_it_has_learned_with(browser, run):
    open_page(browser, run)
    browser.wait_for("tiles.every(tile => tile.caption.textContent)")
    go_to(browser, 0)
    names(browser)
    assert browser.run("tiles.some(tile => tile.caption.textContent)") is False
    go_to(browser, 2)
    browser.wait_for("tiles.every(tile => tile.caption.textContent)")


@in_one
def test_morph_layers_and_saved_files_are_of_the_epoch_too_and_the_game_is_not(browser, run):
    open_page(browser, run, "#a=0-1&b=0-2&t=0&epoch=1")
    gen = open_run(run).snapshot(1)
    expected = drawn(gen, latent(0, 1, 10))[0]
    assert np.abs(pixels(browser).astype(int) - expected).max() <= 2
    browser.run("openInside('0-1')")
    browser.wait_for("document.querySelector('#up .large')")
    assert np.abs(pixels(browser, "document.querySelector('#up .large')").astype(int) - expected
                  ).max() <= 2
    assert browser.run("document.querySelectorAll('#down .layer').length") == 0
    go_to(browser, 2)
    browser.wait_for("document.querySelectorAll('#down .layer').length")
    go_to(browser, 0)
    browser.run("openSave('0-1')")
    browser.wait_for("preview.isShown")
    browser.click("dialog .row button:first-child")
    saved = np.array(saved_image(browser, "0-1@1.png"))
    assert np.abs(saved.astype(int) - expected).max() <= 2
    browser.press("Escape")
    browser.click("#begin")
    browser.wait_for("cards.every(card => card.isShown)")
    assert browser.run("cards.some(card => card.key.includes('@'))") is False


@in_one
def test_a_file_is_loaded_when_it_is_wanted_and_not_before(browser, run):
    open_page(browser, run)
    browser.wait_for("known.has(1)")
    assert browser.run("[...scripts.keys()]") == [1]
    go_to(browser, 1)
    names(browser)
    assert browser.run("[...scripts.keys()]") == [1, 2]


@in_one
def test_a_page_that_was_sent_alone_has_no_slider_and_draws(browser, run, tmp_path):
    shutil.copy(run / "play.html", tmp_path)
    open_page(browser, tmp_path)
    browser.wait_for("tiles.every(tile => tile.caption.textContent)")
    browser.wait_for("document.querySelector('#time').hidden")
    browser.run("go({at: 2})")
    browser.wait_for("state.at === undefined")
    assert browser.run("document.querySelector('#refused').textContent") == (
        "play-0002.js is not beside this page.")
    browser.complaints()  # some browsers report the missing file


@in_one
def test_what_is_no_epoch_of_the_run_means_its_newest(browser, run):
    open_page(browser, run, "#seed=0&epoch=7")
    assert browser.run("document.querySelector('#at').textContent") == "epoch 3"


def test_generators_that_are_no_longer_kept_have_no_file(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    assert {path.name for path in folder.glob(files.PLAY_EPOCHS)} == {"play-0001.js",
                                                                      "play-0002.js"}
    files.snapshot(folder, 1).unlink()
    play.write(open_run(folder))
    assert [path.name for path in folder.glob(files.PLAY_EPOCHS)] == ["play-0002.js"]
    play.write(open_run(folder), out=tmp_path / "play.html")  # elsewhere it is one file
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["play.html"]

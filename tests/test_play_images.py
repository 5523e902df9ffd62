"""The page that draws makes the images and probabilities that Python makes, and fast."""

import itertools
import time

import numpy as np
import pytest
from browsers import in_one
from drawing_page import (
    SEEDS,
    all_pixels,
    assert_same_image,
    expected,
    judgements,
    make_run,
    make_run_with_page,
    make_zeros,
    names,
    networks_that_have_seen_images,
    open_page,
)
from PIL import Image

import trainer
from lab.look import play
from lab.look.generated import latent
from lab.runs.opened import open_run
from plot import sample_grid


def test_it_draws_the_numbers_that_numpy_draws(browser, zeros):
    open_page(browser, zeros)
    for seed, number in itertools.product(SEEDS, (1, 12, 700)):
        drawn = browser.run(f"[...latent({seed}, {number}, 100)]")
        np.testing.assert_array_equal(drawn, latent(seed, number, 100)[-1], err_msg=str(seed))


@pytest.fixture(scope="session")
def trained_zeros(tmp_path_factory):
    """Returns the folder of a run with pretrained/'s generator of zeros and a discriminator."""
    return make_zeros(tmp_path_factory.mktemp("trained"))


def compare_with_python(browser, folder, seeds, pixel, probability):
    open_page(browser, folder)
    size = open_run(folder).settings.z_dim
    for seed in seeds:
        browser.run(f"go({{seed: {seed}, from: 1}})")
        shown, real = expected(folder, latent(seed, 9, size))
        assert np.sum(np.abs(real - 0.5) < 0.4) >= 3  # where probabilities move fastest
        assert names(browser) == [f"{seed}-{i}" for i in range(1, 10)]
        for ours, theirs in zip(all_pixels(browser), shown, strict=True):
            assert_same_image(ours, theirs, pixel)
        np.testing.assert_allclose(judgements(browser), real, atol=probability)
        assert browser.run("tiles.map(tile => tile.caption.textContent)") == browser.run(
            "tiles.map(tile => `D: ${Math.round(tile.picture.real * 100)} % real`)")


def test_images_and_probabilities_are_those_of_python(browser, trained_zeros):
    compare_with_python(browser, trained_zeros, SEEDS, pixel=1, probability=0.005)


@in_one
@pytest.mark.parametrize("settings", [
    {"channels": 1, "sizes": "comment"},
    {"channels": 3, "sizes": "listing"},
    {"channels": 3, "size": 32},
    {"channels": 3, "size": 32, "sizes": "512"},
], ids=str)
def test_other_networks_draw_and_judge_as_python_does(browser, tmp_path, settings):
    both = networks_that_have_seen_images(z_dim=20, **settings)
    folder = make_run_with_page(tmp_path / "run", *both, **settings)
    # Larger networks are rounded more coarsely, so that the page can be sent.
    pixel, probability = (2, 0.01) if "size" in settings else (1, 0.005)
    compare_with_python(browser, folder, SEEDS[:1], pixel, probability)


@pytest.fixture(scope="session")
def colour_run(tmp_path_factory):
    """Returns the folder of a run on 40 pictures of 32x32 in colour."""
    pictures = tmp_path_factory.mktemp("colour") / "pictures"
    pictures.mkdir()
    stream = np.random.default_rng(0)
    for i in range(40):
        blocks = stream.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(blocks.repeat(8, axis=0).repeat(8, axis=1)).save(pictures / f"{i}.png")
    folder = pictures.parent / "run"
    assert trainer.main(["--data", str(pictures), "--size", "32", "--epochs", "4", "--z-dim", "10",
                         "--batch-size", "20", "--alpha", "0.01", "--quality-every", "0",
                         "--out", str(folder)]) == 0
    return folder


def test_a_run_on_pictures_in_colour_ends_with_a_page_that_draws_as_python_does(
        browser, colour_run):
    open_page(browser, colour_run)
    assert browser.run("document.querySelector('#about').textContent").startswith("pictures")
    shown, real = expected(colour_run, latent(0, 9, 10))
    assert np.abs(all_pixels(browser).astype(int) - shown).max() <= 2
    np.testing.assert_allclose(judgements(browser), real, atol=0.02)
    assert len(np.unique(shown)) > 50


@in_one
def test_nine_images_of_28_by_28_appear_within_100_ms(browser, trained_zeros):
    """The quickest of several attempts counts: other programs may use the processor, too."""
    open_page(browser, trained_zeros)
    assert browser.run("""(async () => {
        let best = Infinity;
        for (let i = 0; i < 50 && best > 100; i++) {
            const begun = movedAt = performance.now(); // D waits
            more();
            while (tiles.some(tile => tile.shown !== tile.name)) {
                await new Promise(requestAnimationFrame);
            }
            best = Math.min(best, performance.now() - begun);
        }
        return best;
    })()""") < 100


def make_run_of_64(folder, maps):
    settings = {"channels": 3, "size": 64, "sizes": maps}
    both = networks_that_have_seen_images(z_dim=20, **settings)
    return make_run_with_page(folder, *both, **settings)


@pytest.mark.faults  # on a quiet machine
def test_a_page_of_64_by_64_opens_within_two_seconds_and_its_morph_makes_ten_frames_a_second(
        browser, tmp_path):
    """The quickest of several attempts counts: other programs may use the processor, too."""
    folder, opened = make_run_of_64(tmp_path / "run", "256"), []
    while not opened or (min(opened) > 2 and len(opened) < 10):
        begun = time.monotonic()
        open_page(browser, folder)
        opened.append(time.monotonic() - begun)
    assert min(opened) < 2
    browser.run("go({a: '0-1', b: '0-2'}); 0")
    browser.wait_for("between.judgement")
    browser.run("window.seen = []; between.show = () => seen.push(performance.now()); "
                "player.toggle()")
    browser.wait_for("!player.moves || seen.some((t, i) => i > 4 && t - seen[i - 5] < 500)")
    assert browser.run("player.moves")
    browser.press("Escape")


@in_one
def test_an_image_of_64_by_64_in_colour_appears_within_a_second(browser, tmp_path):
    open_page(browser, make_run_of_64(tmp_path / "run", "512"))
    # One image at a time, so that the page can turn to another task.
    browser.run("window.came = []; const was = arrived; arrived = (task, images) => { "
                "if (task === 'draw') came.push([performance.now(), images.length]); "
                "was(task, images); }; more(); 0")
    browser.wait_for("came.length > 8")
    assert browser.run("Math.min(...came.slice(1).map(([t], i) => t - came[i][0]))") < 1000
    assert browser.run("came.every(([, many]) => many === 1)")


@pytest.mark.parametrize("size", [32, 64])
def test_a_page_weighs_less_than_8_mb(tmp_path, size):
    settings = {"channels": 3, "size": size, "sizes": "512"}  # the larger choice of --maps
    both = networks_that_have_seen_images(z_dim=100, **settings)
    folder = make_run(tmp_path / "run", *both, **settings)
    sample_grid(np.random.random((9, 3, size, size)), None, folder / "real.png")
    assert play.write(open_run(folder)).stat().st_size < 8_000_000

"""Helpers for the tests of play.html, the page that draws."""

import base64
import io
from pathlib import Path

import numpy as np
import small
from conftest import settings_of
from PIL import Image

import dcgan
from chainer_cpu import chainer
from lab import networks
from lab.look import play
from lab.look.generated import latent, probability_alone
from lab.look.tiles import to_pixels
from lab.runs.opened import open_run
from lab.runs.settings import write_settings

PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"
SEEDS = 0, 3, 2**32 - 1
OF_ZEROS = {"channels": 1, "sizes": "listing"}  # settings

ALL_DRAWN = ("Tile.all.every(tile => !tile.name || tile.isShown) && tiles[0].shown")


def networks_that_have_seen_images(**settings):
    """Returns untrained networks (G, D) whose running averages are those of 30 images.

    Untrained, D gives probabilities near 0.5, where they move fastest.
    """
    np.random.seed(0)
    gen, dis = networks.build(settings_of(**settings))
    for link in (*gen.links(), *dis.links()):
        if hasattr(link, "avg_mean"):
            link.decay = 0  # the running averages become those of the next batch
    with chainer.using_config("train", True), chainer.no_backprop_mode():
        dis(gen(latent(1, 30, gen.z_dim)))
    gen.dc4.W.array *= 5  # as much contrast as after training
    return gen, dis


def make_run(folder, gen, dis, **settings):
    folder.mkdir()
    write_settings(folder, settings_of(epochs=40, z_dim=gen.z_dim, **settings))
    chainer.serializers.save_npz(folder / "generator.npz", gen)
    if dis is not None:
        chainer.serializers.save_npz(folder / "discriminator.npz", dis)
    return folder


def make_run_with_page(folder, gen, dis, **settings):
    play.write(open_run(make_run(folder, gen, dis, **settings)))
    return folder


def make_zeros(folder):
    """Makes a run of pretrained/'s generator of zeros and a discriminator, with play.html."""
    gen, _, _ = open_run(PRETRAINED).networks()
    _, dis = networks_that_have_seen_images(z_dim=100, **OF_ZEROS)
    return make_run_with_page(folder / "zeros", gen, dis, **OF_ZEROS)


def make_small_zeros(folder):
    """Makes a run of small untrained networks, with play.html."""
    with small.networks():
        both = networks_that_have_seen_images(z_dim=100, **OF_ZEROS)
        return make_run_with_page(folder / "zeros", *both, **OF_ZEROS)


def open_page(browser, folder, address="", **wishes):
    browser.open(folder / "play.html", address, **wishes)
    browser.wait_for(ALL_DRAWN)


def names(browser):
    """Returns the names of the nine images."""
    browser.wait_for(ALL_DRAWN)
    return browser.run("tiles.map(tile => tile.name)")


def pixels(browser, canvas="between.canvas"):
    """Returns the pixels of a canvas, uint8 (h, w, 3). canvas is a JavaScript expression."""
    return all_pixels(browser, f"[{canvas}]")[0]


def all_pixels(browser, canvases="tiles.map(tile => tile.canvas)"):
    browser.wait_for(ALL_DRAWN)
    urls = browser.run(f"{canvases}.map(canvas => canvas.toDataURL())")
    return np.array([Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")
                     for url in urls])


def judgements(browser):
    """Returns D's probabilities that the nine images are real, once nothing moves."""
    browser.wait_for("tiles.every(tile => tile.picture?.real !== undefined)")
    return browser.run("tiles.map(tile => tile.picture.real)")


def expected(folder, z):
    """Returns what Python makes of z: pixels (n, h, w, 3), and D's probabilities or None."""
    gen, dis, _ = open_run(folder).networks()
    images = dcgan.generate(gen, z)
    shown = to_pixels(images, networks.display_range(open_run(folder).settings))
    shown = shown[..., None].repeat(3, axis=3) if shown.ndim == 3 else shown
    return shown, None if dis is None else probability_alone(gen, dis, images)


def assert_same_image(ours, theirs, most=1):
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= most
    assert np.ptp(theirs) > 100  # not a grey square


def pick(browser, *tiles):
    for tile in tiles:
        browser.click(f".grid figure:nth-child({tile}) .tools button")


def saved_image(browser, name):
    return Image.open(io.BytesIO(browser.saved(name))).convert("RGB")

"""The generator that comes with the repository."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import plot
from dcgan import Generator, draw
from images import mnist
from judge.figures import standardize
from look.generated import latent
from runs import saved

FOLDER = Path(__file__).resolve().parents[1] / "pretrained"


@pytest.fixture(scope="module")
def share_of_zeros():
    """The share of images that look more like the mean of scikit-learn's zeros than like that of
    any of its other digits: it knows nothing of what the generator was trained on."""
    digits = mnist.load("all", "digits")
    means = np.stack([standardize(digits.x[digits.labels == digit]).mean(axis=0)
                      for digit in range(10)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return lambda images: np.mean((standardize(images) @ means.T).argmax(axis=1) == 0)


def test_it_draws_zeros(share_of_zeros):
    gen, _, _ = saved.load_networks(FOLDER)
    assert share_of_zeros(draw(gen, latent(0, 200, gen.z_dim))) > 0.8


def test_the_untrained_generator_does_not(share_of_zeros):
    np.random.seed(0)
    assert share_of_zeros(draw(Generator(), latent(0, 200, 100))) < 0.5


def test_samples_works_on_it_at_once(tmp_path, capsys):
    assert plot.main(["samples", str(FOLDER), "--out", str(tmp_path / "zeros.png")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'zeros.png'}\n"
    with Image.open(tmp_path / "zeros.png") as picture:
        assert min(picture.size) > 5 * 28


def test_it_is_small_and_holds_no_pickle():
    assert (FOLDER / "generator.npz").stat().st_size < 5e6
    with np.load(FOLDER / "generator.npz", allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} <= {"f", "i"}

"""The two generators that come with the repository: of zeros and of characters."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import plot
from dcgan import Generator, generate
from lab.images import source
from lab.judge.features import standardize
from lab.look.generated import latent
from lab.runs.opened import open_run

FOLDER = Path(__file__).resolve().parents[1] / "pretrained"
of_both_folders = pytest.mark.parametrize("folder", [FOLDER, FOLDER / "characters"],
                               ids=["zeros", "characters"])


@pytest.fixture(scope="module")
def share_of_zeros():
    """Returns a function that returns the share of images that look most like a mean zero.

    It compares means of scikit-learn's ten digits, on which the generator was not trained.
    """
    digits = source.load("digits")
    means = np.stack([standardize(digits.x[digits.labels == digit]).mean(axis=0)
                      for digit in range(10)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return lambda images: np.mean((standardize(images) @ means.T).argmax(axis=1) == 0)


def test_it_draws_zeros(share_of_zeros):
    gen, _, _ = open_run(FOLDER).networks()
    assert share_of_zeros(generate(gen, latent(0, 200, gen.z_dim))) > 0.8


def test_the_untrained_generator_does_not(share_of_zeros):
    np.random.seed(0)
    assert share_of_zeros(generate(Generator(), latent(0, 200, 100))) < 0.5


def test_the_other_draws_faces():
    """Faces have many colours, a left side like the right, and brown and pink in the middle."""
    gen, _, _ = open_run(FOLDER / "characters").networks()
    faces = generate(gen, latent(0, 200, gen.z_dim))
    assert faces.shape[1:] == (3, 64, 64)
    left, right = faces[:, :, 18:46, 9:32], faces[:, :, 18:46, 54:31:-1]
    upside_down = faces[:, :, 45:17:-1, 9:32]
    assert np.abs(left - right).mean() < 0.9 * np.abs(left - upside_down).mean()
    red, _, blue = faces[:, :, 23:46, 23:41].mean(axis=(2, 3)).T
    assert np.mean(red > blue) > 0.9 and red.std() > 0.05


@of_both_folders
def test_samples_works_on_it_at_once(folder, tmp_path, capsys):
    assert plot.main(["samples", str(folder), "--out", str(tmp_path / "drawn.png")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'drawn.png'}\n"
    with Image.open(tmp_path / "drawn.png") as picture:
        assert min(picture.size) > 5 * 28


@of_both_folders
def test_it_is_small_and_holds_no_pickle(folder):
    path = folder / "generator-average.npz"
    assert path.stat().st_size < 5e6
    with np.load(path, allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} <= {"f", "i"}


@of_both_folders
def test_its_half_precision_is_what_the_networks_compute_with(folder):
    gen = open_run(folder).networks().gen
    with np.load(folder / "generator-average.npz") as arrays:
        assert arrays["dc1/W"].dtype == np.float16 and gen.dc1.W.dtype == np.float32
        np.testing.assert_array_equal(gen.dc1.W.array, arrays["dc1/W"].astype(np.float32))

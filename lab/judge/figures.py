"""The figures of quality: generated images beside real ones of the run's own data.

They need a CPU, scikit-learn and no download. A figure is a function with its words, @figure: its
name is that of a column of quality.csv and of quality.py's table.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from lab.judge.features import pixels_of
from lab.judge.space import (
    NEIGHBOURS,
    Classifier,
    Manifold,
    Neighbours,
    Space,
    frechet_distance,
    mean_distance,
)

HELD_OUT = 1000   # real images in the reference row, and samples in a measurement, at most
FITTED = 10_000   # images that the PCA and the classifier learn from, at most
FEWEST = NEIGHBOURS + 1  # points without which a manifold means nothing


class Figure(NamedTuple):
    """A figure of quality."""

    measure: Callable  # (Judge, Samples) -> number
    words: str         # explains it in quality.py's table; {digit} is the digit trained on
    all_digits: str    # explains it where the digit is "all"
    of_digits: bool    # whether it needs digits: pictures do not have it
    decimals: int      # printed by quality.py


FIGURES: dict[str, Figure] = {}


def figure(words, all_digits=None, of_digits=False, decimals=2):
    """Adds the decorated function to FIGURES under its name; the parameters are Figure's."""
    def add(function):
        FIGURES[function.__name__] = Figure(function, words, all_digits or words, of_digits,
                                            decimals)
        return function
    return add


class Samples(NamedTuple):
    """The images to measure, in the forms that figures take."""

    pixels: np.ndarray    # (m, numbers), as pixels_of returns them
    features: np.ndarray  # (m, k), in the judge's space
    training: Neighbours  # finds the nearest training image


@figure("distance between the distributions: 0 the same, 1 as far as a blur", decimals=3)
def frechet(judge, samples):
    """Is 0 for the same distribution, 1 for nothing but the mean image; see frechet_distance."""
    return frechet_distance(judge.real, samples.features)


@figure("share of the samples that lie where real images lie")
def precision(judge, samples):
    """Returns the share of the samples inside the manifold of the real images.

    A sample is inside if it is not farther from some real image than that image's third nearest
    real neighbour (Kynkäänniemi et al. 2019, for precision and recall; Manifold differs in one
    detail).
    """
    return judge.manifold.share_inside(samples.features)


@figure("share of the real images that lie where samples lie")
def recall(judge, samples):
    """Returns the share of the real images inside the manifold of the samples."""
    return Manifold(samples.features).share_inside(judge.manifold.points)


@figure("share of the samples that a classifier takes for a {digit}", of_digits=True,
        all_digits="how evenly the samples show the ten digits: 1 evenly, 0.1 only one of them")
def digit_share(judge, samples):
    """Returns the share of the samples that a classifier takes for the digit trained on.

    The classifier knows the ten real digits. For digit "all": the share that it takes for any
    digit, times exp(entropy) / 10 of the digits found: 1 if all occur equally often, 0.1 if only
    one occurs.
    """
    counts = np.bincount(judge.classifier.digits(samples.pixels), minlength=10)
    if judge.digit != "all":
        return counts[judge.digit] / len(samples.pixels)
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return counts.sum() / len(samples.pixels) * np.exp(-np.sum(shares * np.log(shares))) / 10


@figure("distance from sample to sample: 0 all alike, 1 as among real images")
def diversity(judge, samples):
    """Returns the mean distance between two samples, relative to that between two real images."""
    return mean_distance(samples.features) / judge.real_distance


@figure("distance from sample to training image: 0 copies, 1 as among these")
def nearest(judge, samples):
    """Returns the mean distance from a sample to the nearest training image.

    The unit is the mean distance from a training image to the nearest other one: 0 for copies, 1
    for new images as good as real ones, more for worse ones. NaN if every training image has a
    double.
    """
    return samples.training.relative_distance(samples.features)


def columns(digit: int | str | None) -> tuple[str, ...]:
    """Returns the columns of quality.csv for digit 0 to 9, "all", or None for pictures."""
    return ("epoch", *(name for name, row in FIGURES.items()
                       if digit is not None or not row.of_digits))


def hidden_distance(weights: str) -> str:
    """Returns the column of quality.csv for the Fréchet distance of the weights not shown.

    weights: the generator's that the run shows, "trained" or "average"; all other columns measure
    these.
    """
    return "frechet_" + {"trained": "average", "average": "trained"}[weights]


def explain(name: str, digit: int | str | None) -> str:
    """Returns the words with which quality.py explains a figure."""
    found = FIGURES[name]
    return (found.all_digits if digit == "all" else found.words).format(digit=digit)


class Judge:
    """Measures samples against the real images of a run; fitted once.

    images: float32 (n, channels, size, size), an array, or an object that returns arrays when
    indexed. labels: int (n,), of all ten digits. digit: 0-9 or "all", trained on. Both are None for
    pictures. Values may have any scale, the samples' another. Raises ValueError if fewer than 8
    images were trained on, or if they are all alike.

    The judge holds out half of the images trained on, at most 1000: it fits nothing to them, and
    they serve as the ceiling alone. (The generator trains on them, too.) n_samples is their number,
    and the number of samples to measure: Fréchet distance, precision and recall depend on it.

    The split has a random stream of its own, the same for every run: the training's stays
    untouched, and runs on the same images can be compared.

    The judge computes in one thread: scikit-learn's threads wait for each other at barriers, and
    are slower than one where the cores have other work (docs/decisions.md, "Figures in one
    thread").
    """

    def __init__(self, images, labels, digit):
        order = np.random.RandomState(0).permutation(len(images))
        trained = order if digit in ("all", None) else order[labels[order] == digit]
        found = f"{len(trained)}" + (f" of digit {digit}" if digit is not None else "")
        if len(trained) < 2 * FEWEST:
            raise ValueError(f"too few real images to judge samples by ({found}); it takes "
                             f"{2 * FEWEST}")
        self.digit = digit
        self.n_samples = min(len(trained) // 2, HELD_OUT)
        fitted, held_out = trained[:-self.n_samples][:FITTED], trained[-self.n_samples:]
        self._held_out = images[held_out]

        with threadpool_limits(1):
            pixels = pixels_of(images, fitted)
            # Equal images have features that differ by rounding, more on some processors.
            if np.ptp(pixels, axis=0).max() < 1e-6:
                raise ValueError(f"no samples can be judged by real images that are all alike "
                                 f"({found}); check the images")
            self._space = Space(pixels)
            self.real = self._space(pixels)  # features
            self.real_distance = mean_distance(self.real[:HELD_OUT])
            self.manifold = Manifold(self.real[:self.n_samples])
            self._fitted = Neighbours(self.real)
            # All at once would take much memory.
            parts = np.array_split(trained, -(-len(trained) // FITTED))
            self._training = Neighbours(np.concatenate([self._space(pixels_of(images, part))
                                                        for part in parts]))

            if digit is not None:
                labelled = order[~np.isin(order, held_out)][:FITTED]
                self.classifier = Classifier(pixels_of(images, labelled), labels[labelled])

    def sample(self, gen) -> np.ndarray:
        """Generates float32 (n_samples, channels, size, size) with gen, always from the same z."""
        from dcgan import generate  # noqa: PLC0415 (the page of a run asks for best() alone)
        z = np.random.RandomState(0).uniform(-1, 1, (self.n_samples, gen.z_dim)).astype(np.float32)
        return np.concatenate([generate(gen, z[i:i + 200]) for i in range(0, len(z), 200)])

    def measure(self, samples: np.ndarray, names=None) -> dict[str, float]:
        """Returns the figures of generated images, {name: float}.

        samples: float32 (m, channels, size, size), m >= 4. names: the figures to return, by default
        all. Raises ValueError for fewer samples, and for NaN or infinity in them: then training has
        diverged.
        """
        return self._figures(samples, self._training, names or columns(self.digit)[1:])

    def reference_real(self) -> dict[str, float]:
        """Returns the figures of the held-out real images: what a perfect generator would get.

        Their nearest training image is sought among those fitted, for they are training images too.
        """
        return self._figures(self._held_out, self._fitted, columns(self.digit)[1:])

    def _figures(self, samples, training, names):
        if len(samples) < FEWEST:
            raise ValueError(f"too few samples to judge ({len(samples)}); it takes {FEWEST}")
        if not np.isfinite(samples).all():
            raise ValueError("samples with values that are not finite; the training has diverged")
        with threadpool_limits(1):
            pixels = pixels_of(samples)
            forms = Samples(pixels, self._space(pixels), training)
            return {name: float(FIGURES[name].measure(self, forms)) for name in names}


def best(rows: dict[int, dict[str, float]]) -> int:
    """Returns the epoch with the lowest Fréchet distance. rows: {epoch: figures}.

    The distance decides because it alone sees both ways to fail: one good image, drawn again and
    again, has precision 1, and debris of every kind has recall; both are far from the distribution
    of the real images. (Copies of these are not far: the figure nearest shows them.)
    """
    return min(rows, key=lambda epoch: rows[epoch]["frechet"])

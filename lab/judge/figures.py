"""The figures of quality: generated images beside real ones of the run's own data.

They need a CPU, scikit-learn and no download. A figure is a function with its words, @figure: its
name is that of a column of quality.csv and of quality.py's table.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import dcgan
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

    measure: Callable  # of a Judge and Samples, a number
    words: str         # what quality.py says of it; {digit} is the digit trained on
    all_digits: str    # the same where that is "all"
    of_digits: bool    # left out where the images are no digits
    decimals: int      # that quality.py prints


FIGURES: dict[str, Figure] = {}


def figure(words, all_digits=None, of_digits=False, decimals=2):
    """Makes a function a figure of quality, by its name."""
    def add(function):
        FIGURES[function.__name__] = Figure(function, words, all_digits or words, of_digits,
                                            decimals)
        return function
    return add


class Samples(NamedTuple):
    """Images that are measured, as the figures see them."""

    pixels: np.ndarray    # (m, numbers), as features.pixels_of
    features: np.ndarray  # (m, k), in the judge's space
    others: Neighbours    # the training images among which their nearest is looked for


@figure("distance between the distributions: 0 the same, 1 as far as a blur", decimals=3)
def frechet(judge, samples):
    """0 for the same distribution, 1 for nothing but the mean image; see frechet_distance."""
    return frechet_distance(judge.real, samples.features)


@figure("share of the samples that lie where real images lie")
def precision(judge, samples):
    """The share of the samples inside the manifold of the real images.

    Inside is what is not farther from a real image than its third nearest real neighbour is
    (precision and recall: Kynkäänniemi et al. 2019, but for the detail told in Manifold).
    """
    return judge.manifold.share_inside(samples.features)


@figure("share of the real images that lie where samples lie")
def recall(judge, samples):
    """The share of the real images inside the manifold of the samples."""
    return Manifold(samples.features).share_inside(judge.manifold.points)


@figure("share of the samples that a classifier takes for a {digit}", of_digits=True,
        all_digits="how evenly the samples show the ten digits: 1 evenly, 0.1 only one of them")
def digit_share(judge, samples):
    """The share of the samples that a classifier of the real ten digits takes for the trained one.

    For digit "all": the share that it takes for any digit, times how evenly the ten occur among
    those, exp(entropy) / 10; 1 if all are as frequent, 0.1 if there is only one.
    """
    counts = np.bincount(judge.classifier.digits(samples.pixels), minlength=10)
    if judge.digit != "all":
        return counts[judge.digit] / len(samples.pixels)
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return counts.sum() / len(samples.pixels) * np.exp(-np.sum(shares * np.log(shares))) / 10


@figure("distance from sample to sample: 0 all alike, 1 as among real images")
def diversity(judge, samples):
    """The mean distance between two samples, relative to that between two real images."""
    return mean_distance(samples.features) / judge.real_distance


@figure("distance from sample to training image: 0 copies, 1 as among these")
def nearest(judge, samples):
    """The mean distance from a sample to the nearest training image, relative to theirs.

    Theirs is that from a training image to the nearest other one: 0 for copies, 1 for new images as
    good as real ones, more for worse ones. NaN if every training image has a double.
    """
    return samples.others.relative_distance(samples.features)


def columns(digit: int | str | None) -> tuple[str, ...]:
    """Returns the columns of quality.csv for digit 0 to 9, "all", or None for pictures."""
    return ("epoch", *(name for name, row in FIGURES.items()
                       if digit is not None or not row.of_digits))


def distance_of_other(weights: str) -> str:
    """The column of quality.csv for the Fréchet distance of the weights that a run does not show.

    weights: those that it shows, "trained" or "average"; all other columns are of these.
    """
    return "frechet_" + {"trained": "average", "average": "trained"}[weights]


def explain(name: str, digit: int | str | None) -> str:
    """Returns what quality.py says of a figure."""
    found = FIGURES[name]
    return (found.all_digits if digit == "all" else found.words).format(digit=digit)


class Judge:
    """Measures samples against the real images of a run; fitted once.

    images: float32 (n, channels, size, size), an array or what gives arrays when it is indexed.
    labels: int (n,), of all ten digits; digit: 0-9 or "all", which of them the generator is trained
    on. Both are None where the images are no digits. Values may be on any scale, the samples' on
    another. Raises ValueError if there are fewer than 8 of those images, or if they are all alike.

    The generator trains on all of them, so "held out" is the judge's own matter: half of them, at
    most 1000, are kept from everything that the judge fits and serve as the ceiling alone.
    n_samples is their number, and how many samples a measurement should have: Fréchet distance,
    precision and recall depend on it.

    The split is drawn from a stream of its own, the same for every run: nothing of the training's
    random state is touched, and runs on the same images can be compared.

    All is computed in one thread: scikit-learn's wait for each other at barriers, and are slower
    than one where the cores have other work (docs/decisions.md, "Figures in one thread").
    """

    def __init__(self, images, labels, digit):
        order = np.random.RandomState(0).permutation(len(images))
        own = order if digit in ("all", None) else order[labels[order] == digit]
        which = f"{len(own)}" + (f" of digit {digit}" if digit is not None else "")
        if len(own) < 2 * FEWEST:
            raise ValueError(f"too few real images to judge samples by ({which}); it takes "
                             f"{2 * FEWEST}")
        self.digit = digit
        self.n_samples = min(len(own) // 2, HELD_OUT)
        fit, held = own[:-self.n_samples][:FITTED], own[-self.n_samples:]
        self._held = images[held]

        with threadpool_limits(1):
            pixels = pixels_of(images, fit)
            # Features of equal images differ by rounding, how much depends on the processor.
            if np.ptp(pixels, axis=0).max() < 1e-6:
                raise ValueError(f"no samples can be judged by real images that are all alike "
                                 f"({which}); check the images")
            self._space = Space(pixels)
            self.real = self._space(pixels)  # features
            self.real_distance = mean_distance(self.real[:HELD_OUT])
            self.manifold = Manifold(self.real[:self.n_samples])
            self._fitted = Neighbours(self.real)
            parts = np.array_split(own, -(-len(own) // FITTED))  # all at once are a lot of memory
            self._training = Neighbours(np.concatenate([self._space(pixels_of(images, part))
                                                        for part in parts]))

            if digit is not None:
                taught = order[~np.isin(order, held)][:FITTED]
                self.classifier = Classifier(pixels_of(images, taught), labels[taught])

    def sample(self, gen) -> np.ndarray:
        """Generates images to measure gen by, float32 (n_samples, ...): always of the same z."""
        z = np.random.RandomState(0).uniform(-1, 1, (self.n_samples, gen.z_dim)).astype(np.float32)
        return np.concatenate([dcgan.generate(gen, z[i:i + 200]) for i in range(0, len(z), 200)])

    def measure(self, samples: np.ndarray, names=None) -> dict[str, float]:
        """Returns the figures of generated images, {column: float}; names: those alone.

        samples: float32 (m, channels, size, size), values unbounded, m >= 4. Raises ValueError for
        fewer, and for values that are not finite: training has diverged, and there is nothing to
        measure.
        """
        return self._figures(samples, self._training, names or columns(self.digit)[1:])

    def reference_real(self) -> dict[str, float]:
        """Returns the figures of the held-out real images: the ceiling, what perfection would get.

        As they are training images themselves, their nearest is looked for among those fitted.
        """
        return self._figures(self._held, self._fitted, columns(self.digit)[1:])

    def _figures(self, samples, training, names):
        if len(samples) < FEWEST:
            raise ValueError(f"too few samples to judge ({len(samples)}); it takes {FEWEST}")
        if not np.isfinite(samples).all():
            raise ValueError("samples with values that are not finite; the training has diverged")
        with threadpool_limits(1):
            pixels = pixels_of(samples)
            seen = Samples(pixels, self._space(pixels), training)
            return {name: float(FIGURES[name].measure(self, seen)) for name in names}


def best(rows: dict[int, dict[str, float]]) -> int:
    """Returns the epoch of {epoch: figures} with the lowest Fréchet distance.

    The distance decides because it alone sees both ways to fail: one good image, drawn again and
    again, has precision 1, and debris of every kind reaches recall; either is far from the
    distribution of the real images. (Copies of those are not: nearest shows them.)
    """
    return min(rows, key=lambda epoch: rows[epoch]["frechet"])

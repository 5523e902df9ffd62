"""The figures of quality: generated images beside real ones of the run's own data.

They need a CPU, scikit-learn and no download.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from threadpoolctl import threadpool_limits

import dcgan

COLUMNS = ("epoch", "frechet", "precision", "recall", "digit_share", "diversity", "nearest")

COMPONENTS = 50   # of the PCA: 81 % of the variance of MNIST's digits
NEIGHBOURS = 3    # k of precision and recall, as in Kynkäänniemi et al.
KEPT = 0.95       # share of a manifold's spheres, the smaller ones, that count: see _Manifold
HELD_OUT = 1000   # real images in the reference row, and samples in a measurement, at most
FITTED = 10_000   # images that the PCA and the classifier learn from, at most
FEWEST = NEIGHBOURS + 1  # points without which a manifold means nothing
LOOK = 32         # pixels: larger images are looked at from afar
EXACT = 1000      # numbers in an image; from more of them the PCA is a randomized one


def columns(digit):
    """The columns of quality.csv for what Judge calls digit."""
    return tuple(name for name in COLUMNS if digit is not None or name != "digit_share")


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
            seen = _look(images, fit)
            # Features of equal images differ by rounding, how much depends on the processor.
            if np.ptp(seen, axis=0).max() < 1e-6:
                raise ValueError(f"no samples can be judged by real images that are all alike "
                                 f"({which}); check the images")
            self._space = _Space(seen)
            self._real = self._space(seen)
            self._distance = _mean_distance(self._real[:HELD_OUT])
            self._manifold = _Manifold(self._real[:self.n_samples])
            self._fitted = _Neighbours(self._real)
            parts = np.array_split(own, -(-len(own) // FITTED))  # all at once are a lot of memory
            self._training = _Neighbours(np.concatenate([self._space(_look(images, part))
                                                         for part in parts]))

            if digit is not None:
                taught = order[~np.isin(order, held)][:FITTED]
                self._classifier = _Classifier(_look(images, taught), labels[taught])

    def sample(self, gen):
        """The images to measure gen by, float32 (n_samples, ...): always of the same z's."""
        z = np.random.RandomState(0).uniform(-1, 1, (self.n_samples, gen.z_dim)).astype(np.float32)
        return np.concatenate([dcgan.draw(gen, z[i:i + 200]) for i in range(0, len(z), 200)])

    def measure(self, samples):
        """Returns the figures of generated images, {column: float}.

        samples: float32 (m, channels, size, size), values unbounded, m >= 4. Raises ValueError for
        fewer, and for values that are not finite: training has diverged, and there is nothing to
        measure.

        frechet: see frechet_distance; 0 for the same distribution, 1 for nothing but the mean.
        precision: share of the samples inside the manifold of the real images, that is, not farther
            from one of them than its third nearest real neighbour is.
        recall: share of the real images inside the manifold of the samples
            (both: Kynkäänniemi et al. 2019, but for the detail told in _Manifold).
        digit_share: share of the samples that a classifier, trained on the real ten digits, takes
            for the trained one. For digit "all": the share that it takes for any digit, times how
            evenly the ten occur among those, exp(entropy) / 10; 1 if all are as frequent, 0.1 if
            there is only one. Left out where there are no digits.
        diversity: mean distance between two samples, relative to that between two real images; 0 if
            all samples are the same.
        nearest: mean distance from a sample to the nearest training image, relative to that from a
            training image to the nearest other one: 0 for copies, 1 for new images as good as real
            ones, more for worse ones. NaN if every training image has a double.
        """
        return self._figures(samples, self._training)

    def reference_real(self):
        """Returns the figures of the held-out real images: the ceiling, what perfection would get.

        As they are training images themselves, their nearest is looked for among those fitted.
        """
        return self._figures(self._held, self._fitted)

    def _figures(self, samples, training):
        if len(samples) < FEWEST:
            raise ValueError(f"too few samples to judge ({len(samples)}); it takes {FEWEST}")
        if not np.isfinite(samples).all():
            raise ValueError("samples with values that are not finite; the training has diverged")
        with threadpool_limits(1):
            seen = _look(samples)
            features = self._space(seen)
            figures = {
                "frechet": frechet_distance(self._real, features),
                "precision": self._manifold.share_inside(features),
                "recall": _Manifold(features).share_inside(self._manifold.points),
                "digit_share": self._digit_share(seen),
                "diversity": _mean_distance(features) / self._distance,
                "nearest": training.relative_distance(features),
            }
        return {name: float(figures[name]) for name in columns(self.digit)[1:]}

    def _digit_share(self, seen):
        if self.digit is None:
            return np.nan
        counts = np.bincount(self._classifier.digits(seen), minlength=10)
        if self.digit != "all":
            return counts[self.digit] / len(seen)
        shares = counts[counts > 0] / max(counts.sum(), 1)
        return counts.sum() / len(seen) * np.exp(-np.sum(shares * np.log(shares))) / 10


class _Space:
    """The features: up to 50 principal components of what _look makes of images."""

    def __init__(self, seen):
        # Fewer components than images: in as many, any image would be equally far from all of them.
        number = min(COMPONENTS, *(length - 1 for length in seen.shape))
        self._pca = (PCA(number, svd_solver="covariance_eigh") if seen.shape[1] <= EXACT else
                     PCA(number, svd_solver="randomized", iterated_power=3, random_state=0))
        self._pca.fit(seen)

    def __call__(self, seen):
        return self._pca.transform(seen)


class _Classifier:
    """Tells the digit of an image: that of most of the five nearest real images, or none.

    Fitted at once, with nothing that might not converge. A classifier that must choose takes haze
    for a digit, so an image shows none if it is farther from the nearest real image than 99 % of
    these are from each other (docs/decisions.md, "The classifier").
    """

    def __init__(self, seen, labels):
        self._space = _Space(seen)
        self._nearest = KNeighborsClassifier(min(5, len(seen) - 1))
        self._nearest.fit(self._space(seen), labels)
        self._farthest = np.quantile(self._nearest.kneighbors(n_neighbors=1)[0], 0.99)

    def digits(self, seen):
        """The digits that images show; those that show none are left out."""
        features = self._space(seen)
        known = self._nearest.kneighbors(features, 1)[0][:, 0] <= self._farthest
        return self._nearest.predict(features[known]) if known.any() else np.zeros(0, int)


def _look(images, chosen=slice(None)):
    """What is seen of the chosen images: float32 (n, numbers), each image on a scale of its own.

    As in the pictures, neither brightness nor contrast counts: an image's mean becomes 0 and its
    norm 1 (a blank image stays 0); the three colours of an image have one scale. Distances between
    the values as they are would take haze for digits: it lies near the mean image, and that is
    nearer to many real images than these are to each other (docs/decisions.md, "Neither brightness
    nor contrast"). Images larger than 32x32 are made smaller by area.
    """
    chosen = np.arange(len(images))[chosen]
    parts = []
    for i in range(0, len(chosen), 1000):
        x = images[chosen[i:i + 1000]]
        n, channels, size, _ = x.shape
        factor = next(f for f in range(1, size + 1) if size % f == 0 and size // f <= LOOK)
        if factor > 1:
            side = size // factor
            x = x.reshape(n, channels, side, factor, side, factor).mean(axis=(3, 5))
        parts.append(standardize(x))
    return np.concatenate(parts)


def standardize(images):
    """Images (n, channels, h, w) as rows (n, pixels) of mean 0 and norm 1; blank ones stay 0."""
    pixels = images.reshape(len(images), -1)
    pixels = pixels - pixels.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(pixels, axis=1, keepdims=True)
    return pixels / np.where(norms > 0, norms, 1)


def frechet_distance(real, generated):
    """The Fréchet distance between Gaussians, relative to the variance of the real features.

    With mean m and covariance C of the real (r) and the generated (g) features, (n, k) each,

        (|m_r - m_g|^2 + tr(C_r + C_g - 2 (C_r^1/2 C_g C_r^1/2)^1/2)) / tr C_r

    The numerator is that of Heusel et al. 2017, there with the features of an Inception network.
    """
    cov_r, cov_g = (np.cov(x, rowvar=False, dtype=np.float64) for x in (real, generated))
    # The matrix under the root is symmetric, unlike C_r C_g, which has the same eigenvalues but
    # whose root rounding would make complex.
    values, vectors = np.linalg.eigh(cov_r)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    values = np.linalg.eigvalsh(root @ cov_g @ root).clip(0)
    distance = (np.sum((real.mean(axis=0) - generated.mean(axis=0)) ** 2)
                + np.trace(cov_r) + np.trace(cov_g) - 2 * np.sqrt(values).sum())
    return max(distance, 0) / np.trace(cov_r)


class _Manifold:
    """Where images lie: around each a sphere that reaches to its third nearest neighbour.

    Unlike in Kynkäänniemi et al. 2019, the largest twentieth of the spheres does not count: one odd
    image, far from all others, has a sphere that swallows haze and noise (docs/decisions.md, "The
    largest spheres"). Their section on realism scores leaves out half of them for that reason.
    """

    def __init__(self, points):
        self.points = points
        radii = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(points).kneighbors()[0][:, -1]
        self._kept = radii <= np.quantile(radii, KEPT)
        self._radii = radii[self._kept]

    def share_inside(self, points):
        distances = pairwise_distances(points, self.points[self._kept])
        return np.mean((distances <= self._radii).any(axis=1))


class _Neighbours:
    """Training images, among which the one nearest to a sample is looked for."""

    def __init__(self, features):
        self._index = NearestNeighbors().fit(features)
        # The nearest is the image itself, the second its neighbour.
        self._typical = self._index.kneighbors(features[:HELD_OUT], 2)[0][:, 1].mean()

    def relative_distance(self, features):
        nearest = self._index.kneighbors(features, 1)[0].mean()
        return nearest / self._typical if self._typical > 1e-6 else np.nan


def _mean_distance(features):
    return pairwise_distances(features).sum() / (len(features) * (len(features) - 1))


def best(rows):
    """The best epoch of {epoch: figures}: that with the lowest Fréchet distance.

    It decides because it alone sees both ways to fail: one good image, drawn again and again, has
    precision 1, and debris of every kind reaches recall; either is far from the distribution of the
    real images. (Copies of those are not: nearest shows them.)
    """
    return min(rows, key=lambda epoch: rows[epoch]["frechet"])

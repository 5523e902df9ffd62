"""Distances between images in the space of their features.

Functions import scikit-learn themselves, for it takes seconds to load.
"""

import numpy as np

COMPONENTS = 50   # of the PCA: 81 % of the variance of MNIST's digits
EXACT = 1000      # numbers in an image, at most, for an exact PCA; above, a randomized one
NEIGHBOURS = 3    # k of precision and recall, as in Kynkäänniemi et al.
KEPT = 0.95       # share of a manifold's spheres that count, the smaller ones: see Manifold
TYPICAL = 1000    # images, at most, that give the mean distance to the nearest other one


class Space:
    """Maps pixels (n, numbers) to features (n, k): at most 50 principal components."""

    def __init__(self, pixels):
        from sklearn.decomposition import PCA
        # With as many components as images, a new image would be equally far from all of them.
        number = min(COMPONENTS, *(length - 1 for length in pixels.shape))
        self._pca = (PCA(number, svd_solver="covariance_eigh") if pixels.shape[1] <= EXACT else
                     PCA(number, svd_solver="randomized", iterated_power=3, random_state=0))
        self._pca.fit(pixels)

    def __call__(self, pixels):
        return self._pca.transform(pixels)


class Classifier:
    """Tells the digit of an image: that of most of the five nearest real images, or none.

    It needs no iterations, which might not converge. A classifier that must choose takes haze for a
    digit, so an image shows none if it is farther from the nearest real image than 99 % of these
    are from their nearest (docs/decisions.md, "The classifier").
    """

    def __init__(self, pixels, labels):
        from sklearn.neighbors import KNeighborsClassifier
        self._space = Space(pixels)
        self._nearest = KNeighborsClassifier(min(5, len(pixels) - 1))
        self._nearest.fit(self._space(pixels), labels)
        self._farthest = np.quantile(self._nearest.kneighbors(n_neighbors=1)[0], 0.99)

    def digits(self, pixels):
        """Returns the digits that the images show, int (m,); images that show none are left out."""
        features = self._space(pixels)
        known = self._nearest.kneighbors(features, 1)[0][:, 0] <= self._farthest
        return self._nearest.predict(features[known]) if known.any() else np.zeros(0, int)


class Manifold:
    """Covers images with spheres, each as large as the distance to the third nearest neighbour.

    Unlike in Kynkäänniemi et al. 2019, the largest twentieth of the spheres does not count: one odd
    image, far from all others, has a sphere that swallows haze and noise (docs/decisions.md, "The
    largest spheres"). Their section on realism scores leaves out half of the spheres for that.
    """

    def __init__(self, points):
        self.points = points
        radii = _nearest(points).kneighbors(n_neighbors=NEIGHBOURS)[0][:, -1]
        self._kept = radii <= np.quantile(radii, KEPT)
        self._radii = radii[self._kept]

    def share_inside(self, points):
        """Returns the share of points that lie in one of the spheres."""
        distances = _distances(points, self.points[self._kept])
        return np.mean((distances <= self._radii).any(axis=1))


class Neighbours:
    """Finds the training image nearest to a sample."""

    def __init__(self, features):
        self._index = _nearest(features)
        # The nearest is the image itself, the second its neighbour.
        self._typical = self._index.kneighbors(features[:TYPICAL], 2)[0][:, 1].mean()

    def relative_distance(self, features):
        """Returns the mean distance to the nearest image; the images' own is the unit, or NaN."""
        nearest = self._index.kneighbors(features, 1)[0].mean()
        return nearest / self._typical if self._typical > 1e-6 else np.nan


def mean_distance(features: np.ndarray) -> float:
    """Returns the mean distance between two rows of features."""
    return _distances(features).sum() / (len(features) * (len(features) - 1))


def _nearest(points):
    from sklearn.neighbors import NearestNeighbors
    return NearestNeighbors().fit(points)


def _distances(*points):
    from sklearn.metrics import pairwise_distances
    return pairwise_distances(*points)


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Returns the Fréchet distance between Gaussians, relative to the real features' variance.

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

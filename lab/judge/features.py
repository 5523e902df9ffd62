"""Makes of images the pixels that figures compare: without brightness and contrast."""

import numpy as np

LARGEST = 32  # pixels: larger images are made smaller before they are compared


def pixels_of(images: np.ndarray, chosen=slice(None)) -> np.ndarray:
    """Returns the pixels of the chosen images as float32 (n, numbers), standardized.

    Neither brightness nor contrast counts: each image gets mean 0 and norm 1 (a blank image stays
    0); its three colours share one scale. Distances between unscaled values would take haze for
    digits: haze lies near the mean image, which is nearer to many real images than these are to
    each other (docs/decisions.md, "Neither brightness nor contrast"). Images larger than 32x32 are
    averaged down to at most that.
    """
    chosen = np.arange(len(images))[chosen]
    parts = []
    for i in range(0, len(chosen), 1000):
        x = images[chosen[i:i + 1000]]
        n, channels, size, _ = x.shape
        factor = next(f for f in range(1, size + 1) if size % f == 0 and size // f <= LARGEST)
        if factor > 1:
            side = size // factor
            x = x.reshape(n, channels, side, factor, side, factor).mean(axis=(3, 5))
        parts.append(standardize(x))
    return np.concatenate(parts)


def standardize(images: np.ndarray) -> np.ndarray:
    """Returns images (n, channels, h, w) as rows (n, pixels) of mean 0 and norm 1.

    A blank image stays 0.
    """
    pixels = images.reshape(len(images), -1)
    pixels = pixels - pixels.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(pixels, axis=1, keepdims=True)
    return pixels / np.where(norms > 0, norms, 1)

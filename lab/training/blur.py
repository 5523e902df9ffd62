"""A Gaussian blur of images, which gradients pass."""

import functools

import numpy as np

import chainer_cpu

LEAST = 0.15  # the standard deviation, in pixels, from which a blur is one in float32


def blur(x, deviation: float):
    """Blurs images x, float32 (N, channels, size, size), an array or a Variable.

    deviation: of the Gaussian, in pixels; below LEAST, x comes back as it is. Beyond its edge, an
    image goes on with the pixels of the edge.
    """
    if deviation < LEAST:
        return x
    weights = _weights(x.shape[-1], deviation)
    F = chainer_cpu.functions  # loaded only now: --help does not wait for it
    for _ in range(2):  # along rows; then, transposed, along columns
        x = F.swapaxes(F.linear(x, weights, n_batch_axes=3), 2, 3)
    return x


@functools.lru_cache(maxsize=1)  # of one iteration, which blurs three times
def _weights(size, deviation):
    """Returns the weights of a row's pixels (columns) in each blurred pixel (rows), float32."""
    reach = int(5 * deviation) + 1
    offsets = np.arange(-reach, reach + 1)
    gaussian = np.exp(-offsets**2 / (2 * deviation**2))
    weights = np.zeros((size, size))
    for pixel in range(size):
        np.add.at(weights[pixel], (pixel + offsets).clip(0, size - 1), gaussian / gaussian.sum())
    return weights.astype(np.float32)

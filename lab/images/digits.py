"""The 8×8 digits that come with scikit-learn, which need no network."""

import functools

import numpy as np
from PIL import Image

from lab.images.dataset import Images

SOURCE = "8×8 digits (scikit-learn)"


@functools.cache  # a quarter of a second, for whoever trains again in a notebook
def read() -> Images:
    """Returns the Images of the 1,797 digits, enlarged to 20×20 in the middle of 28×28, as MNIST's.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415

    digits = load_digits()
    small = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    pixels = np.zeros((len(small), 1, 28, 28), np.uint8)
    for frame, image in zip(pixels, small, strict=True):
        # Bilinear is blurred beside it, Lanczos leaves ghosts of the stroke in the background
        large = Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)
        frame[0, 4:24, 4:24] = np.asarray(large)
    return Images(pixels, digits.target.astype(np.uint8), SOURCE)

"""The digits that come with scikit-learn: small, and always at hand."""

import numpy as np
from PIL import Image

from lab.images.dataset import Images

SOURCE = "8×8 digits (scikit-learn)"


def read():
    """The Images of 1,797 digits: 8×8 pixels from 0 to 16, enlarged to MNIST's 20×20 in 28×28."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    digits = load_digits()
    small = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    pixels = np.zeros((len(small), 1, 28, 28), np.uint8)
    for frame, image in zip(pixels, small, strict=True):
        # Bilinear is blurred beside it, Lanczos leaves ghosts of the stroke in the background
        frame[0, 4:24, 4:24] = Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)
    return Images(pixels, digits.target.astype(np.uint8), SOURCE)

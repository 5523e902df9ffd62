"""MNIST, recognised by its checksum.

The post's author trained on "MNIST original": all 70,000 images, 6,903 of them zeros. The IDX files
and OpenML give these in one order, training part first.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np

from lab.images.dataset import Images
from lab.images.errors import DataWarning

# Of all 54,880,000 pixels and then all 70,000 labels.
MNIST_SHA256 = "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"


def images(pixels: np.ndarray, labels: np.ndarray, origin: str, place: str | Path) -> Images:
    """Returns the Images of pixels, uint8 (n, 28, 28), and labels, uint8 (n,).

    origin: their source, in words for a caption. place: the path or folder that the warning names
    if they are not MNIST; Fashion-MNIST's files have the same names and shapes.
    """
    source = f"MNIST ({origin})"
    if sha256(pixels, labels) != MNIST_SHA256:
        warnings.warn(f"the images are not the known MNIST ({place}, unknown checksum); they are "
                      "used all the same", DataWarning)
        source = f"{origin} (not the known MNIST)"
    return Images(pixels.reshape(-1, 1, 28, 28), labels, source)


def sha256(pixels: np.ndarray, labels: np.ndarray) -> str:
    """Returns the SHA-256 of all pixels, then all labels, in hexadecimal digits."""
    digest = hashlib.sha256(pixels.data)
    digest.update(labels.data)
    return digest.hexdigest()

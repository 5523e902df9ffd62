"""The images that a run trains on, kept as bytes; indexing makes floats of them."""

import functools
import hashlib
from dataclasses import dataclass, replace

import numpy as np

from lab.images.errors import DataError

# Batch normalization needs at least two images to average over.
FEWEST = 2
_PART = 1000  # images of which the fingerprint makes floats at a time


@dataclass(frozen=True)
class Images:
    """Images as bytes, which take a quarter of the memory of floats. Indexing returns floats.

    pixels: uint8 (n, channels, size, size). labels: uint8 (n,), the digits 0 to 9; None for
    pictures, which are no digits. source: where the images are from, in words for a caption. black,
    white: the floats that the bytes 0 and 255 become.
    """

    pixels: np.ndarray
    labels: np.ndarray | None
    source: str
    black: float = 0
    white: float = 1

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index) -> np.ndarray:
        """Returns images as float32, from black to white. index: what NumPy takes for axis 0."""
        x = self.pixels[index].astype(np.float32)
        x /= 255
        if (self.black, self.white) != (0, 1):
            x *= self.white - self.black
            x += self.black
        return x

    @property
    def x(self) -> np.ndarray:
        """All images as float32 (n, channels, size, size), from black to white."""
        return self[:]

    def between(self, black: float, white: float) -> "Images":
        """Returns the same images with other floats for black and white."""
        return replace(self, black=black, white=white)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels as float32 from 0 to 1, by which a run knows its images."""
        digest = hashlib.sha256()
        plain = self.between(0, 1)
        for i in range(0, len(self), _PART):
            digest.update(plain[i:i + _PART].data)
        return digest.hexdigest()

    def of(self, digit: int | str | None) -> "Images":
        """Returns the images of digit, 0 to 9; all images for "all", None, and of pictures.

        Raises DataError if there are fewer than two of the digit.
        """
        if self.labels is None or digit is None:
            return self
        chosen = slice(None) if digit == "all" else self.labels == digit
        images = replace(self, pixels=self.pixels[chosen], labels=self.labels[chosen])
        if len(images) < FEWEST:
            number = "only one image" if len(images) else "no image"
            raise DataError(f"{number} of digit {digit} (--digit, {self.source}); a batch needs at "
                            f"least {FEWEST}, so choose another digit or other data")
        return images

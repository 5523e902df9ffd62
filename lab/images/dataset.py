"""The images that a run trains on: kept as bytes, floats when they are asked for."""

import functools
import hashlib
from dataclasses import dataclass, replace

import numpy as np

from lab.images.errors import DataError

# Batch normalization needs at least two images to average over.
FEWEST = 2
_PART = 1000  # images of which floats are made at once, where all are wanted


@dataclass(frozen=True)
class Images:
    """Images as bytes, a quarter of the memory that floats take; indexed, those floats.

    pixels: uint8 (n, channels, size, size). labels: uint8 (n,), the digits 0 to 9, or None where
    the images are no digits. source: where they are from, in words for a caption. black, white:
    what a byte of 0 and one of 255 are as floats.
    """

    pixels: np.ndarray
    labels: np.ndarray | None
    source: str
    black: float = 0
    white: float = 1

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index) -> np.ndarray:
        """Some of them as float32, from black to white. index: whatever NumPy takes for axis 0."""
        x = self.pixels[index].astype(np.float32)
        x /= 255
        if (self.black, self.white) != (0, 1):
            x *= self.white - self.black
            x += self.black
        return x

    @property
    def x(self) -> np.ndarray:
        """All of them as float32."""
        return self[:]

    def between(self, black: float, white: float) -> "Images":
        """The same images, with other values for black and white."""
        return replace(self, black=black, white=white)

    @functools.cached_property
    def fingerprint(self):
        """The SHA-256 of the pixels, as float32 from 0 to 1: tells these images from others."""
        digest = hashlib.sha256()
        plain = self.between(0, 1)
        for i in range(0, len(self), _PART):
            digest.update(plain[i:i + _PART])
        return digest.hexdigest()

    def of(self, digit: int | str | None) -> "Images":
        """Those of digit, 0 to 9; all of them for "all", and where there are no digits.

        Raises DataError if they are fewer than two.
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

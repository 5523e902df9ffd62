"""MNIST's own files: IDX, each plain or compressed with gzip."""

import gzip
import math
import os
import struct
import zlib

import numpy as np

from lab.images import mnist
from lab.images.dataset import Images
from lab.images.errors import DataError, DataPathError

# Images and labels of the training part, then of the test part.
IDX_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
NAMES = [name for pair in IDX_FILES for name in pair]
FOUR_FILES = "the four IDX files of MNIST"
# Folders that torchvision makes in the one that it is given.
_BELOW = ("raw", os.path.join("MNIST", "raw"))


def read(folder: str, flag: str) -> Images:
    """Returns the Images of a folder, training part first.

    flag is what gave the folder, for error messages. Raises DataPathError if it holds no IDX files,
    DataError if they are damaged or do not belong together.
    """
    paths = found(folder) or found_below(folder)
    if not paths:
        raise DataPathError(f"no IDX files in this folder ({flag}, {folder}); it must hold "
                            f"{', '.join(NAMES)}, each with or without .gz")
    for name in NAMES:
        if name not in paths:
            raise _wrong("missing file", os.path.join(folder, name), "it or its .gz", "neither")
    parts = [_read_part(paths[images], paths[labels]) for images, labels in IDX_FILES]
    pixels, labels = map(np.concatenate, zip(*parts, strict=True))
    return mnist.images(pixels, labels, "IDX files", folder)


def found(folder: str) -> dict[str, str]:
    """Returns {name: path} of those of the four files that are in folder.

    A plain file wins over a compressed one, and MNIST's own name over the one that 7-Zip makes of
    it, with a dot before idx.
    """
    return {name: path for name in NAMES if (path := _first_file(folder, name))}


def found_below(folder: str) -> dict[str, str]:
    """Returns {name: path} of the four files where torchvision and Kaggle's archive put them."""
    for below in _BELOW:
        if paths := found(os.path.join(folder, below)):
            return paths
    # Kaggle: each file in a folder of its own name.
    return {name: path for name in NAMES for around in _spellings(name)
            if (path := _first_file(os.path.join(folder, around), name))}


def _first_file(folder, name):
    paths = (os.path.join(folder, spelling + suffix)
             for suffix in ("", ".gz") for spelling in _spellings(name))
    return next(filter(os.path.isfile, paths), None)


def _spellings(name):
    return name, name.replace("-idx", ".idx")


def _read_part(image_file, label_file):
    pixels, labels = _read_idx(image_file, (28, 28)), _read_idx(label_file, ())
    if len(pixels) != len(labels):
        raise _wrong("images and labels do not belong together", label_file,
                     f"{len(pixels):,} labels for as many images", f"{len(labels):,}")
    if labels.max(initial=0) > 9:
        raise _wrong("wrong label", label_file, "0 to 9", labels.max())
    return pixels, labels


def _read_idx(path, shape):
    """Reads an IDX file: uint8 (n, *shape), where shape is (28, 28) for images, () for labels."""
    kind = "images" if shape else "labels"
    raw = _read_bytes(path)
    # Big-endian: the magic number (8 for uint8, then the number of dimensions), each dimension.
    size = 4 * (2 + len(shape))
    if len(raw) < size:
        raise _wrong("IDX file cut short", path, f"a header of {size} bytes", f"{len(raw)} bytes")
    magic, count, *found_shape = struct.unpack(f">{size // 4}I", raw[:size])
    expected = 0x0801 + len(shape)
    if magic != expected:
        raise _wrong("wrong IDX file", path, f"magic number {expected} ({kind})", magic)
    if found_shape != list(shape):
        raise _wrong("images of the wrong size", path, "28×28", "×".join(map(str, found_shape)))
    length = size + count * math.prod(shape)
    if len(raw) != length:
        raise _wrong("IDX file of the wrong length", path,
                     f"{length:,} bytes for its {count:,} {kind}", f"{len(raw):,} bytes")
    return np.frombuffer(raw, np.uint8, offset=size).reshape(count, *shape)


def _read_bytes(path):
    packed = path.endswith(".gz")
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise _wrong("unreadable file", path, "gzip data" if packed else "a readable file",
                     f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
                     ) from error


def _wrong(what, path, expected, found):
    return DataError(f"{what} ({path}, expected {expected}, found {found}); get the file again or "
                     "name another folder")

"""The images of one digit: MNIST from IDX files or from OpenML, or scikit-learn's 8×8 digits.

The author trained on "MNIST original": all 70,000 images, 6,903 of them zeros. Both ways to MNIST
give these, training part first.
"""

import gzip
import hashlib
import math
import os
import socket
import struct
import sys
import tempfile
import textwrap
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

# Images and labels of the training part, then of the test part.
IDX_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
# Of all 54,880,000 pixels and then all 70,000 labels, in the order of those files and of OpenML.
MNIST_SHA256 = "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"
OPENML_SHAPE = (70_000, 784)
# Seconds for OpenML to say something. A name may have two addresses, each with its own wait.
TIMEOUT = 15
# Batch normalization needs at least two images to average over.
FEWEST_IMAGES = 2

FOUR_FILES = "the four IDX files of MNIST"


@dataclass(frozen=True)
class Images:
    """The images that a run trains on.

    x: float32 (n, 1, 28, 28) in [0, 1]. labels: uint8 (n,), 0 to 9. source: where they are from,
    in words for a caption.
    """

    x: np.ndarray
    labels: np.ndarray
    source: str

    @property
    def fingerprint(self):
        """The SHA-256 of the pixels: tells these images from others."""
        return hashlib.sha256(self.x.tobytes()).hexdigest()

    def of(self, digit):
        """Those of digit, 0 to 9, or all of them. Raises DataError if they are fewer than two."""
        chosen = slice(None) if digit == "all" else self.labels == digit
        images = Images(self.x[chosen], self.labels[chosen], self.source)
        if len(images.x) < FEWEST_IMAGES:
            number = "only one image" if len(images.x) else "no image"
            raise DataError(f"{number} of digit {digit} (--digit, {self.source}); a batch needs at "
                            f"least {FEWEST_IMAGES}, so choose another digit or other data")
        return images


class DataError(Exception):
    """There are no images to train on; the message is one line for the user."""


class DataPathError(DataError):
    """The folder that was named does not exist, is not a folder, or holds none of the IDX files."""


class DataWarning(UserWarning):
    """Images were found, but the user has to know something about them; one line."""


class _Unavailable(Exception):
    """OpenML gave no MNIST; the message is the reason."""


def load(digit=0, data="auto"):
    """Return the Images of digit, 0 to 9 or "all", in their original order.

    data is a folder with MNIST's four IDX files (each plain or .gz; the plain one wins), or:

    - "openml": MNIST from the user's cache folder, or else from OpenML, and then kept there;
    - "digits": the 8×8 digits that come with scikit-learn, enlarged; needs no network;
    - "auto": the folder that the environment variable MNIST_DIR names; without it as "openml", and
      if that fails as "digits", with a DataWarning.

    Pixels are MNIST's divided by 255. Images that have the files' form but are not MNIST's
    (Fashion-MNIST has the same names) are loaded with a DataWarning. Raises DataPathError if the
    folder is not one of IDX files, DataError if the images cannot be had or if there are fewer
    than two of the digit.
    """
    pixels, labels, source = _read(data)
    x = pixels.reshape(-1, 1, 28, 28).astype(np.float32)
    x /= 255
    return Images(x, labels, source).of(digit)


def _read(data):
    """All images of data: pixels uint8 (n, 28, 28), labels uint8 (n,), and the source."""
    if data == "digits":
        return _read_digits()
    if data == "auto" and os.environ.get("MNIST_DIR"):
        return _read_folder(os.environ["MNIST_DIR"], "MNIST_DIR")
    if data not in ("auto", "openml"):
        return _read_folder(os.fspath(data), "--data")
    try:
        return _read_openml()
    except _Unavailable as reason:
        if data == "openml":
            raise DataError(f"MNIST could not be fetched from OpenML (--data openml, {reason}); "
                            "try again later, or offline use --data PATH, a folder with "
                            f"{FOUR_FILES}, or --data digits") from reason
        warnings.warn(f"MNIST could not be fetched from OpenML ({reason}); using scikit-learn's "
                      "8×8 digits instead; for MNIST, start again online or give --data PATH, a "
                      f"folder with {FOUR_FILES}", DataWarning)
        return _read_digits()


def _source(origin, place, pixels, labels):
    """The source in words; warns if the pixels and labels are not MNIST's."""
    if _sha256(pixels, labels) == MNIST_SHA256:
        return f"MNIST ({origin})"
    warnings.warn(f"the images are not the known MNIST ({place}, unknown checksum); they are used "
                  "all the same", DataWarning)
    return f"{origin} (not the known MNIST)"


def _sha256(pixels, labels):
    digest = hashlib.sha256(pixels)
    digest.update(labels)
    return digest.hexdigest()


# IDX files


def _read_folder(folder, flag):
    if not os.path.isdir(folder):
        what = "not a folder" if os.path.exists(folder) else "no such folder"
        raise DataPathError(f"{what} ({flag}, {folder}); give a folder with {FOUR_FILES}, or "
                            "--data auto, openml or digits")
    names = [name for pair in IDX_FILES for name in pair]
    found = {name: path for name in names
             for path in (os.path.join(folder, name + ".gz"), os.path.join(folder, name))
             if os.path.isfile(path)}
    if not found:
        raise DataPathError(f"no IDX files in this folder ({flag}, {folder}); it must hold "
                            f"{', '.join(names)}, each with or without .gz")
    for name in names:
        if name not in found:
            raise _wrong("missing file", os.path.join(folder, name), "it or its .gz", "neither")
    parts = [_read_part(found[images], found[labels]) for images, labels in IDX_FILES]
    pixels, labels = map(np.concatenate, zip(*parts))
    return pixels, labels, _source("IDX files", folder, pixels, labels)


def _read_part(image_file, label_file):
    pixels, labels = _read_idx(image_file, (28, 28)), _read_idx(label_file, ())
    if len(pixels) != len(labels):
        raise _wrong("images and labels do not belong together", label_file,
                     f"{len(pixels):,} labels for as many images", f"{len(labels):,}")
    if labels.max(initial=0) > 9:
        raise _wrong("wrong label", label_file, "0 to 9", labels.max())
    return pixels, labels


def _read_idx(path, shape):
    """The array in one IDX file, uint8 (n, *shape): (28, 28) for images, () for labels."""
    kind = "images" if shape else "labels"
    raw = _read_bytes(path)
    # Big-endian: the magic number (8 for uint8, then the number of dimensions), then each dimension
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


# OpenML


def _read_openml():
    path = _cache_file()
    arrays = _read_cache(path)
    if arrays is None:
        print("Fetching MNIST from OpenML: 15 MB, then up to a minute of parsing; kept for later "
              f"in {path}", file=sys.stderr, flush=True)
        arrays = _fetch()
        _write_cache(path, *arrays)
    return *arrays, _source("OpenML", path, *arrays)


def _fetch():
    """OpenML's mnist_784 as pixels uint8 (n, 28, 28) and labels uint8 (n,), checked."""
    from sklearn.datasets import fetch_openml  # takes a second, which a start from the cache saves

    timeout = socket.getdefaulttimeout()
    try:
        # scikit-learn up to 1.7 keeps a damaged download and fails on it ever after: whatever it
        # keeps is thrown away. It opens addresses without a timeout, and warns before it tries
        # again, up to seven times: the first failure is enough, or a silent server costs minutes.
        with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
              warnings.catch_warnings()):
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "A network error occurred|Invalid cache")
            socket.setdefaulttimeout(TIMEOUT)
            bunch = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff",
                                 data_home=folder)
    except Exception as error:  # HTTP, JSON, gzip and ARFF each have their own, and bad data others
        raise _Unavailable(_reason(error)) from error
    finally:
        socket.setdefaulttimeout(timeout)

    if bunch.data.shape != OPENML_SHAPE:
        raise _Unavailable("expected {} × {}, found {} × {}".format(*OPENML_SHAPE,
                                                                    *bunch.data.shape))
    with np.errstate(invalid="ignore"):  # a missing value is NaN: the comparison finds it
        pixels = bunch.data.astype(np.uint8, order="C")
    if not np.array_equal(pixels, bunch.data):
        raise _Unavailable("expected pixels that are whole numbers from 0 to 255, found others")
    if not np.isin(bunch.target, list("0123456789")).all():
        raise _Unavailable("expected labels from 0 to 9, found others")
    return pixels.reshape(-1, 28, 28), bunch.target.astype(np.uint8)


def _reason(error):
    while isinstance(error, Warning):  # what scikit-learn warned of
        error = error.__context__
    if "md5 checksum" in str(error):  # its own sentence names a file that no longer exists
        return "the download does not have the MD5 checksum that OpenML announces"
    return textwrap.shorten(f"{type(error).__name__}: {error}", 160, placeholder=" …")


def _cache_file():
    return Path(platformdirs.user_cache_dir("chainer-dcgan", appauthor=False), "mnist_784.npz")


def _read_cache(path):
    """The pixels and labels that _write_cache wrote, or None if there are no sound ones."""
    try:
        # np.load alone would not close a file that it finds damaged
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as kept:
            pixels, labels, digest = kept["pixels"], kept["labels"], str(kept["sha256"])
        if not pixels.dtype == labels.dtype == np.uint8 or pixels.shape != (len(labels), 28, 28):
            raise ValueError("other arrays than expected")
        if _sha256(pixels, labels) != digest:
            raise ValueError("checksum differs")
        return pixels, labels
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # a flipped bit can surface as any of a dozen kinds
        warnings.warn(f"the kept copy of MNIST cannot be used ({path}, {_reason(error)}); fetching "
                      "it again; if this comes back, delete the file", DataWarning)
        return None


def _write_cache(path, pixels, labels):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It gets its name when it is whole and on the disk; two runs may be writing at once
        with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder:
            whole = os.path.join(folder, path.name)
            with open(whole, "wb") as file:
                np.savez_compressed(file, pixels=pixels, labels=labels,
                                    sha256=_sha256(pixels, labels))
                file.flush()
                os.fsync(file.fileno())
            os.replace(whole, path)
    except OSError as error:
        warnings.warn(f"MNIST could not be kept ({path}, {error.strerror}); the next start will "
                      "fetch it again", DataWarning)


# The digits that come with scikit-learn


def _read_digits():
    """1,797 digits of 8×8 pixels from 0 to 16, enlarged to MNIST's 20×20 in the middle of 28×28."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    pixels = np.zeros((len(small), 28, 28), np.uint8)
    for frame, image in zip(pixels, small):
        # Bilinear is blurred beside it, Lanczos leaves ghosts of the stroke in the background
        frame[4:24, 4:24] = Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)
    return pixels, digits.target.astype(np.uint8), "8×8 digits (scikit-learn)"

"""MNIST from OpenML, downloaded once and kept in the user's cache folder."""

import os
import socket
import sys
import tempfile
import textwrap
import urllib.error
import warnings
from pathlib import Path

import numpy as np
import platformdirs

from lab.cli.patience import patiently
from lab.images import mnist
from lab.images.dataset import Images
from lab.images.errors import DataWarning, Unavailable

OPENML_SHAPE = (70_000, 784)
# Seconds to wait for an answer. A host name may have two addresses, each with a wait of its own.
TIMEOUT = 15


def read() -> Images:
    """Returns the Images of MNIST: those that are kept, or fetched. Raises Unavailable."""
    path = cache_file()
    arrays = _read_cache(path)
    if arrays is None:
        print("asking OpenML for MNIST: 15 MB, then up to a minute of parsing; kept for later in\n"
              f"{path}", file=sys.stderr, flush=True)
        arrays = _fetch()
        _write_cache(path, *arrays)
    pixels, labels = arrays
    return mnist.images(pixels, labels, "OpenML", path)


def _fetch():
    """Returns OpenML's mnist_784, checked: pixels uint8 (n, 28, 28), labels uint8 (n,)."""
    from sklearn.datasets import fetch_openml  # noqa: PLC0415

    timeout = socket.getdefaulttimeout()
    try:
        # scikit-learn up to 1.7 keeps a damaged download and fails on it ever after, so its folder
        # is a temporary one. It sets no timeout, and tries up to seven times, with a warning before
        # each: as an error, the first warning ends what would take minutes with a silent server.
        with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
              warnings.catch_warnings()):
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "A network error occurred|Invalid cache")
            socket.setdefaulttimeout(TIMEOUT)
            bunch = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff",
                                 data_home=folder)
    except Exception as error:  # HTTP, JSON, gzip and ARFF each have their own, and bad data others
        reason = _reason(error)
        _close(error)
        raise Unavailable(reason) from error
    finally:
        socket.setdefaulttimeout(timeout)

    if bunch.data.shape != OPENML_SHAPE:
        raise Unavailable("expected {} × {}, found {} × {}".format(*OPENML_SHAPE,
                                                                    *bunch.data.shape))
    with np.errstate(invalid="ignore"):  # a missing value is NaN: the comparison finds it
        pixels = bunch.data.astype(np.uint8, order="C")
    if not np.array_equal(pixels, bunch.data):
        raise Unavailable("expected pixels that are whole numbers from 0 to 255, found others")
    if not np.isin(bunch.target, list("0123456789")).all():
        raise Unavailable("expected labels from 0 to 9, found others")
    return pixels.reshape(-1, 28, 28), bunch.target.astype(np.uint8)


def _reason(error):
    while isinstance(error, Warning):  # scikit-learn's, of the error in its context
        error = error.__context__
    if "md5 checksum" in str(error):  # scikit-learn's sentence names a file that is gone
        return "the download does not have the MD5 checksum that OpenML announces"
    return textwrap.shorten(f"{type(error).__name__}: {error}", 160, placeholder=" …")


def _close(error):
    """Closes the answer that an HTTPError carries: the early end kept scikit-learn from it."""
    while error is not None:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        error = error.__context__


def cache_file() -> Path:
    """The path at which MNIST is kept. Raises Unavailable where the user has no home folder."""
    try:
        folder = platformdirs.user_cache_dir("chainer-dcgan", appauthor=False)
    except RuntimeError:  # platformdirs from 4.5 on
        folder = "~"
    if folder.startswith("~"):
        raise Unavailable("there is no home folder to keep it in: set HOME or XDG_CACHE_HOME to a "
                          "folder of yours")
    return Path(folder, "mnist_784.npz")


def _read_cache(path):
    """Returns the pixels and labels that _write_cache wrote; None if there are no sound ones."""
    try:
        # np.load alone leaves a damaged file open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as kept:
            pixels, labels, digest = kept["pixels"], kept["labels"], str(kept["sha256"])
        if not pixels.dtype == labels.dtype == np.uint8 or pixels.shape != (len(labels), 28, 28):
            raise ValueError("other arrays than expected")
        if mnist.sha256(pixels, labels) != digest:
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
        # Renamed when it is whole and on the disk: two runs may be writing at once.
        with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder:
            whole = os.path.join(folder, path.name)
            with open(whole, "wb") as file:
                np.savez_compressed(file, pixels=pixels, labels=labels,
                                    sha256=mnist.sha256(pixels, labels))
                file.flush()
                os.fsync(file.fileno())
            patiently(os.replace, whole, path)
    except OSError as error:
        warnings.warn(f"MNIST could not be kept ({path}, {error.strerror}); the next start will "
                      "fetch it again", DataWarning)

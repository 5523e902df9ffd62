"""Where images come from: the table of sources, and the one that --data names."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from lab.images import digits, folder, idx, openml, place
from lab.images.dataset import Images
from lab.images.errors import DataError, DataWarning, Unavailable


def load(data: str | os.PathLike = "auto", size: int = 28) -> Images:
    """Returns the Images that data names, of all digits; pictures as squares of size x size.

    data: one of the names in SOURCES, or a folder that holds what a row of it reads. Raises
    DataPathError if it is neither, DataError if the images cannot be had.
    """
    name, where = _find(data)
    if where is None:
        try:
            return SOURCES[name].read()
        except Unavailable as reason:
            raise DataError(f"MNIST could not be fetched from OpenML (--data {name}, {reason}); "
                            "try again later, or offline use --data PATH, a folder with "
                            f"{idx.FOUR_FILES}, or --data digits") from reason
    images = SOURCES[name].read(where, size)
    if name == "idx" and folder.holds(where):
        warnings.warn(f"the folder has IDX files and pictures, too (--data, {data}); the IDX files "
                      "are used", DataWarning)
    return images


def is_pictures(data: str | os.PathLike) -> bool:
    """Whether data is a folder of pictures. Raises DataPathError if it is no name and no folder."""
    return _find(data)[0] == "pictures"


def settled(data: str, images: Images) -> str:
    """Returns data, or for "auto" the name of the source from which images came.

    A resumed run then does not ask the network for what it began without.
    """
    if data != "auto" or os.environ.get("MNIST_DIR"):
        return data
    return "digits" if images.source == digits.SOURCE else "openml"


def _auto():
    """Returns the Images of the folder in MNIST_DIR, else of openml, else of digits."""
    if where := os.environ.get("MNIST_DIR"):
        return idx.read(place.folder(where, "MNIST_DIR"), "MNIST_DIR")
    try:
        return openml.read()
    except Unavailable as reason:
        warnings.warn(f"MNIST could not be fetched from OpenML ({reason}); using scikit-learn's "
                      "8×8 digits instead, 180 of each digit where MNIST has 7,000: expect rough "
                      "shapes, not the post's zeros; for those, once online, python trainer.py "
                      "--data openml --out result-mnist, or give --data PATH, a folder with "
                      f"{idx.FOUR_FILES}", DataWarning)
        return digits.read()


@dataclass(frozen=True)
class Source:
    """A row of SOURCES.

    words: what --help says. read: returns the Images; it takes (folder, size) where the source is a
    kind of folder, else nothing. holds: returns something true for a folder of that kind; None for
    a source that --data calls by its name.
    """

    words: str
    read: Callable[..., Images]
    holds: Callable[[str], object] | None = None


def _idx(where, _):
    return idx.read(where, "--data")


# A new source is a file with its function, and a row here. Of a folder the first row that holds is
# read: IDX files win over the pictures beside them, but not those that lie deeper.
SOURCES = {
    "openml": Source("downloads MNIST once", openml.read),
    "digits": Source("is scikit-learn's small 8x8 set, enlarged", digits.read),
    "idx": Source("MNIST's four IDX files", _idx, idx.found),
    "pictures": Source("pictures, in it or below it", folder.read, folder.holds),
    "idx below": Source("", _idx, idx.found_below),
    "auto": Source("takes the folder in MNIST_DIR, the earlier download, OpenML or digits, the "
                   "first there is", _auto),
}


def words() -> str:
    """Returns what --help says of --data: the named sources, then what a folder may hold."""
    named = [f"{name} {row.words}" for name, row in SOURCES.items() if not row.holds]
    folders = " or ".join(row.words for row in SOURCES.values() if row.holds and row.words)
    return f"{'; '.join(named)}; a PATH is a folder with {folders}"


def _find(data):
    """Returns (name of the row of SOURCES that reads data, folder; None if --data calls it so)."""
    if data in SOURCES and not SOURCES[data].holds:
        return data, None
    where = place.folder(os.fspath(data), "--data")
    rows = (name for name, row in SOURCES.items() if row.holds and row.holds(where))
    return next(rows, "pictures"), where

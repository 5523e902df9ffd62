"""A folder of pictures: all that are in it and below it, as squares of one size."""

import collections
import concurrent.futures
import contextlib
import itertools
import os
import textwrap
import unicodedata
import warnings
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from lab.cli import own
from lab.cli.console import Console
from lab.images import picture
from lab.images.dataset import FEWEST, Images
from lab.images.errors import DataError, DataPathError, DataWarning

KINDS = "PNG, JPEG, WebP, GIF, BMP or TIFF files"
# Folders that programs make beside pictures: thumbnails, recycle bins, snapshots of network
# storage, what macOS adds to an archive. In lower case.
LITTER = {"@eadir", "#recycle", "@recycle", "#snapshot", "@recently-snapshot", "$recycle.bin",
          "__macosx", "system volume information"}
# What to do with files that are pictures to their owner, by the ends of their names.
UNREAD = {suffix: words for words, suffixes in {
    "HEIC (python -m pip install pillow-heif, then start again)": ".heic .heif .hif",
    "raw from a camera (save them as JPEG)":
        ".arw .cr2 .cr3 .dng .nef .orf .pef .raf .rw2 .srw",
    "of a kind that is not read, such as PSD, SVG or JPEG XL (save them as PNG)":
        ".eps .exr .ico .jxl .psd .qoi .svg .tga .xcf"}.items()
    for suffix in suffixes.split()}
_NO_PICTURE = ""
IN_ICLOUD = "in iCloud and not on this disk (download them first)"
# Seconds after which a bar appears.
PATIENCE = 1
# Pictures given to the threads at once: their squares wait in memory for the slowest.
_PART = 512
# More threads would wait for the disk, each with a large photograph in memory.
_MOST_THREADS = 8
_MOST_TEXT = 2**26  # bytes of text, or of a colour profile, in a PNG; Pillow reads 2**20
# 12 bits in a file of 16 become bytes up to 16; enlarged they overshoot a little.
_NEARLY_BLACK = 20


def read(folder: str | os.PathLike, size: int) -> Images:
    """Returns the Images of the pictures in folder and below, as picture.square makes them.

    They are grey if in every picture no channel is further than picture.ALIKE from another. Their
    order is that of their paths in NFC, byte by byte, so a copy whose names a Mac wrote in NFD has
    the same order.

    Warns once of all pictures that cannot be read, and once if most are nearly black. Files
    that are not named as pictures are passed over, as are hidden ones and LITTER. Raises
    DataPathError if there is no picture, DataError if fewer than two can be read or if all are
    alike.
    """
    found = find(folder)
    if not found:
        raise DataPathError(f"no pictures and no IDX files in this folder (--data, {folder}); it "
                            f"must hold {KINDS}, or MNIST's four IDX files")
    pixels = np.empty((len(found.paths), 3, size, size), np.uint8)
    n, grey, dark = 0, True, []
    with (_reading(found.paths, size) as squares,
          Console("").bar(len(found.paths), 0, "picture", delay=PATIENCE) as bar):
        for path, square in zip(found.paths, squares, strict=True):
            if isinstance(square, Exception):
                found.failures.append((path, square))
            else:
                pixels[n] = square
                n += 1
                grey = grey and np.ptp(square, axis=0).max() <= picture.ALIKE
                if square.max() <= _NEARLY_BLACK:
                    dark.append(path)
            bar.set_description_str(f"picture {bar.n + 1}/{len(found.paths)}", refresh=False)
            bar.update()
    pixels = pixels[:n]
    left_out = found.left_out(folder)
    if n < FEWEST:
        raise DataError(f"{'only one' if n else 'no'} picture in this folder (--data, {folder}"
                        f"{', ' * bool(left_out)}{left_out}); a batch needs at least {FEWEST}")
    if (pixels == pixels[0]).all():
        raise DataError(f"the {n:,} pictures in this folder are all alike (--data, {folder}); "
                        "there is nothing to learn from them")
    if left_out:
        warnings.warn(f"{len(found) - n:,} of {len(found):,} pictures are left out (--data, "
                      f"{folder}): {left_out}", DataWarning)
    if len(dark) > n / 2:  # single ones may be meant
        warnings.warn(f"{len(dark):,} of {n:,} pictures are nearly black (--data, {folder}, the "
                      f"first: {_name(dark[0], folder)}), as files of 16 bits are that use but 12; "
                      "make them brighter, or remove them", DataWarning)
    # Of three channels that are all but equal, green is the one that lossy kinds keep best.
    return Images(np.ascontiguousarray(pixels[:, 1:2]) if grey else pixels, None,
                  os.path.basename(os.path.abspath(folder)) or os.path.abspath(folder))


@dataclass
class Found:
    """What find() has found.

    paths: the pictures, in order. failures: pairs of a path and the exception that says why there
    is no picture. unread: {words of UNREAD, or IN_ICLOUD: number of files}.
    """

    paths: list[str] = field(default_factory=list)
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    unread: collections.Counter[str] = field(default_factory=collections.Counter)

    def __len__(self):
        """Returns the number of all that is named as a picture; each failed path counts once."""
        return len({*self.paths, *(path for path, _ in self.failures)}) + self.unread.total()

    def left_out(self, folder: str | os.PathLike) -> str:
        """Returns how many are left out, by kind, and what to do; "" if none is."""
        parts = [f"{number:,} {words}" for words, number in self.unread.items()]
        if self.failures:
            path, error = self.failures[0]
            parts.append(f"{len(self.failures):,} cannot be read (the first: "
                         f"{_name(path, folder)}, {_reason(error)}; mend or remove them)")
        return "; ".join(parts)


def holds(folder: str) -> bool:
    """Whether anything in folder or below is named as a picture."""
    return any(True for _ in _walk(folder))


def find(folder: str | os.PathLike) -> Found:
    """Returns the Found of folder and all that is below it."""
    found = Found()
    for path, what in _walk(folder):
        if what is None:
            found.paths.append(path)
        elif isinstance(what, OSError):
            found.failures.append((path, what))
        else:
            found.unread[what] += 1
    found.paths.sort(key=_place)
    return found


def _walk(folder):
    """Yields (path, what) of all that is named as a picture; what is None for one to read.

    Else it is the words of UNREAD, or the OSError of a folder that cannot be looked into. A folder
    that links lead to more than once is looked into once: that with the first of its names.
    """
    suffixes, failures = picture.suffixes(), []
    # Below a folder of the user's, the clone's documentation is not among the pictures.
    seen = {os.path.realpath(folder), *map(str, own.folders())}
    with Console("").bar(None, 0, "looking for pictures", delay=PATIENCE) as bar:
        for where, folders, names in os.walk(folder, onerror=failures.append, followlinks=True):
            below, folders[:] = sorted(folders, key=_place), []
            for name in below:
                real = os.path.realpath(os.path.join(where, name))
                if not name.startswith(".") and name.lower() not in LITTER and real not in seen:
                    seen.add(real)
                    folders.append(name)
            for name in names:
                what = _kind(where, name, suffixes)
                if what != _NO_PICTURE:
                    yield os.path.join(where, name), what
                bar.set_description_str(f"looking for pictures, {bar.n + 1:,} files", refresh=False)
                bar.update()
    yield from ((error.filename, error) for error in failures)


def _kind(where, name, suffixes):
    """Returns None for a picture of one of suffixes, else words of UNREAD, or _NO_PICTURE."""
    hidden = name.startswith(".")
    in_icloud = hidden and name.endswith(".icloud")  # .name.png.icloud, a placeholder
    named = name.removesuffix(".icloud") if in_icloud else name
    suffix = os.path.splitext(named)[1].lower()
    if suffix not in suffixes and suffix not in UNREAD:
        return _NO_PICTURE
    if in_icloud:
        return IN_ICLOUD
    path = os.path.join(where, name)
    if hidden or os.path.exists(path) and not os.path.isfile(path):
        return _NO_PICTURE  # a pipe, say, in which reading would wait for ever
    return None if suffix in suffixes else UNREAD[suffix]


def _place(path):
    """Returns the key by which paths are sorted, the same for both forms of an accent in Unicode.

    A name in NFC keeps the place that it had when the raw bytes decided. A run that was begun then
    on names in NFD may find them in another order now, and be refused as one on other images.
    """
    path = path.replace(os.sep, "/")
    return os.fsencode(unicodedata.normalize("NFC", path)), os.fsencode(path)


@contextlib.contextmanager
def _reading(paths, size):
    """Reads pictures in threads, which Pillow lets run side by side.

    Within ``with`` it is an iterator of what picture.square returns, in the order of paths. Leaving
    early does not wait for the rest.
    """
    pool = concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS))
    most_text = PngImagePlugin.MAX_TEXT_CHUNK
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a file that is odd and yet has a picture
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            PngImagePlugin.MAX_TEXT_CHUNK = _MOST_TEXT
            parts = (paths[i:i + _PART] for i in range(0, len(paths), _PART))
            yield itertools.chain.from_iterable(
                pool.map(picture.square, part, itertools.repeat(size)) for part in parts)
        finally:
            pool.shutdown(cancel_futures=True)
            PngImagePlugin.MAX_TEXT_CHUNK = most_text


def _name(path, folder):
    """Returns the path from folder on, without bytes that a terminal might obey."""
    name = os.fsencode(os.path.relpath(path, folder)).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "�" for letter in name)


def _reason(error):
    if isinstance(error, UnidentifiedImageError):
        return "not a picture inside"
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        return f"too large, more than {Image.MAX_IMAGE_PIXELS / 1e6:,.0f} million pixels"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return textwrap.shorten(reason, 100, placeholder=" …")

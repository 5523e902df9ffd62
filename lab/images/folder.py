"""A folder of pictures: whatever is in it and below it, as squares of one size."""

import concurrent.futures
import itertools
import os
import textwrap
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lab.cli.console import Console
from lab.images.dataset import FEWEST, Images
from lab.images.errors import DataError, DataPathError, DataWarning

# Pillow opens more, but some of that starts other programs (EPS) or is a film (MPEG).
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
KINDS = "PNG, JPEG, WebP, GIF, BMP or TIFF files"
# A bar for whoever waits longer, in seconds.
PATIENCE = 1


def read(folder, size):
    """The Images of the pictures in folder and below, as squares of size x size.

    channels is 1 if every picture is grey, by its pixels and not by its file's mode, else 3. Their
    order is that of their names, from the folder on, byte by byte. Each is turned as its EXIF says,
    laid on white where it is transparent, cut to the square in its middle and scaled to size:
    smaller ones by area, larger ones by cubic interpolation. Of an animation it is the first frame.

    Pictures that cannot be read are left out with one DataWarning for all. Names that begin with a
    dot are passed over, as are files that are not named as pictures are. Raises DataPathError if
    there is no picture, DataError if fewer than two can be read or if all are alike.
    """
    paths, failures = find(folder)
    if not paths and not failures:
        raise DataPathError(f"no pictures and no IDX files in this folder (--data, {folder}); it "
                            f"must hold {KINDS}, or MNIST's four IDX files")
    pixels = np.empty((len(paths), 3, size, size), np.uint8)
    n = 0
    with (_reading(paths, size) as squares,
          Console("").bar(len(paths), 0, "picture", delay=PATIENCE) as bar):
        for path, square in zip(paths, squares, strict=True):
            if isinstance(square, Exception):
                failures.append((path, square))
            else:
                pixels[n] = square
                n += 1
            bar.set_description_str(f"picture {bar.n + 1}/{len(paths)}", refresh=False)
            bar.update()
    pixels = pixels[:n]
    if n < FEWEST:
        number = "only one picture" if n else "no picture"
        reason = (f", {len(failures):,} cannot be read, {_first(failures, folder)}" if failures
                  else "")
        raise DataError(f"{number} in this folder (--data, {folder}{reason}); a batch needs at "
                        f"least {FEWEST}")
    if (pixels == pixels[0]).all():
        raise DataError(f"the {n:,} pictures in this folder are all alike (--data, {folder}); "
                        "there is nothing to learn from them")
    if failures:
        warnings.warn(f"{len(failures):,} of {len(paths):,} pictures are left out (--data, "
                      f"{folder}, {_first(failures, folder)}); mend or remove them", DataWarning)
    grey = (pixels[:, :1] == pixels[:, 1:]).all()
    name = os.path.basename(os.path.abspath(folder)) or os.path.abspath(folder)
    return Images(np.ascontiguousarray(pixels[:, :1]) if grey else pixels, None, name)


def find(folder):
    """(paths, failures): the files in folder and below that are named as pictures, in order.

    failures are pairs of a path that cannot be looked into and the OSError. A folder that links
    lead to more than once is looked into once.
    """
    Image.init()
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    paths, failures, seen = [], [], {os.path.realpath(folder)}

    def fail(error):
        failures.append((error.filename, error))

    for where, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        below, folders[:] = sorted(folders, key=os.fsencode), []
        for name in below:
            real = os.path.realpath(os.path.join(where, name))
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                folders.append(name)
        for name in names:
            path = os.path.join(where, name)
            if (os.path.splitext(name)[1].lower() in suffixes and not name.startswith(".")
                    and (os.path.isfile(path) or os.path.islink(path))):  # no pipes and the like
                paths.append(path)
    return sorted(paths, key=lambda path: os.fsencode(Path(path).as_posix())), failures


class _reading:
    """Reads pictures in as many threads as there are processors (Pillow lets them run).

    with _reading(paths, size) as squares: in the order of paths, each a uint8 (3, size, size) or
    the Exception that says why there is none. Whoever leaves early does not wait for the rest.
    """

    def __init__(self, paths, size):
        self._paths, self._size = paths, size
        self._pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        self._quiet = warnings.catch_warnings()

    def __enter__(self):
        self._quiet.__enter__()
        warnings.simplefilter("ignore")  # of what is odd in a file, and yet there is a picture
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return self._pool.map(_try, self._paths, itertools.repeat(self._size))

    def __exit__(self, *error):
        self._pool.shutdown(cancel_futures=True)
        self._quiet.__exit__(*error)


def _try(path, size):
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return np.asarray(_square(picture, size)).transpose(2, 0, 1)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can surface as any of a dozen kinds
        return error


def _square(picture, size):
    """The middle of a picture that was just opened, as RGB of size x size."""
    # A JPEG comes at a half, a quarter or an eighth at little cost. Four times the size is left to
    # the area, whose edges Pillow counts as whole pixels.
    picture.draft(None, (4 * size, 4 * size))
    picture.load()
    try:
        picture = ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF, like any damage; the pixels are sound
        pass
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    square = _on_white(picture.crop((left, top, left + side, top + side)))
    resampling = Image.Resampling.BOX if side > size else Image.Resampling.BICUBIC
    return square.resize((size, size), resampling)


def _on_white(picture):
    """A picture of any mode as RGB."""
    transparent = picture.info.get("transparency")
    if picture.mode.startswith("I;16"):  # Pillow would cut the values, not scale them
        values = np.asarray(picture).astype(np.uint32)
        clear = values == transparent if isinstance(transparent, int) else np.zeros(1, bool)
        grey = (values * 255 + 32767) // 65535
        return Image.fromarray(np.where(clear, 255, grey).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits, of which nobody says how much is white")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _first(failures, folder):
    path, error = failures[0]
    name = os.fsencode(os.path.relpath(path, folder)).decode("utf-8", "replace")
    if isinstance(error, UnidentifiedImageError):
        reason = "not a picture inside"
    elif isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        reason = "too large"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"the first: {name}, {textwrap.shorten(reason, 100, placeholder=' …')}"

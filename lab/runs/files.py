"""The files in a run's folder: their names, and how to write them atomically.

    settings.json                    the settings, the images, the versions of the software
    losses.csv                       losses and probabilities, a row per epoch
    quality.csv                      figures of quality, a row per measured epoch
    real.png                         nine real images
    epoch-0000.png, epoch-0001.png   nine generated images after each epoch; 0000: untrained
    checkpoint-0990.npz              the whole state of the run (checkpoint.py); two are kept
    generator.npz, discriminator.npz the networks, at the end
    generator-average.npz            the average of the generator's weights
    best-generator.npz and so on     the networks at the best of the measured epochs
    generator-0001.npz and so on     the generator after some epochs, its weights as float16
    index.html, index.js             the page that shows all this, and its data
    play.html                        the page that draws with the generator
    play-0001.js and so on           the generators of other epochs for it
    .gitignore, .lock                tells git to leave the run out; tells other runs to stay out
    samples.png, losses.png, ...     pictures that plot.py has drawn
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from lab.cli.patience import patiently

LOSS_COLUMNS = ("epoch", "loss_gen", "loss_dis", "seconds", "prob_real", "prob_generated")

SETTINGS, LOSSES, QUALITY = "settings.json", "losses.csv", "quality.csv"
GENERATOR, DISCRIMINATOR = "generator.npz", "discriminator.npz"
AVERAGE = "generator-average.npz"
NETWORKS = GENERATOR, DISCRIMINATOR, AVERAGE
BEST = "best-"  # prefix of the networks of the best epoch
GENERATORS = {"trained": GENERATOR, "average": AVERAGE}  # by Settings.weights
REAL = "real.png"
PAGE, PAGE_DATA, PLAY = "index.html", "index.js", "play.html"
SNAPSHOTS, PLAY_EPOCHS = "generator-[0-9]*.npz", "play-[0-9]*.js"  # patterns

TEMPORARY = ".tmp"


class FolderError(Exception):
    """The folder cannot be used as asked; the message is for the user."""


def picture(folder: str | os.PathLike, epoch: int) -> Path:
    """Returns the path of an epoch's picture."""
    return Path(folder) / f"epoch-{epoch:04d}.png"


def snapshot(folder: str | os.PathLike, epoch: int) -> Path:
    """Returns the path of an epoch's generator."""
    return Path(folder) / f"generator-{epoch:04d}.npz"


def play_epoch(folder: str | os.PathLike, epoch: int) -> Path:
    """Returns the path of an epoch's generator as play.html reads it."""
    return Path(folder) / f"play-{epoch:04d}.js"


def replace_file(path: str | os.PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Writes to a temporary file, fsyncs, then renames: readers see the old file or the new one.

    Calls write(file). OSError has path as its filename.
    """
    path = Path(path)
    # The name contains the process: plot.py may write the page of a run while the run writes it.
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        patiently(os.replace, temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _sync_folder(folder):
    """Makes a rename in folder durable; Windows cannot."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def format_row(row: Iterable[float]) -> str:
    """Returns a line of a .csv; reading it gives exactly the same numbers."""
    return ",".join(str(value) if isinstance(value, int) else repr(float(value)) for value in row)


def write_table(path: str | os.PathLike, columns: Iterable[str],
                rows: Iterable[Iterable[float]]) -> None:
    """Replaces a .csv by columns and rows."""
    lines = [",".join(columns), *map(format_row, rows)]
    text = "\n".join(lines) + "\n"
    replace_file(path, lambda file: file.write(text.encode("ascii")))


def append_row(path: str | os.PathLike, row: Iterable[float]) -> None:
    """Appends a row to a .csv and fsyncs. Leaves no half row if that fails."""
    line = (format_row(row) + "\n").encode("ascii")
    try:
        with patiently(lambda: open(path, "r+b", buffering=0)) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error

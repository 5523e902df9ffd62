"""The folder of a run: what stands in it, and how files get there whole.

    settings.json                    what was run, on which images, by which versions
    losses.csv                       a row per epoch
    quality.csv                      a row per measured epoch
    real.png                         nine real images
    epoch-0000.png, epoch-0001.png   nine generated images after each epoch; 0000 is untrained
    checkpoint-0990.npz              the whole state of the run (checkpoint.py), and the one before
    generator.npz, discriminator.npz the networks, at the end
    generator-average.npz            the average of the generator's weights
    best-generator.npz and so on     the networks at the best of the measured epochs
    index.html, index.js             the page to look at all this, and what it shows
    play.html                        the page that draws with the generator
    .gitignore, .lock                for git: not to be committed; for other runs: in use
    samples.png, losses.png, ...     what plot.py has drawn, by its own names
"""

import contextlib
import errno
import os
import time
from pathlib import Path

LOSS_COLUMNS = ("epoch", "loss_gen", "loss_dis", "seconds", "prob_real", "prob_generated")

SETTINGS, LOSSES, QUALITY = "settings.json", "losses.csv", "quality.csv"
GENERATOR, DISCRIMINATOR = "generator.npz", "discriminator.npz"
AVERAGE = "generator-average.npz"
NETWORKS = GENERATOR, DISCRIMINATOR, AVERAGE
BEST = "best-"  # before the names of those of the best epoch
GENERATORS = {"trained": GENERATOR, "average": AVERAGE}  # by what a recipe's weights say
REAL = "real.png"
PAGE, PAGE_DATA, PLAY = "index.html", "index.js", "play.html"

TEMPORARY = ".tmp"
PATIENCE = 2  # seconds


class FolderError(Exception):
    """The folder cannot be used as asked; the message is for the user."""


def picture(folder, epoch):
    """The path of an epoch's picture."""
    return Path(folder) / f"epoch-{epoch:04d}.png"


def replace_file(path, write):
    """Writes to a temporary file, fsyncs, then renames: readers see the old file or the new one.

    write gets a binary file object. OSError carries path as its filename.
    """
    path = Path(path)
    # With the process in its name: plot.py may write the page of a run that is writing it, too.
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


def patiently(function, *arguments):
    """Calls function; tries again for PATIENCE seconds while others hold the file.

    A virus scanner or a sync client opens what was just written, and Windows then refuses to
    replace it. PermissionError if it is still held.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return function(*arguments)
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _sync_folder(folder):
    """Makes a rename in the folder durable, where the system knows how (Windows does not)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def format_row(row):
    """A line of a .csv: whole numbers as they are, others so that reading gives the same number."""
    return ",".join(str(value) if isinstance(value, int) else repr(float(value)) for value in row)


def write_table(path, columns, rows):
    """Writes a whole .csv."""
    lines = [",".join(columns), *map(format_row, rows)]
    text = "\n".join(lines) + "\n"
    replace_file(path, lambda file: file.write(text.encode("ascii")))


def append_row(path, row):
    """Appends a row to a .csv and puts it on the disk. Leaves no half row if that fails."""
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

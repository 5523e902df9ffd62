"""The folder of a run: what stands in it, who may write to it, and how files get there whole.

    settings.json                    what was run, on which images, by which versions
    losses.csv                       a row per epoch
    quality.csv                      a row per measured epoch
    real.png                         nine real images
    epoch-0000.png, epoch-0001.png   nine generated images after each epoch; 0000 is untrained
    checkpoint-0990.npz              the whole state of the run (checkpoint.py), and the one before
    generator.npz, discriminator.npz the networks, at the end
    generator-average.npz            the average of the generator's weights
    index.html, index.js             the page to look at all this, and what it shows
    play.html                        the page that draws with the generator
    .gitignore, .lock                for git: not to be committed; for other runs: in use
    samples.png, losses.png, ...     what plot.py has drawn, by its own names
"""

import contextlib
import errno
import os
import socket
from pathlib import Path

import filelock

LOSS_COLUMNS = ("epoch", "loss_gen", "loss_dis", "seconds", "prob_real", "prob_generated")

IGNORE = ".gitignore"  # a run is tens of megabytes that nobody wants to commit
SETTINGS, LOSSES, QUALITY = "settings.json", "losses.csv", "quality.csv"
GENERATOR, DISCRIMINATOR = "generator.npz", "discriminator.npz"
AVERAGE = "generator-average.npz"
NETWORKS = GENERATOR, DISCRIMINATOR, AVERAGE
GENERATORS = {"trained": GENERATOR, "average": AVERAGE}  # by what a recipe's weights say
REAL, LOCK = "real.png", ".lock"
PAGE, PAGE_DATA, PLAY = "index.html", "index.js", "play.html"

_OWN = (SETTINGS, LOSSES, QUALITY, REAL, PAGE, PAGE_DATA, PLAY, *NETWORKS, "checkpoint-*.npz",
        "checkpoint-*.damaged", "epoch-*.png")

_TEMPORARY = ".tmp"


class FolderError(Exception):
    """The folder cannot be used as asked; the message is a line for the user."""


def picture(folder, epoch):
    """The path of an epoch's picture."""
    return Path(folder) / f"epoch-{epoch:04d}.png"


def replace_file(path, write):
    """Writes a file so that a reader, or a crash at any moment, finds the old or the new, whole.

    write gets a binary file object. The bytes go to a temporary file beside path, onto the disk,
    and only then under path's name. OSError carries path as its filename.
    """
    path = Path(path)
    # With the process in its name: plot.py may write the page of a run that is writing it, too.
    temporary = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _sync_folder(folder):
    """Makes a rename in the folder durable, where the system knows how (Windows does not)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_new(folder, overwrite=False, drawn=()):
    """Raises FolderError unless a new run may be written to folder. Creates nothing.

    drawn: the patterns of the pictures that commands leave in a run's folder.
    """
    folder = Path(folder)
    if folder.is_dir():
        if _own_files(folder, drawn) and not overwrite:
            raise FolderError(f"the folder already holds a run (--out, {folder}); continue it with "
                              "--resume, discard it with --overwrite or choose another --out")
        where = folder
    elif folder.exists() or folder.is_symlink():
        raise FolderError(f"not a folder (--out, {folder}); choose another --out")
    else:
        where = folder.absolute().parent
        if not where.is_dir():
            raise FolderError(f"no such folder to create it in (--out, {folder}); "
                              f"create {where} first")
    if not os.access(where, os.W_OK | os.X_OK):
        raise FolderError(f"the folder cannot be written to (--out, {folder}); choose another "
                          "--out")


def _own_files(folder, drawn, suffix=""):
    return {path for pattern in (*_OWN, *drawn) for path in Path(folder).glob(pattern + suffix)}


def discard(folder, drawn=()):
    """Removes what a run, and the commands that draw, left in folder, and nothing else.

    drawn: as of check_new. A folder below goes, too, if nothing else is in it.
    """
    paths = _own_files(folder, drawn)
    for path in paths:
        path.unlink()
    for below in {path.parent for path in paths} - {Path(folder)}:
        with contextlib.suppress(OSError):
            below.rmdir()


def remove_leftovers(folder, drawn=()):
    """Removes the temporary files of a run that was killed while writing. drawn: as of discard."""
    pattern = f"*{_TEMPORARY}"  # of any process
    for path in (*_own_files(folder, drawn, pattern), *Path(folder).glob(IGNORE + pattern)):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder):
    """Holds the folder for this process. FolderError names the one that holds it already.

    The lock is the kernel's, so one that was killed leaves no stale lock.
    """
    path = Path(folder) / LOCK
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        with contextlib.suppress(OSError):
            owner = path.read_text(encoding="utf-8").strip()
            raise FolderError(f"another run is writing to the folder ({folder}, {owner}); wait for "
                              "it or choose another --out") from None
        raise FolderError(f"another run is writing to the folder ({folder}); wait for it or choose "
                          "another --out") from None
    try:
        with contextlib.suppress(PermissionError):  # Windows lets nobody write what is locked
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        yield
    finally:
        lock.release()


def ignore(folder):
    """Tells git to leave the folder out, whatever its name. A .gitignore that is there stays."""
    path = Path(folder) / IGNORE
    if not path.exists():
        replace_file(path, lambda file: file.write(b"*\n"))


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
        with open(path, "r+b", buffering=0) as file:
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

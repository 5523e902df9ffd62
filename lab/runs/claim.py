"""Claims a folder for a run: what may lie there, what is removed, and which run holds it."""

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import filelock

from lab.cli.own import is_own
from lab.cli.patience import patiently
from lab.runs import checkpoint, files
from lab.runs.files import FolderError
from lab.runs.settings import read_settings

IGNORE, LOCK = ".gitignore", ".lock"

# Patterns of the files that a run writes; commands add the patterns of their pictures.
_OWN = (files.SETTINGS, files.LOSSES, files.QUALITY, files.REAL, files.PAGE, files.PAGE_DATA,
        files.PLAY, *files.NETWORKS, *(files.BEST + name for name in files.NETWORKS),
        files.SNAPSHOTS, files.PLAY_EPOCHS, "checkpoint-*.npz", "checkpoint-*.damaged",
        "epoch-*.png")
_LITTER = "Thumbs.db", "desktop.ini", "Icon\r"  # of file managers, beside names with a dot


def check_new(folder: str | os.PathLike, overwrite: bool = False,
              drawn: Iterable[str] = ()) -> None:
    """Raises FolderError unless a new run may be written to folder. Creates nothing.

    drawn: the patterns of the pictures that commands leave in a run's folder.
    """
    folder = Path(folder)
    if is_own(folder):
        raise FolderError(f"the folder is the project's own (--out, {folder}), a run would lie "
                          "among its sources; choose another --out")
    if folder.is_dir():
        if holds_run(folder):
            if not overwrite:
                raise FolderError(
                    f"the folder already holds a run (--out, {folder}); continue it with --resume, "
                    "discard it with --overwrite or choose another --out")
        elif other := _other_file(folder, drawn):
            raise FolderError(f"the folder holds other files and no run (--out, {folder}, "
                              f"{other}); choose another --out")
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


def holds_run(folder) -> bool:
    """Whether folder holds a run: its settings.json, or a checkpoint."""
    with contextlib.suppress(FolderError):
        return bool(read_settings(folder))
    return bool(checkpoint.paths(folder))


def _other_file(folder, drawn):
    """Returns the name of a file in folder that no interrupted start has left, or None."""
    left = {path.name for path in _own_files(folder, drawn, f"*{files.TEMPORARY}")}
    return next((name for name in sorted(os.listdir(folder))
                 if not name.startswith(".") and name not in left and name not in _LITTER), None)


def _own_files(folder, drawn, suffix=""):
    return {path for pattern in (*_OWN, *drawn) for path in Path(folder).glob(pattern + suffix)}


def discard(folder: str | os.PathLike, drawn: Iterable[str] = ()) -> None:
    """Removes what a run and the commands that draw have left in folder, and nothing else.

    drawn: as of check_new. Removes folders below that are then empty. Removes nothing where there
    is no run.
    """
    if not holds_run(folder):
        return
    paths = _own_files(folder, drawn)
    # The settings go last: while they are there, what is left is known to be a run's.
    for path in sorted(paths, key=lambda path: path.name == files.SETTINGS):
        patiently(path.unlink)
    for below in {path.parent for path in paths} - {Path(folder)}:
        with contextlib.suppress(OSError):
            below.rmdir()


def remove_leftovers(folder: str | os.PathLike, drawn: Iterable[str] = ()) -> None:
    """Removes temporary files of a run that was killed while writing. drawn: as of check_new."""
    pattern = f"*{files.TEMPORARY}"  # of any process
    for path in (*_own_files(folder, drawn, pattern), *Path(folder).glob(IGNORE + pattern)):
        patiently(path.unlink, missing_ok=True)


@contextlib.contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Holds folder for this process. FolderError names the process that holds it already.

    The lock is the kernel's: a killed process leaves no stale lock.
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


def is_locked(folder: str | os.PathLike) -> bool:
    """Whether a run, of this process or another, holds folder."""
    path = Path(folder) / LOCK
    if not path.exists():
        return False
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    except OSError:  # a folder that can only be read
        return False
    lock.release()
    return False


def ignore(folder: str | os.PathLike, drawn: Iterable[str] = (), whole: bool = False) -> None:
    """Writes a .gitignore of what a run writes, tens of megabytes; an existing one stays.

    whole: git ignores everything in folder, because the run has made it. drawn: as of check_new.
    """
    path = Path(folder) / IGNORE
    names = ["*"] if whole else [f"/{name}" for name in sorted({*_OWN, *drawn, LOCK, IGNORE})]
    if not path.exists():
        text = "\n".join(names) + "\n"
        files.replace_file(path, lambda file: file.write(text.encode("utf-8")))

"""From what a user typed as a folder to the folder."""

import os
import shlex
import tarfile
import unicodedata
import zipfile

from lab.cli.own import is_own
from lab.images.errors import DataPathError


def folder(path: str | os.PathLike, flag: str) -> str:
    """Returns the path of a folder of the user's; "~" is home.

    flag is what gave the path, for error messages. Raises DataPathError if it is no folder, or one
    of the project's own.
    """
    place = _in_either_form(os.path.expanduser(path))
    if not os.path.isdir(place):
        raise DataPathError(_not_a_folder(place, flag))
    if is_own(place):
        raise DataPathError(f"this folder is the project's own ({flag}, {path}), its pictures are "
                            "the documentation's; give a folder with pictures of yours")
    return place


def _in_either_form(path):
    """Returns path, or where it names nothing the one that differs only by NFC and NFD.

    A name with accents that was typed on one system and copied on another may be in either.
    """
    parent, name = os.path.split(path)
    if os.path.lexists(path) or not name:
        return path
    parent = parent and _in_either_form(parent)
    try:
        names = os.listdir(parent or os.curdir)
    except OSError:
        return path
    form = unicodedata.normalize("NFC", name)
    same = (other for other in names if unicodedata.normalize("NFC", other) == form)
    return os.path.join(parent, next(same, name))


def _not_a_folder(path, flag):
    if module := _module_that_unpacks(path):
        name = os.path.basename(path).partition(".")[0] or "pictures"
        return (f"an archive, not a folder ({flag}, {path}); unpack it with "
                f"{shlex.join(['python', '-m', module, '-e', path, name])} and give {flag} "
                f"{shlex.quote(name)}")
    what = "not a folder" if os.path.exists(path) else "no such folder"
    return (f"{what} ({flag}, {path}); give a folder with pictures or with MNIST's four IDX files, "
            "or --data auto, openml or digits")


def _module_that_unpacks(path):
    """Returns the module of Python that unpacks the archive at path; None if there is none."""
    try:
        if not os.path.isfile(path):
            return None
        return ("zipfile" if zipfile.is_zipfile(path) else
                "tarfile" if tarfile.is_tarfile(path) else None)
    except OSError:
        return None

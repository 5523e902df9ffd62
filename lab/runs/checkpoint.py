"""Checkpoints: the whole state of a run in one file, written atomically, checked when read.

A checkpoint is an .npz of plain arrays, no pickles: the trainer's state, the losses so far, a
"meta" member (JSON: settings, environment, format) and a SHA-256 over all of it. The two newest
stay, so a damaged one costs some epochs and not the run.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import threadpoolctl

import chainer_cpu
from lab.cli.patience import patiently
from lab.cli.version import version
from lab.runs.files import replace_file

FORMAT = 1


class CheckpointError(Exception):
    """No checkpoint can be used; the message is for the user."""


def paths(folder: str | os.PathLike) -> list[Path]:
    """Returns the checkpoints in folder, the newest (by the epoch in the name) first."""
    found = [(int(match[1]), path) for path in Path(folder).glob("checkpoint-*.npz")
             if (match := re.fullmatch(r"checkpoint-(\d+)\.npz", path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def write(folder: str | os.PathLike, epoch: int, arrays: dict[str, np.ndarray],
          meta: dict) -> None:
    """Writes the checkpoint of an epoch; removes all older ones but one.

    meta: plain values. OSError names the file and the megabytes that it needs.
    """
    contents = {**arrays, "meta": _text({**meta, "format": FORMAT, "project": version()})}
    contents["sha256"] = np.frombuffer(_digest(contents), np.uint8)
    path = Path(folder) / f"checkpoint-{epoch:04d}.npz"
    try:
        replace_file(path, lambda file: np.savez(file, **contents))
    except OSError as error:
        size = sum(array.nbytes for array in contents.values()) / 1e6
        raise OSError(error.errno, f"{error.strerror}, a checkpoint needs {size:.0f} MB",
                      str(path)) from error
    for old in paths(folder)[2:]:
        patiently(old.unlink)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Returns (arrays, meta) of a checkpoint. CheckpointError says what is wrong with it."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as members:
            contents = {name: members[name] for name in members.files}
        meta = json.loads(contents["meta"].tobytes())
        if meta["format"] != FORMAT:
            raise _WrongFormat(f"has format {meta['format']}, this version reads {FORMAT}")
        stored = contents.pop("sha256").tobytes()
    except _WrongFormat:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError,
            NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(f"cannot be read, {type(error).__name__}: {error}") from None
    if _digest(contents) != stored:
        raise CheckpointError("its SHA-256 does not match its contents")
    del contents["meta"]
    return contents, meta


class _WrongFormat(CheckpointError):
    """Another version wrote the checkpoint: it is not damaged, and stays as it is."""


def read_newest(folder: str | os.PathLike, warn: Callable[[str], None],
                ) -> tuple[dict[str, np.ndarray], dict]:
    """Returns (arrays, meta) of the newest good checkpoint in folder.

    Renames a damaged one to *.damaged, calls warn(message), and reads the one before it. Raises
    CheckpointError if none is left, with the reason for each, or if one has another format. The
    average of the generator begins as the generator where an earlier version wrote none.
    """
    good, reasons = [], []
    for path in paths(folder):
        try:
            good.append(read(path))
        except _WrongFormat as error:
            raise CheckpointError(f"the checkpoint {error} ({path}); continue with the version "
                                  "that wrote it") from None
        except CheckpointError as error:
            reasons.append((path, error))
    if not good:
        found = "; ".join(f"{path.name} {error}" for path, error in reasons) or "none found"
        raise CheckpointError(f"no checkpoint to resume from ({folder}, {found}); start the run "
                              "without --resume")
    for path, reason in reasons:
        aside = path.with_suffix(".damaged")
        patiently(os.replace, path, aside)
        warn(f"a checkpoint is damaged ({path}, {reason}); kept as {aside.name}, an older one is "
             "used")
    arrays, meta = max(good, key=lambda found: (found[1]["epoch"], found[1]["iteration"]))
    if "averaged" not in arrays and "epoch" in arrays:
        arrays |= {name.replace("generator/", "generator-average/", 1): array
                   for name, array in arrays.items() if name.startswith("generator/")}
        arrays["averaged"] = np.zeros_like(arrays["epoch"])
    return arrays, meta


def check(arrays: dict[str, np.ndarray], like: dict[str, np.ndarray]) -> None:
    """Raises CheckpointError unless arrays has the names, shapes and dtypes of like."""
    for name in sorted(set(arrays) ^ set(like)):
        raise CheckpointError(f"{name} is {'missing' if name in like else 'not expected'}")
    for name, array in arrays.items():
        if array.shape != like[name].shape or array.dtype != like[name].dtype:
            raise CheckpointError(f"{name} is {array.dtype} {array.shape}, expected "
                                  f"{like[name].dtype} {like[name].shape}")


def check_finite(arrays: dict[str, np.ndarray]) -> None:
    """Raises CheckpointError if an array holds NaN or infinity."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(f"{name} holds NaN or infinity")


def _text(value):
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def _digest(contents):
    digest = hashlib.sha256()
    for name in sorted(contents):
        array = contents[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.digest()


def environment() -> dict[str, str]:
    """Returns what the bits of a result depend on besides the settings: {name: short text}."""
    versions = {name: importlib.metadata.version(name)
                for name in ("numpy", "scipy", "numba", "chainer")}
    return {"project": version(), "python": platform.python_version(), **versions, "blas": blas(),
            "machine": f"{platform.system()} {platform.machine()}"}


def blas() -> str:
    """Returns the BLAS in a phrase: library, version, kernel, and the threads that call it."""
    libraries = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]
    # NumPy and SciPy each bring one; the networks' products are SciPy's.
    libraries.sort(key=lambda info: "numpy" in info["filepath"])
    if not libraries:
        return "unknown to threadpoolctl"
    info = libraries[0]
    kernel = f" ({info['architecture']})" if info.get("architecture") else ""
    threads = chainer_cpu.count_threads()
    return (f"{info['internal_api']} {info['version']}{kernel}, "
            f"{threads} thread{'s' * (threads > 1)}")

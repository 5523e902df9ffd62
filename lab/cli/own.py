"""Knows the project's own folders, in which no run may write."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".git", "benchmarks", "chainer_cpu", "docs", "lab", "pretrained", "studies", "tests")


def is_own(folder: str | os.PathLike) -> bool:
    """Whether folder is the project's, or one of its own folders, or in one of them.

    Folders that users add beside them, such as result/ or my-pictures/, are not.
    """
    path = Path(folder).resolve()
    return path == ROOT or any(path.is_relative_to(own) for own in folders())


def folders() -> list[Path]:
    """Returns the paths of the project's folders beside trainer.py."""
    return [ROOT / name for name in FOLDERS]

"""Writes the networks in a trainer's state as files: generator, discriminator, average."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lab.runs import files
from lab.runs.files import NETWORKS


def part(name: str) -> str:
    """Returns the prefix of a network's keys in a trainer's state. name: one of files.NETWORKS."""
    return name.removesuffix(".npz") + "/"


def arrays_of(state: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns the arrays of one network in a trainer's state, by the network's own keys."""
    return {key.removeprefix(part(name)): array for key, array in sorted(state.items())
            if key.startswith(part(name))}


def parts_of(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays of all networks in a trainer's state."""
    return {key: array for key, array in state.items()
            if key.startswith(tuple(map(part, NETWORKS)))}


def write_networks(folder: Path, state: dict[str, Any], prefix: str = "") -> None:
    """Writes files.NETWORKS from a trainer's state, with prefix before their names.

    With a prefix, each file also holds the "epoch" of the state.
    """
    for name in NETWORKS:
        arrays = arrays_of(state, name)
        if prefix:
            arrays["epoch"] = state["epoch"]
        files.replace_file(folder / (prefix + name), partial(np.savez, **arrays))

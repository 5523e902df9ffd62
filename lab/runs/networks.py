"""The networks of a run as files: which there are, and how a trainer's state becomes them."""

import numpy as np

from lab.runs import files
from lab.runs.files import NETWORKS


def part(name):
    """The beginning of the keys in a trainer's state that a file of files.NETWORKS is made of."""
    return name.removesuffix(".npz") + "/"


def parts_of(state):
    """What all files of files.NETWORKS are made of."""
    return {key: array for key, array in state.items()
            if key.startswith(tuple(map(part, NETWORKS)))}


def write_networks(folder, state, prefix=""):
    """Writes files.NETWORKS, with a prefix to their names, from a trainer's state.

    With a prefix, the "epoch" of the state stands in each of them.
    """
    for name in NETWORKS:
        arrays = {key.removeprefix(part(name)): state[key] for key in sorted(state)
                  if key.startswith(part(name))}
        if prefix:
            arrays["epoch"] = state["epoch"]
        files.replace_file(folder / (prefix + name),
                           lambda file, arrays=arrays: np.savez(file, **arrays))

"""Keeps the generator after some epochs, so that one z can be drawn by each of them."""

import functools

import numpy as np

from lab.cli.patience import patiently
from lab.runs import files
from lab.runs.networks import arrays_of

MOST = 25_000_000  # bytes of all files together
# The densest of these that reaches epoch 1000 within MOST: 1, 2, 5, 10 ..., or 1, 3, 10 ..., or 1,
# 10, 100 ...
STEPS = (1, 2, 5), (1, 3), (1,)


class Snapshots:
    """Keeps the generator that a run shows, after the epochs that epochs() returns.

    Which epochs these are depends on the networks' size alone, so a file that was written once
    stays, however far the run goes.
    """

    def __init__(self, folder, settings, state):
        """state: of a trainer of these settings."""
        self.folder, self.name = folder, files.GENERATORS[settings.weights]
        size = sum(array.nbytes for array in _halved(arrays_of(state, self.name)).values())
        self.epochs = epochs(MOST // size) if settings.snapshots else []

    def keep(self, epoch, state):
        """Writes the file of an epoch, if it is to be kept. state: a function that returns it."""
        if epoch in self.epochs:
            arrays = _halved(arrays_of(state(), self.name))
            files.replace_file(files.snapshot(self.folder, epoch),
                               functools.partial(np.savez, **arrays))

    def restore(self, epoch):
        """Removes files of later epochs than epoch, which will be trained anew."""
        kept = {files.snapshot(self.folder, done) for done in self.epochs if done <= epoch}
        for path in set(self.folder.glob(files.SNAPSHOTS)) - kept:
            patiently(path.unlink)


def epochs(count):
    """Returns the epochs after which a generator is kept, at most count of them."""
    for steps in STEPS:
        found = [step * 10**power for power in range(count) for step in steps][:count]
        if found and found[-1] >= 1000:
            break
    return found


def _halved(arrays):
    """Returns arrays with their weights as float16. Vectors stay: a variance may be tiny."""
    largest = np.finfo(np.float16).max
    return {name: np.clip(array, -largest, largest).astype(np.float16) if array.ndim > 1 else array
            for name, array in arrays.items()}

"""Keeps the networks of the best epoch, that with the lowest Fréchet distance."""

import numpy as np

from lab.cli.patience import patiently
from lab.runs import files
from lab.runs.networks import parts_of, write_networks

PREFIX = "best/"  # of the names of its arrays in a checkpoint


class Best:
    """Keeps the networks of the best epoch so far in files and in every checkpoint.

    Checkpoints hold only epochs that --quality-every measures. A run measures its last epoch, too;
    that measurement does not count if the run is resumed with more epochs.
    """

    def __init__(self, folder):
        self.folder = folder
        self.arrays = {}  # for the checkpoints

    def keep(self, epoch, state, lasting):
        """Keeps the networks in a trainer's state. lasting: whether checkpoints hold them, too."""
        arrays = {PREFIX + key: array for key, array in parts_of(state).items()}
        arrays[PREFIX + "epoch"] = np.array(epoch)
        if lasting:
            self.arrays = arrays
        self._write(arrays)

    def load(self, arrays):
        """Takes the best networks from the arrays of a checkpoint."""
        self.arrays = {key: array for key, array in arrays.items() if key.startswith(PREFIX)}

    @staticmethod
    def like(arrays, state):
        """Returns arrays shaped as a checkpoint's best networks should be; {} if it has none.

        arrays: of the checkpoint; state: of a trainer of the same networks.
        """
        if PREFIX + "epoch" not in arrays:
            return {}
        like = {PREFIX + key: array for key, array in parts_of(state).items()}
        return {**like, PREFIX + "epoch": np.array(0)}

    def restore(self, rows, epoch, state, lasting):
        """Writes the files again, or removes them if the best networks are no longer there.

        rows: of quality.csv; epoch: that of the trainer's state; lasting: as of keep.
        """
        best = best_epoch(rows)
        if self.arrays and self.arrays[PREFIX + "epoch"] == best:
            self._write(self.arrays)
        elif best is not None and best == epoch:
            self.keep(epoch, state, lasting)
        else:
            for name in files.NETWORKS:
                patiently((self.folder / (files.BEST + name)).unlink, missing_ok=True)

    def _write(self, arrays):
        write_networks(self.folder, {key.removeprefix(PREFIX): array
                                     for key, array in arrays.items()}, files.BEST)


def best_epoch(rows):
    """Returns the first epoch with the lowest distance, or None without rows.

    rows: (epoch, distance, ...), as in quality.csv.
    """
    return min(rows, key=lambda row: row[1])[0] if rows else None

"""The best epoch of a run: the networks of the measurement with the lowest Fréchet distance."""

import numpy as np

from lab.runs import files
from lab.runs.networks import parts_of, write_networks

PREFIX = "best/"  # of its arrays in a checkpoint


class Best:
    """The networks of the best epoch so far, in files and in every checkpoint.

    In checkpoints they are those of epochs that are measured in any case. The last epoch of a run
    may be measured only because it is the last, and is not, if the run goes on after it.
    """

    def __init__(self, folder):
        self.folder = folder
        self.arrays = {}  # for the checkpoints

    def keep(self, epoch, state, lasting):
        """Keeps the networks in a trainer's state; lasting: whether in checkpoints too."""
        arrays = {PREFIX + key: array for key, array in parts_of(state).items()}
        arrays[PREFIX + "epoch"] = np.array(epoch)
        if lasting:
            self.arrays = arrays
        self._write(arrays)

    def load(self, arrays):
        """Takes over what a checkpoint holds of this."""
        self.arrays = {key: array for key, array in arrays.items() if key.startswith(PREFIX)}

    @staticmethod
    def like(arrays, state):
        """What a checkpoint should hold of this, by a trainer's state; {} if nothing."""
        if PREFIX + "epoch" not in arrays:
            return {}
        like = {PREFIX + key: array for key, array in parts_of(state).items()}
        return {**like, PREFIX + "epoch": np.array(0)}

    def restore(self, rows, epoch, state, lasting):
        """Makes the files anew. rows: of quality.csv; epoch: that of the trainer's state."""
        best = best_epoch(rows)
        if self.arrays and self.arrays[PREFIX + "epoch"] == best:
            self._write(self.arrays)
        elif best is not None and best == epoch:
            self.keep(epoch, state, lasting)
        else:
            for name in files.NETWORKS:
                (self.folder / (files.BEST + name)).unlink(missing_ok=True)

    def _write(self, arrays):
        write_networks(self.folder, {key.removeprefix(PREFIX): array
                                     for key, array in arrays.items()}, files.BEST)


def best_epoch(rows):
    """The first epoch with the lowest distance, of rows (epoch, distance, ...); None without."""
    return min(rows, key=lambda row: row[1])[0] if rows else None

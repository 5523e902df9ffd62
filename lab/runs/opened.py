"""Reads a run's folder: settings, tables, pictures, images, networks.

Nothing here writes, so a run may go on meanwhile.
"""

import contextlib
import csv
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainer_cpu
from lab import networks
from lab.images import source
from lab.images.dataset import Images
from lab.images.errors import DataPathError
from lab.runs import checkpoint, files
from lab.runs.files import FolderError
from lab.runs.networks import arrays_of
from lab.runs.settings import Settings, read_settings


class Networks(NamedTuple):
    """The networks of a run after an epoch."""

    gen: Any
    dis: Any  # None where the folder has no discriminator
    epoch: int


class Missing(FolderError):
    """The run does not have these networks."""


def open_run(folder: str | os.PathLike) -> "OpenedRun":
    """Opens the run in folder, finished or not: reads and checks its settings.json.

    Raises FolderError if there is no run, or if its settings are damaged.
    """
    return OpenedRun(folder, read_settings(folder))


class OpenedRun:
    """A run in its folder.

    Every method reads the folder as it is now, and raises FolderError if a file that it needs is
    missing or damaged.
    """

    def __init__(self, folder, settings: Settings):
        self.folder, self.settings = Path(folder), settings

    def path(self, name: str) -> Path:
        """Returns the path of a file in the folder."""
        return self.folder / name

    @property
    def caption(self) -> str:
        """What the run is trained on, in a phrase for a picture."""
        return self.settings.caption

    def losses(self) -> dict[str, np.ndarray]:
        """Reads losses.csv: {column: float64 array}, a value per finished epoch, at least one."""
        path = self.path(files.LOSSES)
        table = read_table(path)
        missing = [name for name in files.LOSS_COLUMNS if name not in table]
        if missing:
            raise FolderError(f"the log has no column {missing[0]} ({path}); mend or remove it")
        if len(table["epoch"]) == 0:
            raise FolderError(f"no epoch is finished yet ({path}); look again later")
        return table

    def quality(self) -> dict[str, np.ndarray]:
        """Reads quality.csv: {column: float64 array}, a value per measured epoch; {} without it.

        A run of an earlier version may have fewer figures, one of a later version more.
        """
        path = self.path(files.QUALITY)
        if not path.exists():
            return {}
        table = read_table(path)
        if "epoch" not in table:
            raise FolderError(f"these are not figures of quality ({path}, no column epoch); "
                              "remove it")
        return table

    def pictures(self) -> dict[int, Path]:
        """Returns the pictures after the epochs: {epoch: path}, in order, at least one."""
        found = {int(match[1]): path for path in self.folder.glob("epoch-*.png")
                 if (match := re.fullmatch(r"epoch-(\d{4,})\.png", path.name))}
        if not found:
            raise FolderError(f"the run has no pictures ({self.folder}, no epoch-0000.png and so "
                              "on); train it with trainer.py")
        return dict(sorted(found.items()))

    def images(self, data: str | None = None) -> tuple[Images, Images]:
        """Returns the images of all digits, and those that the run was trained on.

        Both have the range of values that the run's networks take. data: where the images are now,
        as --data, if they have moved. Raises DataError as source.load does, and FolderError for
        images that are not the run's.
        """
        where = self.settings.data
        try:
            images = source.load(data or where, self.settings.size)
        except DataPathError as error:
            if data:
                raise
            raise FolderError(f"the run's images are no longer where they were ({self.folder}, "
                              f"{where}); name their folder with --data") from error
        own = images.of(self.settings.digit)
        if own.fingerprint != self.settings.fingerprint:
            raise FolderError(f"the images are not those that the run was trained on (--data, "
                              f"{data or where}); name those with --data")
        values = networks.value_range(self.settings)
        return images.between(*values), own.between(*values)

    def networks(self, weights: str | None = None, epoch: str = "newest") -> Networks:
        """Loads the run's networks, all names, shapes and values checked before.

        weights: the generator's, "trained" or "average"; None: those that the run shows. epoch:
        "newest" or "best". The newest are in the files of a finished run, or in the newest good
        checkpoint. settings.json and the generator's file are enough.
        """
        weights = weights or self.settings.weights
        if epoch == "best":
            return self._from_files(weights, files.BEST)
        gen_file = files.GENERATORS[weights]
        if self.path(files.GENERATOR).exists() or self.path(gen_file).exists():
            return self._from_files(weights)
        for path in checkpoint.paths(self.folder):
            try:
                arrays, meta = checkpoint.read(path)
            except checkpoint.CheckpointError:
                continue  # damaged or already replaced; trainer.py --resume will say so
            gen, dis = self.untrained_networks()
            for network, file in (gen, gen_file), (dis, files.DISCRIMINATOR):
                own = arrays_of(arrays, file)
                if not own and weights == "average":
                    raise self._no_average(path)
                _fill(network, own, path)
            return Networks(gen, dis, meta["epoch"])
        raise Missing(f"the run has no {gen_file} and no checkpoint ({self.folder}); train it "
                      "with trainer.py")

    def _from_files(self, weights, prefix=""):
        gen_file = self.path(prefix + files.GENERATORS[weights])
        if not gen_file.exists():
            if self.path(prefix + files.GENERATOR).exists():
                raise self._no_average(gen_file)
            raise Missing(f"the run has no best epoch ({self.folder}, no {gen_file.name}): it was "
                          "not measured (--quality-every), or by an earlier version; leave out "
                          "--epoch best")
        gen, dis = self.untrained_networks()
        arrays = _read_arrays(gen_file)
        epoch = int(arrays.pop("epoch", self.settings.epochs))
        _fill(gen, arrays, gen_file)
        path = self.path(prefix + files.DISCRIMINATOR)
        if path.exists():
            arrays = _read_arrays(path)
            arrays.pop("epoch", None)
            _fill(dis, arrays, path)
        else:
            dis = None
        return Networks(gen, dis, epoch)

    def snapshots(self) -> dict[int, Path]:
        """Returns the generators kept after epochs (--snapshots): {epoch: path}, in order."""
        found = {int(match[1]): path for path in self.folder.glob(files.SNAPSHOTS)
                 if (match := re.fullmatch(r"generator-(\d{4,})\.npz", path.name))}
        return dict(sorted(found.items()))

    def snapshot(self, epoch: int):
        """Loads the generator that was kept after an epoch, one of snapshots()."""
        path = files.snapshot(self.folder, epoch)
        gen, _ = self.untrained_networks()
        _fill(gen, _read_arrays(path), path)
        return gen

    def _no_average(self, path):
        return Missing(f"the run has no average of the generator's weights ({path}); leave out "
                       "--weights average")

    def best_epoch(self) -> int | None:
        """Returns the epoch whose networks are kept as the best, or None."""
        path = self.path(files.BEST + files.GENERATORS[self.settings.weights])
        with contextlib.suppress(FolderError):
            return int(_read_arrays(path, ["epoch"])["epoch"])
        return None

    def untrained_networks(self) -> tuple:
        """Builds a new (generator, discriminator), with weights from NumPy's global stream."""
        try:
            return networks.build(self.settings)
        except (KeyError, TypeError, ValueError) as error:
            raise FolderError(f"the settings describe no networks ({self.path(files.SETTINGS)}, "
                              f"{error}); restore that file") from None


def read_table(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads a .csv of numbers: {column: float64 array}. FolderError if it is none.

    Leaves out a last line without a line break: it is still being written.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="ascii")
        header, *rows = csv.reader(text[:text.rfind("\n") + 1].splitlines())
        if any(len(row) != len(header) for row in rows):
            raise ValueError("a row has too few or too many values")
        table = np.array(rows, np.float64).reshape(len(rows), len(header))
    except FileNotFoundError:
        raise FolderError(f"the run has no {path.name} ({path.parent}); train it with trainer.py"
                          ) from None
    except (OSError, ValueError, csv.Error) as error:
        raise FolderError(f"the table cannot be read ({path}, {error}); mend or remove it"
                          ) from None
    return dict(zip(header, table.T, strict=True))


def _read_arrays(path, names=None):
    """Reads a file of networks: {name: array}. float16, which some are kept in, becomes float32."""
    try:
        # NumPy would leave a file open that it cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in names or found.files}
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds for a damaged file
        raise FolderError(f"the weights cannot be read ({path}, {error}); restore that file"
                          ) from None
    return {name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in arrays.items()}


def _fill(network, arrays, path):
    """Loads arrays into network. FolderError unless names, shapes and dtypes are the network's."""
    chainer = chainer_cpu.chainer  # loaded only now: --help does not wait for it
    serializer = chainer.serializers.DictionarySerializer()
    serializer.save(network)
    like = {name: np.asarray(array) for name, array in serializer.target.items()}
    try:
        checkpoint.check(arrays, like)
        checkpoint.check_finite(arrays)
    except checkpoint.CheckpointError as error:
        raise FolderError(f"these are not the weights of the network in the settings ({path}, "
                          f"{error}); restore {files.SETTINGS} or that file") from None
    chainer.serializers.NpzDeserializer(arrays).load(network)

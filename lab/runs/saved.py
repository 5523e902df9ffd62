"""What a run has left in its folder, read back: tables, pictures, networks.

Nothing here writes, so a run that is still going on can be looked at.
"""

import csv
import re
from pathlib import Path

import numpy as np

from chainer_cpu import chainer
from lab import networks
from lab.images import source
from lab.images.errors import DataPathError
from lab.runs import checkpoint, files
from lab.runs.files import FolderError, read_settings


def caption(settings):
    """What a run is trained on, in a phrase for a picture."""
    digit = settings["digit"]
    if digit is None:  # not the folder's name: the pictures' letters do not have every language's
        return f"{settings['images']:,} pictures"
    return f"{'all digits' if digit == 'all' else f'digit {digit}'}, {settings['data_source']}"


def read_table(path):
    """The columns of a .csv of numbers: {name: float64 array}. FolderError if it is none.

    A last line without its end is still being written, and left out.
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


def read_losses(folder):
    """losses.csv as {column: float64 array}, a value per finished epoch, at least one."""
    path = Path(folder) / files.LOSSES
    table = read_table(path)
    missing = [name for name in files.LOSS_COLUMNS if name not in table]
    if missing:
        raise FolderError(f"the log has no column {missing[0]} ({path}); mend or remove it")
    if len(table["epoch"]) == 0:
        raise FolderError(f"no epoch is finished yet ({path}); look again later")
    return table


def pictures(folder):
    """The saved pictures, {epoch: path}, in the order of the epochs, at least one."""
    found = {int(match[1]): path for path in Path(folder).glob("epoch-*.png")
             if (match := re.fullmatch(r"epoch-(\d{4,})\.png", path.name))}
    if not found:
        read_settings(folder)  # which says so if this is no run at all
        raise FolderError(f"the run has no pictures ({folder}, no epoch-0000.png and so on); "
                          "train it with trainer.py")
    return dict(sorted(found.items()))


def load_images(folder, data=None):
    """The images of a run's data, all digits of them, and those that it was trained on.

    Both are as its networks take them. data says where they are now, if not where they were (as
    trainer.py's --data). Raises DataError as source.load does, and FolderError if they are not the
    run's.
    """
    settings = read_settings(folder)
    digit, where, fingerprint = (settings[name] for name in ("digit", "data", "fingerprint"))
    try:
        images = source.load(data or where, settings.get("size", networks.POST_SIZE))
    except DataPathError as error:
        if data:
            raise
        raise FolderError(f"the run's images are no longer where they were ({folder}, {where}); "
                          "name their folder with --data") from error
    own = images.of(digit)
    if own.fingerprint != fingerprint:
        raise FolderError(f"the images are not those that the run was trained on (--data, "
                          f"{data or where}); name those with --data")
    values = networks.value_range(settings)
    return images.between(*values), own.between(*values)


def load_networks(folder):
    """The newest networks of a run: (Generator, Discriminator or None, epoch).

    Those of generator.npz and discriminator.npz, which a finished run has, or of the newest good
    checkpoint. A folder with settings.json and generator.npz alone is enough. Names, shapes and
    values are checked before anything is loaded. FolderError says what is missing or wrong.
    """
    settings = read_settings(folder)
    try:
        gen, dis = networks.build(settings)
        epoch = settings["epochs"]
    except (KeyError, TypeError, ValueError) as error:
        raise FolderError(f"the settings describe no networks ({Path(folder) / files.SETTINGS},"
                          f" {error}); restore that file") from None
    finished = (Path(folder) / files.GENERATOR).exists()
    for path in () if finished else checkpoint.paths(folder):
        try:
            arrays, meta = checkpoint.read(path)
        except checkpoint.CheckpointError:
            continue  # damaged or already replaced; trainer.py --resume will say so
        for network, prefix in (gen, "generator/"), (dis, "discriminator/"):
            _fill(network, {name.removeprefix(prefix): array for name, array in arrays.items()
                            if name.startswith(prefix)}, path)
        return gen, dis, meta["epoch"]

    path = Path(folder) / files.GENERATOR
    if not path.exists():
        raise FolderError(f"the run has no {path.name} and no checkpoint ({folder}); train it "
                          "with trainer.py")
    _fill(gen, _read_arrays(path), path)
    path = Path(folder) / files.DISCRIMINATOR
    if path.exists():
        _fill(dis, _read_arrays(path), path)
    else:
        dis = None
    return gen, dis, epoch


def _read_arrays(path):
    try:
        # NumPy would leave a file open that it cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # whatever zipfile, zlib and NumPy say to a damaged file
        raise FolderError(f"the weights cannot be read ({path}, {error}); restore that file"
                          ) from None


def _fill(network, arrays, path):
    """Loads arrays into network, if they are all there is and all that there should be."""
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

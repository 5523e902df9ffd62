"""Where a run's images come from: MNIST in one of its forms, or a folder of pictures."""

import os
import warnings

from lab.images import folder, idx, mnist
from lab.images.dataset import Images
from lab.images.errors import DataWarning


def is_pictures(data):
    """Whether data, as --data has it, is a folder of pictures and none with MNIST's IDX files.

    Raises DataPathError if it is neither one of mnist.NAMES nor a folder.
    """
    if data in mnist.NAMES:
        return False
    idx.check_folder(data, "--data")
    return not idx.found(data)


def load(data, size):
    """The Images of data: pictures of size x size, or MNIST's digits, all of them, of 28x28.

    Raises as folder.read and mnist.load do. A DataWarning says so if pictures are passed over for
    the IDX files that lie beside them.
    """
    if is_pictures(data):
        name = os.path.basename(os.path.abspath(data)) or os.path.abspath(data)
        return Images(folder.read(data, size), None, name)
    if data not in mnist.NAMES and folder.find(data)[0]:
        warnings.warn(f"the folder has IDX files and pictures, too (--data, {data}); the IDX files "
                      "are used", DataWarning)
    return mnist.load("all", data)

"""Which networks a run has: a table of modules, each of which describes its own networks.

A module of this room has

    build(settings)             a new (Generator, Discriminator), weights from NumPy's global stream
    map_sizes(settings)         the sizes of the generator's maps, from the first to the image
    VALUES                      (black, white): what a pixel of 0 and one of 255 are to the networks
    BOUNDED                     whether the generator's images keep to VALUES
    GENERATOR, DISCRIMINATOR    their layers in the order of the data, tuples of layers.Layer

Both networks take and give images float32 (N, channels, size, size).
"""

import importlib
from typing import NamedTuple

POST_SIZE = 28


class Row(NamedTuple):
    """What the command line says of a module's networks, before Chainer is loaded."""

    label: str        # whose they are
    sizes: tuple      # of images, in pixels, that they can have
    maps: tuple = ()  # values of --maps, where there is a choice


TABLE = {
    "post": Row("the post's networks", (POST_SIZE,), maps=("listing", "comment")),
    "paper": Row("those of the DCGAN paper", tuple(range(32, 129, 16))),
}


def named(size):
    """The name in TABLE of the networks for images of size x size. ValueError if there are none."""
    for name, row in TABLE.items():
        if size in row.sizes:
            return name
    raise ValueError(f"no networks have the size {size}; there are "
                     f"{', '.join(str(size) for row in TABLE.values() for size in row.sizes)}")


def of(settings):
    """The module that describes the networks of a run's settings. ValueError for other sizes."""
    return module(named(settings.size))


def module(name):
    """A module of TABLE, loaded here: it needs Chainer, for which --help does not wait."""
    return importlib.import_module(f"lab.networks.{name}")


def build(settings):
    """A new (Generator, Discriminator) of a run's settings, initial weights from NumPy's stream.

    settings: what has z_dim, channels, size (one of TABLE's), and at 28 sizes ("listing" or
    "comment"), as runs.settings.Settings. Raises KeyError, TypeError or ValueError if they mean no
    networks.
    """
    return of(settings).build(settings)


def value_range(settings):
    """(black, white): what a pixel of 0 and one of 255 are to the networks of these settings."""
    return of(settings).VALUES


def shown_range(settings):
    """value_range(settings), or None if the generator's images do not keep to it."""
    return of(settings).VALUES if of(settings).BOUNDED else None


def map_sizes(settings):
    """The sizes of the generator's maps, from the first to the image: a list."""
    return of(settings).map_sizes(settings)

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
from types import ModuleType
from typing import NamedTuple

import numpy as np

import chainer_cpu

POST_SIZE = 28


class Row(NamedTuple):
    """What the command line says of a module's networks, before Chainer is loaded."""

    label: str                  # whose they are
    sizes: tuple[int, ...]      # of images, in pixels, that they can have
    maps: tuple[str, ...]       # values of --maps, the default first
    blurs: bool                 # whether recipe steady is better with its blur (docs/decisions.md)


TABLE = {
    "post": Row("the post's networks", (POST_SIZE,), ("listing", "comment"), False),
    "paper": Row("those of the DCGAN paper", tuple(range(32, 129, 16)), ("256", "512"), True),
}


# {size: name in TABLE}. Where two rows have a size, the first has it.
SIZES = {size: name for name, row in reversed(TABLE.items()) for size in row.sizes}


def named(size: int) -> str:
    """Returns the name in TABLE of the networks for images of this size, or raises ValueError."""
    if size not in SIZES:
        raise ValueError(f"no networks have the size {size}; there are "
                         f"{', '.join(map(str, sorted(SIZES)))}")
    return SIZES[size]


def of(settings) -> ModuleType:
    """Returns the module that describes the networks of a run's settings, or raises ValueError."""
    return module(named(settings.size))


def module(name: str) -> ModuleType:
    """Returns a module of TABLE, loaded only now: it needs Chainer, and --help does not wait."""
    return importlib.import_module(f"lab.networks.{name}")


def build(settings) -> tuple:
    """Builds the (Generator, Discriminator) of a run's settings, weights from NumPy's stream.

    settings: what has z_dim, channels, size and sizes (two of a row of TABLE: sizes is one of its
    maps), as runs.settings.Settings. Raises KeyError, TypeError or ValueError if they mean no
    networks. They are float32, whatever CHAINER_DTYPE says.
    """
    with chainer_cpu.chainer.using_config("dtype", np.float32):
        return of(settings).build(settings)


def value_range(settings) -> tuple[float, float]:
    """Returns (black, white): what pixels of 0 and 255 are to the networks of these settings."""
    return of(settings).VALUES


def display_range(settings) -> tuple[float, float] | None:
    """Returns value_range(settings), or None if the generator's images do not keep to it."""
    return of(settings).VALUES if of(settings).BOUNDED else None


def map_sizes(settings) -> list[int]:
    """Returns the sizes of the generator's maps, from the first to the image: a list."""
    return of(settings).map_sizes(settings)

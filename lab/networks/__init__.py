"""Which networks a run has: the post's (dcgan.py), or for other sizes the paper's (paper.py)."""

import dcgan
from lab.networks import paper

POST_SIZE = 28


def build(settings):
    """A new (Generator, Discriminator) of a run's settings, initial weights from NumPy's stream.

    settings: a dict with "z_dim" and "channels", "size" (28, or a multiple of 16 from 32 to 128; a
    run of before there were sizes has none and means 28), and at 28 "sizes" ("listing" or
    "comment"). Both networks take and give images float32 (N, channels, size, size), whose values
    value_range() tells. Raises KeyError, TypeError or ValueError if the settings mean no networks.
    """
    size, channels = settings.get("size", POST_SIZE), settings["channels"]
    if size == POST_SIZE:
        sizes = dcgan.SIZES[settings["sizes"]]
        return (dcgan.Generator(settings["z_dim"], channels, sizes),
                dcgan.Discriminator(channels, sizes))
    return paper.Generator(settings["z_dim"], channels, size), paper.Discriminator(channels, size)


def value_range(settings):
    """(black, white): what a pixel of 0 and one of 255 are to the networks of these settings."""
    return (0, 1) if settings.get("size", POST_SIZE) == POST_SIZE else paper.VALUE_RANGE


def shown_range(settings):
    """value_range(settings), or None if the generator's images do not keep to it."""
    return None if settings.get("size", POST_SIZE) == POST_SIZE else paper.VALUE_RANGE


def map_sizes(settings):
    """The sizes of the generator's maps, from the first to the image: a list."""
    if settings.get("size", POST_SIZE) != POST_SIZE:
        return paper.map_sizes(settings["size"])
    maps = [3]
    for ksize, stride, pad in dcgan.SIZES[settings["sizes"]]:
        maps.append(stride * (maps[-1] - 1) + ksize - 2 * pad)
    return maps

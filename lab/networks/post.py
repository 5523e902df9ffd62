"""Describes the post's networks, which are in dcgan.py."""

import dcgan
from lab.networks.layers import Layer

VALUES = 0, 1
BOUNDED = False  # nothing comes after dc4

GENERATOR = (Layer("l1", "bn1", slope=0), Layer("dc1", "bn2", slope=0),
             Layer("dc2", "bn3", slope=0), Layer("dc3", "bn4", slope=0), Layer("dc4"))
DISCRIMINATOR = (Layer("c1", slope=0), Layer("c2", "bn1", slope=0), Layer("c3", "bn2", slope=0),
                 Layer("c4", "bn3", slope=0), Layer("l1"))


def build(settings) -> tuple:
    channels, sizes = settings.channels, dcgan.SIZES[settings.sizes]
    return (dcgan.Generator(settings.z_dim, channels, sizes),
            dcgan.Discriminator(channels, sizes))


def map_sizes(settings) -> list[int]:
    maps = [3]
    for ksize, stride, pad in dcgan.SIZES[settings.sizes]:
        maps.append(stride * (maps[-1] - 1) + ksize - 2 * pad)
    return maps

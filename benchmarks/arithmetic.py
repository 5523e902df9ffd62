"""Counts the arithmetic that a training step needs."""

from types import SimpleNamespace

from lab import networks
from lab.networks.layers import convolutions


def settings_of(size, channels):
    """Returns what networks.build needs for images of this size: the networks with 512 maps."""
    return SimpleNamespace(z_dim=100, channels=channels, size=size,
                           sizes="listing" if size == networks.POST_SIZE else "512")


def gigaflop(size, channels):
    """Returns a step's multiplications and additions per image, in 1e9, without cropped taps."""
    settings = settings_of(size, channels)
    gen, dis = networks.build(settings)
    G = [_products(c) for c in convolutions(gen, networks.of(settings).GENERATOR, 1)]
    D = [_products(c) for c in convolutions(dis, networks.of(settings).DISCRIMINATOR, size)]
    # G forward, D forward twice; back: to D's input, through G, and D's parameters twice. First
    # layers need no gradient of their inputs, but for D's in the generator's loss.
    return 2e-9 * (3 * sum(G) - G[0] + 7 * sum(D) - 2 * D[0])


def _products(c):
    """Returns the multiplications of a layer for one image."""
    small, large = sorted((c.in_size, c.out_size))
    inputs, outputs, ksize, _ = c.W.shape
    return inputs * outputs * sum(0 <= c.stride * p + tap - c.pad < large
                                  for p in range(small) for tap in range(ksize)) ** 2

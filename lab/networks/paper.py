"""The two networks of the DCGAN paper, for pictures of other sizes than the post's 28x28.

Radford, Metz, Chintala 2015, arXiv:1511.06434. The sections named below are its own. Three things
are not: the numbers of maps (256, 128, 64, 32: pictures get as good in half the time that 512, 256,
128, 64 take, the post's; the paper begins at 1024), the two logits at the discriminator's end, as
the post has them (the paper has one sigmoid), and the layers' names, which are the post's.
"""

import math

from chainer_cpu import chainer
from chainer_cpu import functions as F
from chainer_cpu import links as L
from lab.networks import TABLE
from lab.networks.layers import Layer

SIZES = TABLE["paper"].sizes  # multiples of 16: four layers double a map of size / 16

# Section 3: strides instead of pooling. Ksize 4 makes every map exactly twice or half as large.
TWICE = {"ksize": 4, "stride": 2, "pad": 1}

# Section 4: images are scaled to the range of tanh, and nothing else is done to them; the leak of
# the leaky ReLU is 0.2; all weights begin as N(0, 0.02). (Biases begin as 0, as Chainer's do.)
VALUES = -1, 1
BOUNDED = True
LEAK = 0.2

GENERATOR = (Layer("l1", "bn1", slope=0), Layer("dc1", "bn2", slope=0),
             Layer("dc2", "bn3", slope=0), Layer("dc3", "bn4", slope=0), Layer("dc4", tanh=True))
DISCRIMINATOR = (Layer("c1", slope=LEAK), Layer("c2", "bn1", slope=LEAK),
                 Layer("c3", "bn2", slope=LEAK), Layer("c4", "bn3", slope=LEAK), Layer("l1"))


def first_weights():
    return {"initialW": chainer.initializers.Normal(0.02)}


def build(settings) -> tuple:
    channels, size, maps = settings.channels, settings.size, int(settings.sizes)
    return Generator(settings.z_dim, channels, size, maps), Discriminator(channels, size, maps)


def map_sizes(settings) -> list[int]:
    """Returns the sizes of the generator's maps; at 64 they are 4, 8, 16, 32, 64."""
    return [_first(settings.size) * 2**i for i in range(5)]


def _first(size):
    """Returns the size of the generator's first map. Raises ValueError if size is none of SIZES."""
    if size not in SIZES:
        raise ValueError(f"size {size} is none of {', '.join(map(str, SIZES))}")
    return size // 16


class Generator(chainer.Chain):
    """Draws images: latent vectors z, float32 (N, z_dim), to float32 (N, channels, size, size).

    Values are in [-1, 1]. maps: how many the first layer makes, 8 or a multiple. Raises ValueError
    if size is none of SIZES.
    """

    def __init__(self, z_dim=100, channels=3, size=64, maps=256):
        super().__init__()
        self.z_dim = z_dim
        self.first = maps, _first(size), _first(size)
        with self.init_scope():
            weights = first_weights()
            self.l1 = L.Linear(z_dim, math.prod(self.first), **weights)            # at 64: 4x4
            self.dc1 = L.Deconvolution2D(maps, maps // 2, **TWICE, **weights)       # 8x8
            self.dc2 = L.Deconvolution2D(maps // 2, maps // 4, **TWICE, **weights)  # 16x16
            self.dc3 = L.Deconvolution2D(maps // 4, maps // 8, **TWICE, **weights)  # 32x32
            self.dc4 = L.Deconvolution2D(maps // 8, channels, **TWICE, **weights)   # 64x64
            self.bn1 = L.BatchNormalization(maps)
            self.bn2 = L.BatchNormalization(maps // 2)
            self.bn3 = L.BatchNormalization(maps // 4)
            self.bn4 = L.BatchNormalization(maps // 8)

    def forward(self, z):
        h = F.reshape(self.l1(z), (len(z), *self.first))
        h = F.relu(self.bn1(h))
        h = F.relu(self.bn2(self.dc1(h)))
        h = F.relu(self.bn3(self.dc2(h)))
        h = F.relu(self.bn4(self.dc3(h)))
        return F.tanh(self.dc4(h))  # section 3: bounded, it learns the colours sooner


class Discriminator(chainer.Chain):
    """Judges images: float32 (N, channels, size, size) to logits (N, 2), index 0 = real, 1 = fake.

    The generator's mirror. No batch normalization on its first layer, nor on the generator's last:
    section 3, the samples oscillated with it. maps: how many its last convolution makes.
    """

    def __init__(self, channels=3, size=64, maps=256):
        super().__init__()
        with self.init_scope():
            weights = first_weights()
            self.c1 = L.Convolution2D(channels, maps // 8, **TWICE, **weights)    # at 64: 32x32
            self.c2 = L.Convolution2D(maps // 8, maps // 4, **TWICE, **weights)   # 16x16
            self.c3 = L.Convolution2D(maps // 4, maps // 2, **TWICE, **weights)   # 8x8
            self.c4 = L.Convolution2D(maps // 2, maps, **TWICE, **weights)        # 4x4
            self.l1 = L.Linear(maps * _first(size)**2, 2, **weights)
            self.bn1 = L.BatchNormalization(maps // 4)
            self.bn2 = L.BatchNormalization(maps // 2)
            self.bn3 = L.BatchNormalization(maps)

    def forward(self, x):
        h = F.leaky_relu(self.c1(x), LEAK)  # section 3: leaky in all of the discriminator's layers
        h = F.leaky_relu(self.bn1(self.c2(h)), LEAK)
        h = F.leaky_relu(self.bn2(self.c3(h)), LEAK)
        h = F.leaky_relu(self.bn3(self.c4(h)), LEAK)
        return self.l1(h)

"""The two networks of the post "DCGANをChainerで実装" (nykergoto, 2016), layer for layer.

The Generator is the post's listing, the Discriminator the one in its author's repository
(Nyker510/hobby). Names of layers are theirs, so weights can be exchanged.
"""

from chainer_cpu import chainer
from chainer_cpu import functions as F
from chainer_cpu import links as L

# (ksize, stride, pad) of dc1 to dc4. A deconvolution makes a map of stride*(in-1) + ksize - 2*pad.
#
# 5 or 6? The post's comments announce maps of 3, 4, 5, 10 and 28 pixels. Its code says otherwise:
# dc2 makes 2*(4-1) + 2 - 2*1 = 6 pixels out of 4, and dc3 makes 10 out of 6 (out of 5 it would make
# 8). What ran in 2016, and runs here unless told otherwise, is the listing; the path of the
# comments takes other parameters for dc2 and dc3.
LISTING = ((2, 2, 1), (2, 2, 1), (2, 2, 1), (3, 3, 1))  # 3 -> 4 -> 6 -> 10 -> 28
COMMENT = ((2, 2, 1), (2, 1, 0), (2, 2, 0), (3, 3, 1))  # 3 -> 4 -> 5 -> 10 -> 28
SIZES = {"listing": LISTING, "comment": COMMENT}


class Generator(chainer.Chain):
    """Draws images: latent vectors z, float32 (N, z_dim), to float32 (N, channels, 28, 28).

    There is no activation after dc4, so the output is unbounded. channels=3 is the post's variant
    for RGB images. sizes is LISTING or COMMENT.
    """

    def __init__(self, z_dim=100, channels=1, sizes=LISTING):
        super().__init__()
        self.z_dim = z_dim
        with self.init_scope():
            self.l1 = L.Linear(z_dim, 3 * 3 * 512)                    # map: 3x3
            self.dc1 = L.Deconvolution2D(512, 256, *sizes[0])         # 4x4
            self.dc2 = L.Deconvolution2D(256, 128, *sizes[1])         # 6x6 (comment: 5x5)
            self.dc3 = L.Deconvolution2D(128, 64, *sizes[2])          # 10x10
            self.dc4 = L.Deconvolution2D(64, channels, *sizes[3])     # 28x28
            self.bn1 = L.BatchNormalization(512)
            self.bn2 = L.BatchNormalization(256)
            self.bn3 = L.BatchNormalization(128)
            self.bn4 = L.BatchNormalization(64)

    def forward(self, z):
        h = F.reshape(self.l1(z), (len(z), 512, 3, 3))
        h = F.relu(self.bn1(h))
        h = F.relu(self.bn2(self.dc1(h)))
        h = F.relu(self.bn3(self.dc2(h)))
        h = F.relu(self.bn4(self.dc3(h)))
        return self.dc4(h)


class Discriminator(chainer.Chain):
    """Judges images: float32 (N, channels, 28, 28) to logits (N, 2), index 0 = real, 1 = fake.

    The generator's mirror: sizes are read from the far end. Plain ReLU, not leaky, and no batch
    normalization after c1, as in the author's repository.
    """

    def __init__(self, channels=1, sizes=LISTING):
        super().__init__()
        with self.init_scope():
            self.c1 = L.Convolution2D(channels, 64, *sizes[3])        # map: 10x10
            self.c2 = L.Convolution2D(64, 128, *sizes[2])             # 6x6 (comment: 5x5)
            self.c3 = L.Convolution2D(128, 256, *sizes[1])            # 4x4
            self.c4 = L.Convolution2D(256, 512, *sizes[0])            # 3x3
            self.l1 = L.Linear(3 * 3 * 512, 2)
            self.bn1 = L.BatchNormalization(128)
            self.bn2 = L.BatchNormalization(256)
            self.bn3 = L.BatchNormalization(512)

    def forward(self, x):
        h = F.relu(self.c1(x))
        h = F.relu(self.bn1(self.c2(h)))
        h = F.relu(self.bn2(self.c3(h)))
        h = F.relu(self.bn3(self.c4(h)))
        return self.l1(h)


def generate(gen, z):
    """Generates images: latent vectors z, float32 (N, z_dim), to float32 (N, channels, size, size).

    Batch normalization runs on its running averages (test mode), so an image does not depend on
    the others that are drawn with it. Changes nothing.
    """
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return gen(z).array


def probability_of_real(dis, x):
    """Returns the probability of "real" that dis gives to each of the images x, float32 (N,).

    dis judges as it does in training, by the batch statistics of x, so the numbers depend on all of
    x. (Running averages mix real and generated batches; judged by them, a discriminator that told
    the two apart without fail in training was seen to call generated images real.) Training mode
    moves the running averages: here those of a copy, so nothing changes.
    """
    copy = dis.copy(mode="copy")
    with chainer.using_config("train", True), chainer.no_backprop_mode():
        return F.softmax(copy(x)).array[:, 0]

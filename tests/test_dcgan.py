"""The networks are the post's, and looking at them changes nothing."""

import numpy as np
import pytest

from chainer_cpu import chainer
from dcgan import COMMENT, LISTING, Discriminator, Generator, generate, probability_of_real


@pytest.fixture
def networks():
    np.random.seed(0)
    return Generator(), Discriminator()


def state(*networks):
    """Returns every array of the networks, running averages included, as bytes."""
    serializer = chainer.serializers.DictionarySerializer()
    for i, network in enumerate(networks):
        serializer[str(i)].save(network)
    return {key: np.asarray(value).tobytes() for key, value in serializer.target.items()}


@pytest.mark.parametrize("sizes, maps", [(LISTING, [3, 4, 6, 10, 28]),
                                         (COMMENT, [3, 4, 5, 10, 28])])
def test_maps_grow_as_promised_and_the_discriminator_mirrors_them(sizes, maps):
    gen, dis = Generator(sizes=sizes), Discriminator(sizes=sizes)
    h = np.zeros((2, 512, 3, 3), np.float32)
    for layer, channels, size in zip((gen.dc1, gen.dc2, gen.dc3, gen.dc4),
                                     (256, 128, 64, 1), maps[1:], strict=True):
        h = layer(h)
        assert h.shape == (2, channels, size, size)
    for layer, channels, size in zip((dis.c1, dis.c2, dis.c3, dis.c4),
                                     (64, 128, 256, 512), maps[-2::-1], strict=True):
        h = layer(h)
        assert h.shape == (2, channels, size, size)
    assert dis.l1(h).shape == (2, 2)


def test_the_listing_computes_the_sizes_that_its_parameters_say():
    size = 3
    for ksize, stride, pad in LISTING:
        size = stride * (size - 1) + ksize - 2 * pad
    assert size == 28


@pytest.mark.parametrize("sizes", [LISTING, COMMENT])
def test_three_channels_make_rgb_images(sizes):
    gen, dis = Generator(z_dim=7, channels=3, sizes=sizes), Discriminator(channels=3, sizes=sizes)
    images = generate(gen, np.zeros((4, 7), np.float32))
    assert images.shape == (4, 3, 28, 28) and images.dtype == np.float32
    assert probability_of_real(dis, images).shape == (4,)


def test_the_output_is_unbounded(networks):
    gen, _ = networks
    gen.dc4.b.array[...] = 5
    assert generate(gen, np.zeros((1, 100), np.float32)).max() > 1


def test_a_drawn_image_does_not_depend_on_its_batch_mates(networks):
    gen, _ = networks
    z = np.random.RandomState(1).uniform(-1, 1, (9, 100)).astype(np.float32)
    np.testing.assert_allclose(generate(gen, z)[:2], generate(gen, z[:2]), rtol=1e-4, atol=1e-5)


def test_the_probability_is_the_softmax_by_batch_statistics(networks):
    _, dis = networks
    x = np.random.RandomState(1).uniform(0, 1, (9, 1, 28, 28)).astype(np.float32)
    judged = probability_of_real(dis, x)
    with chainer.using_config("train", True):
        logits = dis(x).array.astype(np.float64)
    expected = 1 / (1 + np.exp(logits[:, 1] - logits[:, 0]))
    np.testing.assert_allclose(judged, expected, rtol=1e-5)


def test_drawing_and_judging_change_neither_networks_nor_the_random_stream(networks):
    gen, dis = networks
    z = np.random.RandomState(1).uniform(-1, 1, (9, 100)).astype(np.float32)
    before, stream = state(gen, dis), np.random.get_state()
    probability_of_real(dis, generate(gen, z))
    assert state(gen, dis) == before
    assert all(np.array_equal(a, b) for a, b in zip(stream, np.random.get_state(), strict=True))
    dis(generate(gen, z))  # the control: judged in plain training mode, the running averages move
    assert state(gen, dis) != before

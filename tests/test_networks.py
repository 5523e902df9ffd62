"""lab/networks/: the paper's networks, and which networks a run's settings mean."""

import dataclasses

import numpy as np
import pytest
from conftest import settings_of

import dcgan
from chainer_cpu import chainer
from lab import networks
from lab.networks import paper
from lab.networks.layers import convolutions
from lab.runs.settings import Settings


def settings(**changes):
    return settings_of(**{"z_dim": 6, "channels": 3, **changes})


def latent(n):
    return np.random.RandomState(1).uniform(-1, 1, (n, 6)).astype(np.float32)


@pytest.mark.parametrize("size", (32, 48, 64, 128))
@pytest.mark.parametrize("channels", (1, 3))
def test_both_networks_have_the_size_and_the_colours_of_the_pictures(size, channels):
    gen, dis = networks.build(settings(size=size, channels=channels))
    images = dcgan.generate(gen, latent(2))
    assert images.shape == (2, channels, size, size) and images.dtype == np.float32
    assert images.min() >= -1 and images.max() <= 1
    assert dcgan.probability_of_real(dis, images).shape == (2,)


def test_the_paper_s_layers_are_counted_by_hand():
    gen, dis = paper.Generator(100, 3, 64, 512), paper.Discriminator(3, 64, 512)
    taps, first = 4 * 4, 4 * 4
    assert gen.count_params() == (
        101 * 512 * first
        + (512 * taps + 1) * 256 + (256 * taps + 1) * 128 + (128 * taps + 1) * 64
        + (64 * taps + 1) * 3
        + 2 * (512 + 256 + 128 + 64))
    assert dis.count_params() == (
        (3 * taps + 1) * 64
        + (64 * taps + 1) * 128 + (128 * taps + 1) * 256 + (256 * taps + 1) * 512
        + (512 * first + 1) * 2
        + 2 * (128 + 256 + 512))


@pytest.mark.parametrize("size, maps, expected", [
    (28, "comment", "comment"), (64, "listing", "512"), (64, "256", "256")])
def test_a_run_of_a_version_with_512_maps_alone_keeps_them(size, maps, expected):
    values = dataclasses.asdict(settings(size=size, sizes=maps))
    assert Settings.from_values(values, "settings.json").sizes == expected


def test_their_weights_begin_as_the_paper_s_normal_distribution():
    np.random.seed(0)
    for network in paper.build(settings(z_dim=100, size=32)):
        for name, parameter in network.namedparams():
            if name.endswith("/W"):
                values = parameter.array.ravel()
                assert abs(values.std() / 0.02 - 1) < 0.1, name
                assert abs(values.mean()) < 0.1 * 0.02, name
            else:
                assert np.ptp(parameter.array) == 0, name


def test_the_discriminator_is_leaky_and_the_generator_is_not():
    gen, dis = paper.build(settings(size=32))
    functions = {"gen": chain(gen(latent(2))), "dis": chain(dis(gen(latent(2)).array))}
    assert functions["gen"].count("Tanh") == 1 and "LeakyReLU" not in functions["gen"]
    assert functions["dis"].count("LeakyReLU") == 4 and "ReLU" not in functions["dis"]
    x = np.array([[-1, 2]], np.float32)
    assert paper.F.leaky_relu(x, paper.LEAK).array.tolist() == [[np.float32(-0.2), 2]]


def chain(y):
    """Returns the names of the functions that y comes through, from y on."""
    names = []
    node = y.creator_node
    while node is not None:
        names.append(type(node).__name__)
        node = node.inputs[0].creator_node
    return names


@pytest.mark.parametrize("size", (0, 16, 28, 40, 144, 64.5))
def test_other_sizes_are_refused_by_the_paper_s_networks(size):
    with pytest.raises(ValueError, match="none of 32, 48, 64, 80, 96, 112, 128"):
        paper.Generator(size=size)


@pytest.mark.parametrize("size", (0, 16, 40, 144, 64.5, "64", None))
def test_a_size_that_no_networks_have_is_refused_with_those_that_there_are(size):
    with pytest.raises(ValueError, match="28, 32, 48, 64, 80, 96, 112, 128"):
        networks.build(settings(size=size))


SIZES = [(name, size) for name, row in networks.TABLE.items() for size in row.sizes if size < 80]


@pytest.mark.parametrize("name, size", SIZES)
def test_the_layers_that_a_module_describes_compute_what_its_networks_do(name, size):
    """Compares Chainer's own functions, in the order described, with the networks' forward."""
    for maps in networks.TABLE[name].maps or ("listing",):
        its = settings(size=size, sizes=maps)
        module, z = networks.module(name), latent(3)
        gen, dis = module.build(its)
        x = dcgan.generate(gen, z)
        np.testing.assert_allclose(run(convolutions(gen, module.GENERATOR, 1),
                                       z.reshape(3, 6, 1, 1)), x, rtol=1e-4, atol=1e-5)
        with chainer.using_config("train", False):
            logits = dis(x).array
        np.testing.assert_allclose(run(convolutions(dis, module.DISCRIMINATOR, size), x)[..., 0, 0],
                                   logits, rtol=1e-4, atol=1e-5)
        low, high = module.VALUES if module.BOUNDED else (-np.inf, np.inf)
        assert low <= x.min() and x.max() <= high


def run(layers, x):
    """Runs the layers on maps x, by Chainer's own functions."""
    F = chainer.functions
    for layer in layers:
        assert x.shape[2] == layer.in_size
        convolve = F.deconvolution_2d if layer.up else F.convolution_2d
        x = convolve(x, layer.W, stride=layer.stride, pad=layer.pad).array
        bias = layer.b.T.reshape(-1, *x.shape[2:]) if layer.b.ndim == 2 else layer.b[:, None, None]
        x = x + bias
        assert x.shape[2] == layer.out_size
        if layer.norm:
            norm = layer.norm
            x = F.fixed_batch_normalization(x, norm.gamma.array, norm.beta.array, norm.avg_mean,
                                            norm.avg_var, norm.eps).array
        x = np.where(x < 0, layer.layer.slope * x, x)
        x = np.tanh(x) if layer.layer.tanh else x
    return x


@pytest.mark.parametrize("sizes", dcgan.SIZES)
def test_28_is_the_post_s_listing(sizes):
    post = settings(size=28, sizes=sizes)
    gen, dis = networks.build(post)
    assert type(gen) is dcgan.Generator and type(dis) is dcgan.Discriminator
    assert networks.value_range(post) == (0, 1)
    assert networks.map_sizes(post) == {"listing": [3, 4, 6, 10, 28],
                                        "comment": [3, 4, 5, 10, 28]}[sizes]


def test_the_networks_are_built_in_the_author_s_order_of_random_numbers():
    np.random.seed(3)
    gen, dis = networks.build(settings())
    np.random.seed(3)
    first, second = dcgan.Generator(6, 3), dcgan.Discriminator(3)
    for ours, theirs in ((gen, first), (dis, second)):
        for a, b in zip(ours.params(), theirs.params(), strict=True):
            assert np.array_equal(a.array, b.array)


def test_the_maps_of_the_sizes_that_the_paper_s_networks_have():
    assert paper.map_sizes(settings(size=64)) == [4, 8, 16, 32, 64]
    assert paper.map_sizes(settings(size=32)) == [2, 4, 8, 16, 32]


def test_stock_chainer_saves_and_loads_them(tmp_path):
    gen, _ = networks.build(settings(size=32))
    chainer.serializers.save_npz(tmp_path / "g.npz", gen)
    other, _ = networks.build(settings(size=32))
    chainer.serializers.load_npz(tmp_path / "g.npz", other)
    assert np.array_equal(dcgan.generate(gen, latent(2)), dcgan.generate(other, latent(2)))

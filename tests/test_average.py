"""The exponential average of a network's weights, which Adam moves as it updates them."""

import numpy as np
import pytest

from chainer_cpu import chainer, optimizers
from chainer_cpu import functions as F
from chainer_cpu import links as L

DECAYS = (0, 0.5, 0.999, 0.9, 1)


class Network(chainer.Chain):
    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.c = L.Convolution2D(3, 40, 4, 2, 1)  # W is pixel-major
            self.bn = L.BatchNormalization(40)
            self.l = L.Linear(40 * 16, 5)

    def forward(self, x):
        return self.l(F.relu(self.bn(self.c(x))))


def networks(module=optimizers):
    """Returns a network, its Adam, and a network for its average, which begins differently."""
    np.random.seed(0)
    network, average = Network(), Network()
    return network, module.Adam(alpha=0.01).setup(network), average


def gradients(network, step):
    """Runs a training step forward and back, which leaves gradients in the network."""
    x = np.random.RandomState(step).uniform(-1, 1, (6, 3, 8, 8)).astype(network.l.b.dtype)
    with F.deferred():
        y = network(x)
    loss = F.softmax_cross_entropy(y, np.arange(6, dtype=np.int32) % 5)
    F.grad([loss], list(network.params()), set_grad=True)


def numbers(network):
    """Returns copies of all that serializers write: parameters and persistent values."""
    serializer = chainer.serializers.DictionarySerializer()
    serializer.save(network)
    return {key: np.array(value) for key, value in serializer.target.items()}


STATISTICS = {"bn/avg_mean", "bn/avg_var"}


def test_parameters_and_running_statistics_are_averaged():
    network, adam, average = networks()
    expected = {key: x.astype(np.float64) for key, x in numbers(average).items()}
    for step, decay in enumerate(DECAYS):
        gradients(network, step)
        adam.update_and_average(average, decay)
        for key, x in numbers(network).items():
            expected[key] = decay * expected[key] + (1 - decay) * x.astype(np.float64)
            np.testing.assert_allclose(numbers(average)[key], expected[key], rtol=1e-6, atol=1e-7)
    assert STATISTICS < expected.keys() and len(expected) == 9
    assert not np.array_equal(average.bn.avg_mean, network.bn.avg_mean)


def test_the_weights_themselves_get_the_same_bytes_and_so_does_a_second_average():
    network, adam, average = networks()
    again, its_adam, its_average = networks()
    alone, adam_alone, _ = networks()
    for step, decay in enumerate(DECAYS):
        for each in network, again, alone:
            gradients(each, step)
        adam.update_and_average(average, decay)
        its_adam.update_and_average(its_average, decay)
        adam_alone.update()
    assert adam.t == adam_alone.t == len(DECAYS)
    for key, x in numbers(alone).items():
        assert np.array_equal(numbers(network)[key], x)
    for key, x in numbers(average).items():
        assert np.array_equal(numbers(its_average)[key], x)


def test_an_average_of_weights_that_stand_still_stands_still():
    """Rounding makes no drift, however near decay is to 1."""
    network, adam, _ = networks()
    average = network.copy(mode="copy")
    for param in network.params():
        param.grad = np.zeros_like(param.array)
    for _ in range(50):
        adam.update_and_average(average, 0.9999)
    for key, x in numbers(average).items():
        assert np.array_equal(numbers(network)[key], x)


def hooked(network, adam, average):
    adam.add_hook(chainer.optimizer_hooks.WeightDecay(0.1))


def in_another_order(network, adam, average):
    average.c.W.array = np.ascontiguousarray(average.c.W.array)


def wide(network, adam, average):
    for link in (each for both in (network, average) for each in both.links()):
        for param in link.params(include_uninit=False):
            param.array = param.array.astype(np.float64)
        for name in link._persistent:
            setattr(link, name, getattr(link, name) * np.float64(1))


@pytest.mark.parametrize("change", [hooked, in_another_order, wide])
def test_what_is_out_of_the_ordinary_is_averaged_too(change):
    network, adam, average = networks()
    alone, adam_alone, other = networks()
    for three in (network, adam, average), (alone, adam_alone, other):
        change(*three)
    for step in range(2):
        before = numbers(average)
        for each in network, alone:
            gradients(each, step)
        adam.update_and_average(average, 0.75)
        adam_alone.update()
        for key, x in numbers(network).items():
            assert np.array_equal(x, numbers(alone)[key])
            np.testing.assert_allclose(numbers(average)[key], 0.75 * before[key] + 0.25 * x,
                                       rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("spoil, message", [
    (lambda average: None, "decay is 1.5"),
    (lambda average: setattr(average.l.b, "array", np.zeros(4, np.float32)), r"/l/b is float32"),
    (lambda average: delattr(average, "l"), "/l/W is in one only"),
    (lambda average: setattr(average.bn, "avg_mean", None), "/bn/avg_mean is in one only"),
], ids=["decay", "shape", "names", "statistics"])
def test_a_wrong_average_is_an_error_and_changes_nothing(spoil, message):
    network, adam, average = networks()
    gradients(network, 0)
    before = numbers(network)
    spoil(average)
    with pytest.raises(ValueError, match=message):
        adam.update_and_average(average, 1.5 if "decay" in message else 0.5)
    assert adam.t == 0
    assert all(np.array_equal(x, before[key]) for key, x in numbers(network).items())


def test_a_network_is_not_its_own_average():
    network, adam, _ = networks()
    gradients(network, 0)
    with pytest.raises(ValueError, match="networks share /"):
        adam.update_and_average(network.copy(mode="share"), 0.5)

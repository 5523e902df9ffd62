"""Compares functions.grad, which walks the graph itself, with Chainer's grad, byte by byte."""

import inspect

import numpy as np
import pytest

import dcgan
from chainer_cpu import _activation, chainer
from chainer_cpu import functions as F
from chainer_cpu import links as L


class Counter(chainer.FunctionHook):
    """Counts the backward passes of functions."""

    seen = 0

    def backward_preprocess(self, function, in_data, out_grad):
        self.seen += 1


@pytest.fixture
def losses():
    """Returns (loss, network) of the post's generator, and of its discriminator."""
    np.random.seed(0)
    gen, dis = dcgan.Generator(z_dim=6), dcgan.Discriminator()
    y_fake = dis(gen(np.random.rand(5, 6).astype(np.float32)))
    y_real = dis(np.random.rand(5, 1, 28, 28).astype(np.float32))
    real, fake = np.zeros(5, np.int32), np.ones(5, np.int32)
    return (F.softmax_cross_entropy(y_fake, real), gen), (
        F.softmax_cross_entropy(y_fake, fake) + F.softmax_cross_entropy(y_real, real), dis)


def test_gradients_of_the_posts_networks_are_those_of_chainers_grad(losses):
    for loss, network in losses:
        params = list(network.params())
        expected = [g.array for g in chainer.grad([loss], params)]
        found = F.grad([loss], params, set_grad=True)
        assert all(np.array_equal(g.array, e) for g, e in zip(found, expected, strict=True))
        assert all(np.array_equal(p.grad, e) for p, e in zip(params, expected, strict=True))


def test_no_gradient_is_made_between_a_normalization_and_its_relu(monkeypatch):
    monkeypatch.setattr(_activation.ReLU, "gradients", None)
    x = chainer.Variable(np.random.rand(5, 3, 2, 2).astype(np.float32))
    link = L.BatchNormalization(3)
    assert F.grad([F.sum(F.relu(link(x)) * 2)], [x, link.gamma])[0].shape == x.shape


def both(function, wanted):
    """Returns the gradients of function(h), h a normalization, by F.grad and by Chainer's grad.

    wanted: which gradients, by names out of x, gamma, beta and h.
    """
    results = []
    for grad in (F.grad, chainer.grad):
        x = chainer.Variable(np.random.RandomState(0).randn(6, 3, 2, 2).astype(np.float32))
        gamma, beta = (chainer.Variable(np.array(v, np.float32)) for v in ([1, 2, 3], [0, 1, -1]))
        h = F.batch_normalization(x, gamma, beta)
        found = grad([function(h)], [{"x": x, "gamma": gamma, "beta": beta, "h": h}[name]
                                     for name in wanted])
        results.append([None if g is None else g.array for g in found])
    return results


@pytest.mark.parametrize("wanted", [["x"], ["gamma", "beta"], ["h"], ["x", "h"]])
@pytest.mark.parametrize("function", [
    lambda h: F.sum(F.relu(h) ** 2),
    lambda h: F.sum(F.leaky_relu(h) ** 2),
    lambda h: F.sum(F.relu(h) * h),
    lambda h: F.sum(F.relu(h) ** 2) + F.sum(F.leaky_relu(h, 0.5)),
    lambda h: F.sum(F.relu(F.relu(h) - 0.5) ** 2),
    lambda h: F.sum(F.tanh(h) * 3),
    lambda h: F.sum(F.concat(F.split_axis(F.relu(h), 3, 1)[:2]) ** 2),
], ids=["relu", "leaky relu", "normalization used twice", "two activations", "two in a row",
        "tanh", "several outputs"])
def test_gradients_are_chainers_to_the_last_bit(function, wanted):
    found, expected = both(function, wanted)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_what_does_not_lead_to_the_output_has_no_gradient():
    x, unused = (chainer.Variable(np.ones((2, 3), np.float32)) for _ in range(2))
    assert F.grad([F.sum(F.relu(x))], [x, unused])[1] is None


def test_hooks_and_options_are_chainers(losses):
    (loss, gen), _ = losses
    with Counter() as counter:
        F.grad([loss], list(gen.params()))
    assert counter.seen > 20
    gy = chainer.Variable(np.array(2, np.float32))
    twice = F.grad([loss], [gen.l1.W], grad_outputs=[gy])[0].array
    np.testing.assert_allclose(twice, 2 * F.grad([loss], [gen.l1.W])[0].array, rtol=1e-4, atol=1e-6)
    with pytest.raises(RuntimeError, match="no second-order gradients"):
        F.grad([loss], [gen.l1.W], enable_double_backprop=True)


def test_the_arguments_of_grad_are_chainers():
    ours, theirs = ([(argument.name, argument.default, argument.kind) for argument in
                     inspect.signature(its).parameters.values()] for its in (F.grad, chainer.grad))
    assert ours == theirs


@pytest.mark.parametrize("arguments", [
    lambda x, y, g: ([y], [x], [g]), lambda x, y, g: ([y], [x], None, [g]),
    lambda x, y, g: ([y], [x], [g], [g], True), lambda x, y, g: ([y, y], [x], [g, None]),
    lambda x, y, g: ([y], [x], None, None, True, True), lambda x, y, g: ((y,), (x,))])
def test_grad_takes_its_arguments_as_chainers_does(arguments):
    found = []
    for grad in (F.grad, chainer.grad):
        x = chainer.Variable(np.arange(6, dtype=np.float32).reshape(2, 3))
        y = F.relu(F.linear(x, np.eye(3, dtype=np.float32)))
        g = chainer.Variable(np.full((2, 3), 5, np.float32))
        gx, = grad(*arguments(x, y, g))
        found.append((gx.array, x.grad, y.grad))
    for ours, chainers in zip(*found, strict=True):
        assert (ours is None) == (chainers is None)
        assert ours is None or np.array_equal(ours, chainers)


@pytest.mark.parametrize("arguments", [
    lambda x, y: (y, [x]), lambda x, y: ([y], x), lambda x, y: ([y], [x], y),
    lambda x, y: ([y], [x], [y, y]), lambda x, y: ([y], [x], None, [x, x])])
def test_what_chainers_grad_refuses_ours_refuses_in_its_words(arguments):
    x = chainer.Variable(np.ones((2, 3), np.float32))
    said = []
    for grad in (F.grad, chainer.grad):
        with pytest.raises((TypeError, ValueError)) as error:
            grad(*arguments(x, F.relu(x)))
        said.append((error.type, str(error.value)))
    assert said[0] == said[1]

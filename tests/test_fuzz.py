"""Compares the fast functions with Chainer's own in random cases, other ones in every run.

A failure names its case: check(CASE) runs it again.
"""

import contextlib
import secrets
import sys

import numpy as np
import pytest

from chainer_cpu import _memory, _queue, chainer
from chainer_cpu import functions as F

stock = chainer.functions


def lie_anyhow(random, x):
    """Returns x, read-only, as an array that may lie in memory in any way."""
    way = random.integers(6)
    if way == 1 and x.ndim:
        axes = random.permutation(x.ndim)
        x = np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
    elif way == 2 and x.ndim:  # every second number of a larger array, or backwards
        step = random.choice([-1, 2, -2], x.ndim)
        larger = np.full([2 * size for size in x.shape], np.nan, x.dtype)
        view = larger[tuple(slice(None, None, s) for s in step)][tuple(map(slice, x.shape))]
        view[...] = x
        x = view
    elif way == 3 and x.ndim == 4:  # as the fast functions leave maps
        x = np.ascontiguousarray(x.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    elif way == 4 and x.size > 1:  # in the midst of another array
        x = np.concatenate([x.reshape(-1)[:1], x.reshape(-1)])[1:].reshape(x.shape)
    x = x.view()
    x.flags.writeable = False
    return x


def numbers(random, *shape):
    x = random.uniform(-1, 1, shape)
    if len(shape) > 1 and random.random() < 0.1:  # stride 0: the same all along an axis
        axis = random.integers(len(shape))
        x = np.broadcast_to(x.take([0], axis), shape)
    return x


def sizes(random, count, most):
    return [int(n) for n in random.integers(1, most + 1, count)]


def linear(random):
    rows, out = random.choice([1, 2, 5, 600]), random.choice([1, 2, 7, 130])
    rest = sizes(random, random.choice([1, 2, 3]), 6)
    inputs = [numbers(random, rows, *rest), numbers(random, out, np.prod(rest)),
              numbers(random, out)]
    return inputs[:random.choice([2, 3])], lambda m, *inputs: m.linear(*inputs)


def geometry(random):
    """Draws sizes of a small and a big map that belong together, ksize, stride and pad."""
    while True:
        small, ksize, stride, pad = (np.array(sizes(random, 2, most)) for most in (5, 5, 4, 3))
        pad -= 1
        big = stride * (small - 1) + ksize - 2 * pad + random.integers(0, stride)
        if (big > 0).all() and big.prod() < 200:
            return [tuple(int(n) for n in pair) for pair in (small, big, ksize, stride, pad)]


def convolution(random, back=False):
    small, big, ksize, stride, pad = geometry(random)
    rows = random.choice([1, 2, 5, 600], p=[0.3, 0.4, 0.25, 0.05])
    small_channels, big_channels = random.choice([1, 2, 3, 8, 70], 2, p=[0.2, 0.3, 0.3, 0.15, 0.05])
    inputs = [numbers(random, rows, *((small_channels, *small) if back else (big_channels, *big))),
              numbers(random, small_channels, big_channels, *ksize),
              numbers(random, big_channels if back else small_channels)]
    options = {"outsize": big} if back else {}
    name = "deconvolution_2d" if back else "convolution_2d"
    return inputs[:random.choice([2, 3])], lambda m, *inputs: getattr(m, name)(
        *inputs, stride=stride, pad=pad, **options)


def deconvolution(random):
    return convolution(random, back=True)


def normalization(random):
    shape = [int(random.choice([2, 5, 40, 700])), *sizes(random, random.choice([1, 3]), 5)]
    x = numbers(random, *shape) * random.choice([1, 3]) + random.choice([0, 1, 10])
    eps, decay = random.choice([2e-5, 1e-3]), random.choice([0.9, 0.5])

    def normalize(m, x, gamma, beta):
        mean, var = np.ones((2, len(gamma)), gamma.dtype)
        y = m.batch_normalization(x, gamma, beta, eps=eps, running_mean=mean, running_var=var,
                                  decay=decay)
        y.statistics = mean, var
        return y

    return [x, numbers(random, shape[1]) + 2, numbers(random, shape[1])], normalize


def activation(random, shape=None):
    x = numbers(random, *(shape or sizes(random, random.integers(6), 6)))
    x = np.where(random.random(x.shape) < 0.1, random.choice([0, -0.0, np.nan]), x)
    slope = random.choice([0.2, 0.01, 1.5])
    return [x], [lambda m, x: m.relu(x), lambda m, x: m.tanh(x),
                 lambda m, x: m.leaky_relu(x, slope)][random.integers(3)]


def composition(random):
    """Draws a layer, its normalization and its activation, as networks have them."""
    inputs, layer = [linear, convolution, deconvolution, normalization][random.integers(4)](random)
    _, activate = activation(random)
    scales = []
    if layer.__name__ != "normalize":
        with chainer.no_backprop_mode():
            channels = layer(stock, *inputs).shape[1]
        scales = [numbers(random, channels) + 2, numbers(random, channels)]

    def compose(m, *inputs):
        made = h = layer(m, *inputs[:len(inputs) - len(scales)])
        if scales:
            h = m.batch_normalization(h, *inputs[-2:])
        y = activate(m, h)
        spread = made.array.std(axis=(0, 2, 3)[:h.ndim - 1]).min() if scales else 1
        # Rounding decides how nearly equal numbers are normalized, and the sign of nearly zero.
        y.is_decided = spread > 0.1 and np.abs(h.array).min() > 1e-5
        return y

    return inputs + scales, compose


def loss(random):
    rows, classes = sizes(random, 2, 6)
    labels = random.integers(random.choice([-1, 0]), classes, rows).astype(
        random.choice([np.int32, np.int64]))
    shape = rows, classes, *[1] * random.integers(3)
    return [9 * numbers(random, *shape)], lambda m, x: m.softmax_cross_entropy(
        m.reshape(x, (rows, classes)), labels)


KINDS = [linear, convolution, deconvolution, normalization, activation, composition, loss]


def results(function, module, inputs, gy, wanted, context=contextlib.nullcontext):
    """Returns [output, gradients, running statistics], and the variable of the output."""
    inputs = [chainer.Variable(x) for x in inputs]
    with context():
        y = function(module, *inputs)
    gradients = chainer.grad([y], [inputs[i] for i in wanted], [chainer.Variable(gy)])
    return [y.array, *(g.array for g in gradients), *getattr(y, "statistics", ())], y


def check(seed):
    """Checks the case of number seed. Returns whether the fast functions took it.

    Returns None if rounding decides the result.
    """
    random = np.random.default_rng(seed)
    exact, function = KINDS[seed % len(KINDS)](random)
    dtype = random.choice([np.float32, np.float32, np.float64])
    inputs = [x.astype(dtype) for x in exact]
    exact = [x.astype(np.float64) for x in inputs]
    with chainer.no_backprop_mode():
        y = function(stock, *exact)
    if not getattr(y, "is_decided", True):
        return None
    gy = numbers(random, *y.shape).astype(dtype)
    # Chainer's deconvolution fails where the gradient of its input is not wanted.
    wanted = [0, *np.flatnonzero(random.random(len(inputs) - 1) < 0.7) + 1]

    given = [lie_anyhow(random, x) for x in (*inputs, gy)]
    context = [contextlib.nullcontext, F.deferred][random.integers(2)]
    actual, y = results(function, F, given[:-1], given[-1], wanted, context)
    assert all(np.array_equal(a, b, equal_nan=True)
               for a, b in zip(given, (*inputs, gy), strict=True)), "an input was changed"
    assert not any(np.shares_memory(y.array, x) for x in given)
    expected, _ = results(function, stock, exact, gy.astype(np.float64), wanted)
    chainers, _ = results(function, stock, inputs, gy, wanted)
    for a, e, c in zip(actual, expected, chainers, strict=True):
        assert a.dtype == c.dtype and a.shape == e.shape
        assert np.array_equal(np.isnan(a), np.isnan(e))
        if not np.isnan(e).all():
            # Within the promise for a step, or four times Chainer's own error.
            near = (1e-5 if dtype == np.float32 else 1e-8) * max(1, np.nanmax(np.abs(e)))
            near *= 10 if hasattr(y, "is_decided") else 1
            assert np.nanmax(np.abs(a - e)) <= max(near, 4 * np.nanmax(np.abs(c - e)))
    return type(y.creator).__module__.startswith("chainer_cpu")


@pytest.fixture
def memory_full_of_nan(monkeypatch):
    """Fills all memory that the engine hands out with NaN, since it may have been used before."""
    def empty(shape, dtype, original=_memory.empty):
        y = original(shape, dtype)
        _queue.queue().flush()
        y.fill(np.nan)
        return y

    monkeypatch.setattr(_memory, "_SMALL", 1)
    for name, module in list(sys.modules.items()):
        if name.startswith("chainer_cpu.") and getattr(module, "empty", None) is _memory.empty:
            monkeypatch.setattr(module, "empty", empty)


@pytest.mark.parametrize("cases", [300, pytest.param(10_000, marks=pytest.mark.faults)])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # both Chainer's own
@pytest.mark.filterwarnings("ignore:A batch with no more than one sample:UserWarning")
def test_random_cases_are_chainers(cases, memory_full_of_nan, monkeypatch):
    first, fast = secrets.randbelow(1 << 40), []
    for seed in range(first, first + cases):
        monkeypatch.setenv("OMP_NUM_THREADS", str(1 + seed % 3))
        try:
            fast.append(check(seed))
        except Exception as error:
            raise AssertionError(f"case {seed}, {KINDS[seed % len(KINDS)].__name__}") from error
    assert fast.count(None) < cases / 10
    assert fast.count(False) < cases / 10, "Chainer's own functions against themselves"

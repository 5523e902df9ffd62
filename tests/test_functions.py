"""Compares the fast functions with Chainer's own, and with numerical derivatives."""

import functools

import numpy as np
import pytest
import threadpoolctl

import chainer_cpu
from chainer_cpu import _intrinsics, chainer
from chainer_cpu import functions as F

stock = chainer.functions

# The post's layers, dc2 and dc3 of its comments, and shapes of neither:
# (batch, channels in, channels out, map in, ksize, stride, pad) of a deconvolution. The convolution
# is tested on the mirrored shapes.
LAYERS = {
    "dc1": (5, 16, 8, (3, 3), 2, 2, 1),
    "dc3": (4, 8, 6, (6, 6), 2, 2, 1),
    "dc4": (3, 8, 1, (10, 10), 3, 3, 1),
    "dc4, RGB": (3, 8, 3, (10, 10), 3, 3, 1),
    "comment's dc2": (3, 8, 4, (4, 4), 2, 1, 0),
    "comment's dc3": (3, 8, 4, (5, 5), 2, 2, 0),
    "one image": (1, 8, 4, (3, 3), 2, 2, 1),
    "one image to one channel": (1, 8, 1, (4, 4), 3, 3, 1),
    "more images than rows of a task": (1031, 3, 40, (2, 2), 2, 2, 1),
    "not square": (3, 4, 5, (3, 2), (3, 2), (3, 2), (0, 1)),
    "overlapping": (3, 4, 5, (4, 3), 3, 2, 1),
    "padding beyond the filter": (2, 3, 4, (5, 5), 2, 2, 3),
}


def random(*shape, dtype=np.float32, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(dtype)


def assert_close(actual, expected, tolerance=1e-5):
    """Asserts equality to tolerance times the largest value: float32 can promise 1e-5 of a sum."""
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0,
                               atol=tolerance * max(1e-3, np.abs(expected).max()))


def layer(name, is_convolution, dtype=np.float32):
    """Returns x, W, b, and the function of (module, x, W, b) that applies the layer."""
    n, c_in, c_out, size, ksize, stride, pad = LAYERS[name]
    ksize = ksize if isinstance(ksize, tuple) else (ksize, ksize)
    x, W, b = random(n, c_in, *size, dtype=dtype), random(c_in, c_out, *ksize, dtype=dtype), random(
        c_out, dtype=dtype)
    if not is_convolution:
        return x, W, b, lambda m, *inputs: m.deconvolution_2d(*inputs, stride=stride, pad=pad)
    big = stock.deconvolution_2d(x, W, stride=stride, pad=pad).shape
    return random(*big, dtype=dtype), W, random(c_in, dtype=dtype), (
        lambda m, *inputs: m.convolution_2d(*inputs, stride=stride, pad=pad))


def linear(m, x, W, b):
    return m.linear(x, W, b)


def normalize(m, x, gamma, beta):
    return m.batch_normalization(x, gamma, beta)


def normalize_relu(m, x, gamma, beta):
    return m.relu(m.batch_normalization(x, gamma, beta))


def relu(m, x):
    return m.relu(x)


def normalize_leaky(m, x, gamma, beta):
    return m.leaky_relu(m.batch_normalization(x, gamma, beta))


def tanh(m, x):
    return m.tanh(x)


@functools.cache
def cases(dtype=np.float32):
    """Returns {name: (inputs, function of (module, *inputs))} of all fast functions and shapes."""
    found = {}
    for name in LAYERS:
        for is_convolution in (False, True):
            *inputs, function = layer(name, is_convolution, dtype)
            kind = "convolution" if is_convolution else "deconvolution"
            found[f"{kind}, {name}"] = inputs, function
    maps, many = (7, 6, 3, 2), (1031, 5, 2, 2)
    for name, shape in (("maps", maps), ("many maps", many), ("matrix", (9, 4)),
                        ("one", (1, 3, 2, 2))):
        inputs = [random(*shape, dtype=dtype), random(shape[1], dtype=dtype) + 2,
                  random(shape[1] + 1, dtype=dtype)[1:]]
        found[f"normalization, {name}"] = inputs, normalize
        found[f"normalization and relu, {name}"] = inputs, normalize_relu
        found[f"normalization and leaky relu, {name}"] = inputs, normalize_leaky
        found[f"relu, {name}"] = inputs[:1], relu
        found[f"tanh, {name}"] = inputs[:1], tanh
    for name, x, out in (("matrix", (5, 6), 7), ("maps", (5, 4, 3, 2), 2), ("wide", (3, 5), 256)):
        found[f"linear, {name}"] = [
            random(*x, dtype=dtype), random(out, int(np.prod(x[1:])), dtype=dtype),
            random(out, dtype=dtype)], linear
    return found


def case(name, dtype=np.float32):
    inputs, function = cases(dtype)[name]
    return [x.copy() for x in inputs], function


NAMES = list(cases())


def results(module, function, inputs, indexes=None, order=None):
    """Returns the output, and the gradients of a weighted sum of it for the inputs at indexes.

    order(x) lays an input in memory in another way.
    """
    variables = [chainer.Variable(order(x) if order else x) for x in inputs]
    y = function(module, *variables)
    wanted = [v for i, v in enumerate(variables) if indexes is None or i in indexes]
    gy = random(*y.shape, dtype=y.dtype, seed=1)
    return y.array, *(g.array for g in chainer.grad([y], wanted, [chainer.Variable(gy)]))


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_chainers(name):
    inputs, function = case(name)
    for actual, expected in zip(results(F, function, inputs), results(stock, function, inputs),
                                strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize("name", [n for n in NAMES if "many" not in n and "more" not in n])
def test_gradients_are_numerical_derivatives_in_float64(name):
    inputs, function = case(name, np.float64)
    y, *gradients = results(F, function, inputs)
    gy = random(*y.shape, dtype=y.dtype, seed=1)
    for x, gradient in zip(inputs, gradients, strict=True):
        direction, step = random(*x.shape, dtype=x.dtype, seed=2), 1e-6
        values = []
        for sign in (1, -1):
            moved = [v + sign * step * direction if v is x else v for v in inputs]
            values.append((function(stock, *moved).array * gy).sum())
        assert (gradient * direction).sum() == pytest.approx((values[0] - values[1]) / (2 * step),
                                                             rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("order", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2],
                                   lambda x: x[..., ::-1]], ids=["Fortran", "strided", "reversed"])
@pytest.mark.parametrize("name", NAMES)
def test_inputs_may_lie_anyhow_in_memory(name, order):
    inputs, function = case(name)
    expected = results(stock, function, [np.ascontiguousarray(order(x)) for x in inputs])
    for actual, value in zip(results(F, function, inputs, order=order), expected, strict=True):
        assert_close(actual, value)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_incoming_gradients_stay_as_they_were(name):
    inputs, function = case(name)
    before = [x.copy() for x in inputs]
    for x in inputs:
        x.flags.writeable = False
    variables = [chainer.Variable(x) for x in inputs]
    y = function(F, *variables)
    gy = random(*y.shape, seed=1)
    gy.flags.writeable = False
    kept = y.array.copy()
    chainer.grad([y], variables, [chainer.Variable(gy)])
    assert all(np.array_equal(x, was) for x, was in zip(inputs, before, strict=True))
    assert np.array_equal(gy, random(*y.shape, seed=1)) and np.array_equal(y.array, kept)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_input_alone_and_of_the_parameters_alone(name):
    """Chainer's own deconvolution fails when asked for its parameters' gradients alone."""
    inputs, function = case(name)
    _, *every = results(F, function, inputs)
    for indexes in ([0], [1, 2])[:1 if len(inputs) == 1 else 2]:
        _, *some = results(F, function, inputs, indexes)
        assert all(np.array_equal(a, every[i]) for a, i in zip(some, indexes, strict=True))


def test_chainers_own_deconvolution_still_fails_at_parameters_alone():
    """When this fails, Chainer has been repaired: delete what is said about it."""
    *inputs, function = layer("dc1", False)
    with pytest.raises(ValueError, match="unpack"):
        results(stock, function, inputs, [1, 2])


@pytest.mark.parametrize("name", NAMES)
def test_second_order_gradients_are_refused(name):
    inputs, function = case(name)
    x = chainer.Variable(inputs[0])
    y = function(F, x, *inputs[1:])
    with pytest.raises(RuntimeError, match="no second-order gradients"):
        chainer.grad([F.sum(y)], [x], enable_double_backprop=True)


@pytest.mark.parametrize("name", NAMES)
def test_without_backprop_the_values_are_the_same_and_no_graph_is_kept(name):
    inputs, function = case(name)
    expected, *_ = results(F, function, inputs)
    with chainer.no_backprop_mode():
        y = function(F, *inputs)
    assert np.array_equal(y.array, expected) and y.creator is None


def test_running_statistics_are_chainers():
    x, gamma, beta = random(6, 5, 3, 3) * 3 + 40, np.ones(5, np.float32), np.zeros(5, np.float32)
    statistics = {}
    for module in (F, stock):
        mean, var = np.full(5, 2, np.float32), np.full(5, 3, np.float32)
        module.batch_normalization(x, gamma, beta, running_mean=mean, running_var=var, decay=0.8)
        statistics[module] = mean, var
    for actual, expected in zip(statistics[F], statistics[stock], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_running_statistics_of_another_length_are_refused_and_nothing_is_written(name):
    x, ones = random(8, 4), np.ones(4, np.float32)
    memory = np.zeros(4, np.float32)
    running = {"running_mean": np.zeros(4, np.float32), "running_var": np.zeros(4, np.float32)}
    with pytest.raises(ValueError):
        F.batch_normalization(x, ones, ones, **{**running, name: memory[:2]})
    assert not memory[2:].any()


def test_a_normalization_that_feeds_two_functions_has_both_gradients():
    inputs = case("normalization, maps")[0]

    def both(m, *inputs):
        h = m.batch_normalization(*inputs)
        return m.relu(h) * 2 + m.tanh(h) + h

    ours, chainers = results(F, both, inputs), results(stock, both, inputs)
    for actual, expected in zip(ours, chainers, strict=True):
        assert_close(actual, expected)


def test_the_array_of_a_normalization_can_be_looked_at_after_its_relu():
    inputs = case("normalization, maps")[0]
    h = F.batch_normalization(*inputs)
    y = F.relu(h)
    assert_close(h.array, stock.batch_normalization(*inputs).array)
    assert np.array_equal(np.maximum(h.array, 0), y.array)


def test_the_gradient_between_normalization_and_relu_is_chainers():
    inputs = case("normalization, maps")[0]
    found = {}
    for module in (F, stock):
        h = module.batch_normalization(*map(chainer.Variable, inputs))
        found[module] = chainer.grad([F.sum(module.relu(h) ** 2)], [h])[0].array
    assert_close(found[F], found[stock])


def test_nan_comes_through_as_it_does_in_chainer():
    x = np.array([[np.nan, -1, 2]], np.float32)
    assert np.isnan(F.relu(x).array[0, 0])
    y = F.relu(F.batch_normalization(np.tile(x, (3, 1)), *np.ones((2, 3), np.float32)))
    assert np.isnan(y.array[:, 0]).all() and not np.isnan(y.array[:, 1:]).any()


@pytest.mark.parametrize("name, arguments", {
    "other dtypes": (random(2, 3, 4, 4).astype(np.float16), random(5, 3, 2, 2).astype(np.float16)),
    "no images": (random(1, 3, 4, 4)[:0], random(5, 3, 2, 2)),
    "mixed dtypes": (random(2, 3, 4, 4), random(5, 3, 2, 2).astype(np.float64)),
}.items())
def test_what_is_not_fast_is_chainers_own(name, arguments):
    assert not F.is_fast(*arguments)


@pytest.mark.parametrize("options", [{"dilate": 2}, {"groups": 3}, {"cover_all": True}])
def test_options_that_are_not_fast_are_chainers_own(options):
    x, W = random(2, 3, 5, 5), random(6, 1 if "groups" in options else 3, 2, 2)
    y = F.convolution_2d(x, W, stride=2, **options)
    expected = stock.convolution_2d(x, W, stride=2, **options)
    assert type(y.creator) is type(expected.creator)
    assert np.array_equal(y.array, expected.array)


@pytest.mark.parametrize("outsize", [(5, 5), (4, 5), (4, 4)])
def test_a_deconvolution_may_be_told_its_outsize(outsize):
    x, W, b = random(2, 3, 3, 3), random(3, 4, 2, 2), random(4)
    assert_close(F.deconvolution_2d(x, W, b, 2, 1, outsize).array,
                 stock.deconvolution_2d(x, W, b, 2, 1, outsize).array)


@pytest.mark.parametrize("call", [
    lambda m: m.convolution_2d(random(2, 3, 4, 4), random(5, 4, 2, 2)),
    lambda m: m.deconvolution_2d(random(2, 3, 4, 4), random(3, 5, 2, 2), outsize=(40, 40)),
    lambda m: m.batch_normalization(random(2, 3), random(4), random(4)),
    lambda m: m.linear(random(2, 3), random(5, 4)),
])
def test_wrong_shapes_raise_what_chainer_raises(call):
    with pytest.raises(chainer.utils.type_check.InvalidType):
        call(stock)
    with pytest.raises(chainer.utils.type_check.InvalidType):
        call(F)


@pytest.mark.skipif(not _intrinsics.FLUSHES,
                    reason="denormal numbers as zero, which we cannot tell this CPU")
def test_denormal_numbers_count_as_zero_but_only_inside_the_fast_functions():
    """Denormal numbers cost a hundred times as much; a discriminator that is sure makes many."""
    tiny = np.full((64, 64), 1e-42, np.float32)
    assert not F.linear(tiny, np.ones((64, 64), np.float32)).array.any()
    assert (tiny * np.float32(1)).any(), "flushing them has leaked out"


def test_the_thread_count_changes_nothing_and_leaves_the_blas_as_it_was(monkeypatch):
    *inputs, function = layer("dc3", False)
    before = threadpoolctl.threadpool_info()
    expected = results(F, function, inputs)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for actual, value in zip(results(F, function, inputs), expected, strict=True):
        assert_close(actual, value, 1e-6)
    monkeypatch.undo()
    assert [(i["filepath"], i["num_threads"]) for i in threadpoolctl.threadpool_info()
            if i["user_api"] == "blas"] == [
        (i["filepath"], i["num_threads"]) for i in before if i["user_api"] == "blas"]


def test_the_modules_keep_chainers_other_names():
    assert chainer_cpu.functions.sigmoid is stock.sigmoid

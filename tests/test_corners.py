"""Normalization, activations, Adam and threads keep Chainer's promises in corner cases."""

import copy
import os
import signal
import threading
import time

import numpy as np
import pytest

from chainer_cpu import _memory, _queue, _threads, chainer, optimizers
from chainer_cpu import functions as F
from chainer_cpu import links as L

stock, stock_links = chainer.functions, chainer.links
ACTIVATIONS = {
    "relu": lambda m, x: m.relu(x),
    "leaky_relu": lambda m, x: m.leaky_relu(x),
    "leaky_relu, slope": lambda m, x: m.leaky_relu(x, 0.01),
    "tanh": lambda m, x: m.tanh(x),
}


def random(*shape, dtype=np.float32, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(dtype)


def parameters(channels):
    return random(channels) + 2, random(channels, seed=1)


def normalized(m, x, *parameters):
    return m.batch_normalization(x, *parameters or (np.ones(x.shape[1], x.dtype),
                                                    np.zeros(x.shape[1], x.dtype)))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(), (1,), (3, 0), (2, 3, 4, 5, 2)])
def test_activations_take_arrays_of_any_shape(name, shape):
    x = chainer.Variable(random(*shape) if shape else np.array(-0.5, np.float32))
    y, expected = ACTIVATIONS[name](F, x), ACTIVATIONS[name](stock, x)
    assert y.shape == shape
    np.testing.assert_allclose(y.array, expected.array, rtol=1e-6)
    gy = chainer.Variable(np.full(shape, 3, np.float32))
    np.testing.assert_allclose(chainer.grad([y], [x], [gy])[0].array,
                               chainer.grad([expected], [x], [gy])[0].array, rtol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_and_infinity_are_chainers_forward_and_back(name):
    values = np.array([np.nan, np.inf, -np.inf, -1, -0.0, 0, 1], np.float32)
    x, gy = (grid.ravel() for grid in np.meshgrid(values, values))
    found = {}
    for m in (F, stock):
        X = chainer.Variable(x)
        with np.errstate(all="ignore"):
            y = ACTIVATIONS[name](m, X)
            found[m] = y.array, chainer.grad([y], [X], [chainer.Variable(gy)])[0].array
    for actual, expected in zip(found[F], found[stock], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize("slope", [-0.5, 0])
def test_leaky_slopes_that_hide_the_sign_are_chainers_own(slope):
    x = random(3, 4)
    y = F.leaky_relu(x, slope)
    assert type(y.creator).__module__.startswith("chainer.")
    assert np.array_equal(y.array, stock.leaky_relu(x, slope).array)


@pytest.mark.parametrize("value", [1.3, 100.3, -7.7e5])
def test_a_map_that_is_one_colour_is_normalized_to_exactly_zero(value):
    assert not normalized(F, np.full((100, 1, 28, 28), value, np.float32)).array.any()


@pytest.mark.parametrize("low, channels", [(10, 1), (10, 3), (0, 1)])
def test_few_channels_and_a_large_mean_cost_no_digits(low, channels):
    x = np.random.RandomState(0).uniform(low, low + 1, (64, channels, 64, 64)).astype(np.float32)
    gy = random(*x.shape, seed=2)
    exact = [v.astype(np.float64) for v in (x, *parameters(channels))]
    found = []
    for m, inputs in ((F, [v.astype(np.float32) for v in exact]), (stock, exact)):
        inputs = [chainer.Variable(v) for v in inputs]
        y = normalized(m, *inputs)
        found.append([y.array, *(g.array for g in chainer.grad(
            [y], inputs, [chainer.Variable(gy.astype(y.dtype))]))])
    for actual, expected in zip(*found, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-6 * abs(expected).max())


def test_the_output_is_computed_when_the_function_is_called():
    x = random(3, 3, 6, 4).transpose(2, 3, 0, 1)  # as the fast functions leave maps: not copied
    expected = normalized(stock, x.copy()).array
    h = normalized(F, x)
    x[...] = 0
    np.testing.assert_allclose(h.array, expected, rtol=1e-5, atol=1e-6)


def test_a_copy_of_an_output_nobody_has_looked_at_has_its_values():
    x = random(6, 4, 3, 3)
    y = copy.copy(normalized(F, x))
    np.testing.assert_allclose(y.array, normalized(stock, x).array, rtol=1e-5, atol=1e-6)


def test_a_gradient_changed_in_place_is_the_one_that_goes_on():
    found = {}
    for m in (F, stock):
        inputs = [chainer.Variable(v) for v in (random(6, 4, 3, 3), *parameters(4))]
        h = m.batch_normalization(*inputs)
        gh, = chainer.grad([m.sum(m.relu(h) ** 2)], [h])
        gh.array[...] *= 3
        gh.array[0] = 1
        found[m] = [g.array for g in chainer.grad([h], inputs, [gh])]
    for actual, expected in zip(found[F], found[stock], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


class Doubling(chainer.FunctionHook):
    """Doubles every gradient before a function takes it."""

    def backward_preprocess(self, function, in_data, out_grad):
        out_grad[0][...] *= 2


def test_a_hook_may_change_gradients():
    found = {}
    for m in (F, stock):
        inputs = [chainer.Variable(v) for v in (random(6, 4, 3, 3), *parameters(4))]
        y = m.relu(m.batch_normalization(*inputs))
        with Doubling():
            found[m] = [g.array for g in chainer.grad(
                [y], inputs, [chainer.Variable(random(*y.shape, seed=3))])]
    for actual, expected in zip(found[F], found[stock], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


class Recorder(chainer.FunctionHook):
    """Keeps copies of the inputs of functions."""

    def added(self, _):
        self.seen = []

    def forward_preprocess(self, function, in_data):
        self.seen.append([x.copy() for x in in_data])


def test_a_hook_sees_the_normalization_as_the_input_of_relu():
    x = random(6, 4, 3, 3)
    with Recorder() as hook:
        F.relu(normalized(F, x))
    (_, *_), (h,) = hook.seen
    np.testing.assert_allclose(h, normalized(stock, x).array, rtol=1e-5, atol=1e-6)


def test_two_threads_may_rectify_the_same_variable():
    x = random(40, 16, 20, 20)
    h = normalized(F, x)
    expected = np.maximum(normalized(F, x).array, 0)
    outputs = []
    for _ in range(20):
        threads = [threading.Thread(target=lambda: outputs.append(F.relu(h).array))
                   for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outputs) == 40 and all(np.array_equal(y, expected) for y in outputs)


@pytest.mark.parametrize("name", ["param", "m", "v"])
def test_adam_does_not_write_what_is_read_only(name):
    data = np.ones(1000, np.float32)
    param = chainer.Parameter(data.copy())
    rule = optimizers.Adam().create_update_rule()
    param.grad = np.ones(1000, np.float32)
    rule.update(param)
    arrays = {"param": param.array, **rule.state}
    before = {key: array.copy() for key, array in arrays.items()}
    arrays[name].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        rule.update(param)
    assert np.array_equal(arrays[name], before[name])


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_a_batch_of_one_sample_is_warned_of_in_chainers_words(shape):
    for m in (F, stock):
        with pytest.warns(UserWarning, match="A batch with no more than one sample"):
            normalized(m, random(*shape))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_computes_can_compute(monkeypatch):
    x, W = random(1500, 1500), random(1500, 1500)
    stop = threading.Event()
    inside = threading.Event()
    lead = _threads.lead

    def slowly(*arguments):
        inside.set()
        lead(*arguments)

    monkeypatch.setattr(_threads, "lead", slowly)

    def compute():
        while not stop.is_set():
            F.linear(x, W)

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        for _ in range(2):
            inside.clear()
            inside.wait()
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                right = np.array_equal(F.relu(x).array, np.maximum(x, 0))
                os._exit(0 if right else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("name", [*ACTIVATIONS, "batch_normalization"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_gradient_of_another_dtype_has_chainers_values(name, dtype):
    function = ACTIVATIONS.get(name, normalized)
    gy = random(6, 4, dtype=dtype, seed=1)
    found = []
    for m in (F, stock):
        x = chainer.Variable(random(6, 4))
        found.append(chainer.grad([function(m, x)], [x], [chainer.Variable(gy)])[0].array)
    np.testing.assert_allclose(*found, rtol=2e-3, atol=1e-6)
    assert found[0].dtype == found[1].dtype or name == "tanh"


@pytest.mark.parametrize("name", [*ACTIVATIONS, "batch_normalization"])
@pytest.mark.parametrize("shape", [(6, 5), (6, 3), (5, 4), (24,)])
def test_a_gradient_of_another_shape_is_refused(name, shape):
    x = chainer.Variable(random(6, 4))
    y = ACTIVATIONS.get(name, normalized)(F, x)
    with pytest.raises(ValueError, match="a gradient of shape"):
        chainer.grad([y], [x], [chainer.Variable(random(*shape))])


@pytest.mark.parametrize("second", [np.ones(8, np.float64), np.ones(16, np.float32)[::2]],
                         ids=["another dtype", "not dense"])
def test_no_kernel_is_given_an_array_that_it_would_misread(second):
    with pytest.raises(TypeError, match="arrays of one dtype, dense"):
        _queue.run(optimizers._adam, 0, (np.ones(8, np.float32), second))


@pytest.mark.parametrize("threads", [4, 8])
def test_the_bytes_for_a_number_of_threads_are_always_the_same(threads, monkeypatch):
    """Threads may outnumber cores and end in any order: each share has an output of its own."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))

    def network(x, W, V):
        h = F.relu(normalized(F, F.convolution_2d(x, W, stride=2, pad=1)))
        return F.tanh(F.deconvolution_2d(F.leaky_relu(normalized(F, h)), V, stride=2, pad=1))

    def gradients():
        inputs = [chainer.Variable(v) for v in (random(60, 16, 12, 12), random(32, 16, 4, 4),
                                                random(32, 8, 4, 4))]
        y = network(*inputs)
        gy = chainer.Variable(random(*y.shape, seed=1))
        return [y.array, *(g.array for g in chainer.grad([y], inputs, [gy]))]

    first = gradients()
    for _ in range(5):
        assert all(np.array_equal(a, b) for a, b in zip(gradients(), first, strict=True))


def test_time_in_kernels_is_counted():
    x = random(1000, 1000)
    before, start = _queue.nanoseconds_in_kernels, time.perf_counter_ns()
    F.linear(x, x)
    spent = _queue.nanoseconds_in_kernels - before
    assert 0 < spent < time.perf_counter_ns() - start


@pytest.mark.parametrize("threads", [2, 5])
def test_helpers_that_have_fallen_asleep_wake_up(threads, monkeypatch):
    """The values are right after every pause, whether the helpers sleep by then or not."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    x = random(300, 1000)
    for pause in (0, 1e-5, 1e-4, 2e-4, 3e-4, 1e-3) * 20:
        time.sleep(pause)
        assert np.array_equal(F.relu(x).array, np.maximum(x, 0))


def test_garbage_may_be_collected_in_the_midst_of_the_bookkeeping(monkeypatch):
    """Python 3.13 sometimes collected between iter() and next() of a dictionary."""
    garbage = []

    def iterator(original):
        def there_and_then(self):
            found = iter(original(self))
            garbage.clear()
            return found
        return there_and_then

    class Collected(dict):
        __iter__ = iterator(dict.__iter__)

        def items(self):
            return type("Items", (), {"__iter__": lambda _: iterator(dict.items)(self)})()

    def full(*sizes):
        return [_memory.empty((size,), np.uint8) for size in sizes]

    # A memory of its own, in which a new size frees old ones: for that it walks through _free.
    for name, value in (("_free", Collected()), ("_freed_at", {}), ("_free_bytes", 0),
                        ("_PATIENCE", -1)):
        monkeypatch.setattr(_memory, name, value)
    old, new = full(200_000, 201_000, 202_000), full(300_000, 301_000)
    old.clear()
    garbage += new
    new.clear()
    assert len(full(302_000, 303_000)) == 2 and not garbage


def test_running_averages_may_be_variables():
    x, found = random(6, 4), []
    for m in (F, stock):
        mean, var = (chainer.Variable(np.zeros(4, np.float32)) for _ in range(2))
        y = m.batch_normalization(x, np.ones(4, np.float32), np.zeros(4, np.float32),
                                  running_mean=mean, running_var=var)
        found.append((y.array, mean.array, var.array))
    for ours, chainers in zip(*found, strict=True):
        np.testing.assert_allclose(ours, chainers, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["Convolution2D", "Deconvolution2D"])
def test_links_of_a_channel_last_compute_mode_are_made_as_chainers(name):
    found = []
    with chainer.using_config("compute_mode", "cudnn_fast"):
        for m in (L, stock_links):
            np.random.seed(0)
            link = getattr(m, name)(3, 4, 3)
            found.append((link.W.layout, link.W.raw_array))
    assert found[0][0] == found[1][0] and np.array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_images_are_resized(mode):
    """Chainer's own function reads a name that NumPy no longer has."""
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    y = F.resize_images(x, (3, 3), mode=mode, align_corners=True).array
    assert y[0, 0, ::2, ::2].tolist() == [[0, 1], [2, 3]]
    if mode == "bilinear":
        assert y[0, 0, 1].tolist() == [1, 1.5, 2]

"""Convolution, deconvolution and linear do what Chainer does in corner cases, too."""

import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chainer_cpu import _convolution, _linear, _memory, chainer
from chainer_cpu import functions as F

stock = chainer.functions
ROOT = Path(__file__).resolve().parents[1]


def random(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


X, W, B = random(2, 3, 4, 5), random(6, 3, 2, 2), random(6)
SMALL = random(2, 6, 3, 4)


def convolve(m, **options):
    return m.convolution_2d(X, W, B, **options)


def deconvolve(m, **options):
    return m.deconvolution_2d(SMALL, W, B[:3], **options)


@pytest.mark.parametrize("function", [
    lambda m, x: m.batch_normalization(x, *np.ones((2, 3), np.float32)),
    lambda m, x: m.relu(x)], ids=["batch normalization", "relu"])
def test_variables_in_cudnns_layout_are_left_to_chainer(function):
    found = []
    for module in (F, stock):
        y = function(module, chainer.as_variable(X).as_layout("CUDNN_CHANNEL_LAST_X"))
        assert y.layout == "CUDNN_CHANNEL_LAST_X"
        found.append(y.as_layout(None).array)
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, inputs", {
    "convolution_2d": (X, W, B), "deconvolution_2d": (SMALL, W, B[:3]),
    "linear": (X, random(7, 60), random(7))}.items())
@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_a_gradient_of_another_dtype_is_taken_or_refused_as_in_chainer(name, inputs, dtype):
    found = []
    for module in (F, stock):
        variables = [chainer.Variable(x) for x in inputs]
        y = getattr(module, name)(*variables)
        gy = chainer.Variable(random(*y.shape, seed=1).astype(dtype))
        if dtype == np.int32:
            with pytest.raises(chainer.utils.type_check.InvalidType):
                chainer.grad([y], variables, [gy])
        else:
            found.append([g.array for g in chainer.grad([y], variables, [gy])])
    for actual, expected in zip(*found or [(), ()], strict=True):
        assert actual.dtype == expected.dtype
        tolerance = 2e-3 if dtype == np.float16 else 1e-5  # ours are the more exact ones
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("function", [convolve, deconvolve])
@pytest.mark.parametrize("options", [
    {"pad": (1, 1, 1)}, {"pad": (1,)}, {"pad": 1.0}, {"stride": (2, 2, 2)}, {"stride": 2.0},
    {"stride": 0}, {"dilate": (1, 1, 1)}, {"cudnn_fast": True}], ids=str)
def test_what_chainer_refuses_is_refused(function, options):
    messages = []
    for module in (F, stock):
        with pytest.raises((TypeError, ValueError, ArithmeticError, RuntimeError)) as error:
            function(module, **options)
        messages.append((error.type, str(error.value)))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("options", [
    {"outsize": np.array([4, 5])}, {"outsize": [4, 5]}, {"outsize": (None, 5)}, {"pad": -1},
    {"pad": np.array([0, 1])}, {"pad": (0, -1)}], ids=str)
def test_what_chainer_takes_is_taken(options):
    y, expected = deconvolve(F, **options).array, deconvolve(stock, **options).array
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_the_first_convolution_of_a_large_map_does_not_wait_for_its_table():
    """Loops of Python took over half a second for its half a million pairs of pixel and tap."""
    begin = time.process_time()
    _convolution._taps.__wrapped__(1, (224, 224), (224, 224), (3, 3), (1, 1), (1, 1))
    assert time.process_time() - begin < 0.3


def test_tables_and_freed_memory_are_kept_up_to_a_number_of_bytes(monkeypatch):
    monkeypatch.setattr(_memory, "TABLES", 10_000)
    monkeypatch.setattr(_memory, "KEPT", 1_000_000)
    made = []

    @_memory.bounded
    def table(size):
        made.append(size)
        return np.zeros(size, np.uint8), np.zeros(size, np.uint8)

    for size in (4000, 4000, 900, 900, 4000, 2000, 900, 6000, 6000):
        table(size)
    assert made == [4000, 900, 2000, 900, 6000, 6000]

    arrays = [_memory.empty((size,), np.uint8) for size in range(100_000, 400_000, 10_000)]
    assert sum(x.size for x in arrays) > 7_000_000
    arrays.clear()
    blocks = [block for blocks in _memory._free.values() for block in blocks]
    assert 0 < sum(block.size for block in blocks) == _memory._free_bytes <= 1_000_000


@pytest.mark.parametrize("channels, products", [(1, 1), (3, 1), (64, 31 * 31 * 4)])
def test_few_channels_under_a_filter_are_one_product(channels, products, monkeypatch):
    """More channels are a product for each pair of pixel and tap on the map."""
    made = []
    monkeypatch.setattr(_linear, "run", lambda kernel, *others, run=_linear.run: (
        made.append(len(others[3].x_index)), run(kernel, *others)))
    F.convolution_2d(random(2, channels, 32, 32), random(5, channels, 4, 4), stride=2, pad=1)
    F.deconvolution_2d(random(2, 5, 16, 16), random(5, channels, 4, 4), stride=2, pad=1)
    assert made == [products] * 2


@pytest.mark.parametrize("function", [
    lambda x, W, b: F.convolution_2d(x, W.reshape(16, 48, 2, 2), b, 2),
    lambda x, W, b: F.convolution_2d(x[:, :3], W[:, :48].reshape(16, 3, 4, 4), b, 2),
    lambda x, W, b: F.linear(x[:, :12], W, b)], ids=["convolution", "few channels", "linear"])
def test_more_threads_take_no_more_memory(function, monkeypatch):
    """Each thread once had a copy of the weights' gradients."""
    found = []
    for threads in ("1", "8"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        sizes = []
        for module in (_memory, _linear, _convolution):
            monkeypatch.setattr(module, "empty", functools.partial(recorded, sizes))
        variables = [chainer.Variable(x) for x in (
            random(5, 48, 4, 4), random(16, 192), random(16))]
        y = function(*variables)
        chainer.grad([F.sum(y)], variables)
        found.append(sizes)
    assert found[0] == found[1] != []


def recorded(sizes, shape, dtype, empty=_memory.empty):
    y = empty(shape, dtype)
    sizes.append(y.nbytes)
    return y


@pytest.mark.parametrize("small_products", [False, True])
@pytest.mark.parametrize("rows, big, small", [
    (2, 64, 256), (1, 6, 70), (8, 30, 33), (40, 64, 256), (310, 256, 64), (140, 96, 130),
    (35, 16, 1100)])
def test_wide_layers_have_chainers_values_however_their_products_are_made(
        rows, big, small, small_products, monkeypatch):
    """They are made whole, by columns in place or by columns side by side, by rows or by BLAS."""
    monkeypatch.setattr(_linear, "_has_small_products", lambda: small_products)
    W = random(small, big, 2, 2, seed=1)
    for name, x in (("convolution_2d", random(rows, big, 4, 4)),
                    ("deconvolution_2d", random(rows, small, 2, 2))):
        found = []
        for m in (F, stock):
            inputs = [chainer.Variable(x), chainer.Variable(W)]
            y = getattr(m, name)(*inputs, stride=2)
            gy = chainer.Variable(random(*y.shape, seed=2))
            found.append([y.array, *(g.array for g in chainer.grad([y], inputs, [gy]))])
        for ours, chainers in zip(*found, strict=True):
            np.testing.assert_allclose(ours, chainers, rtol=0, atol=2e-6 * np.abs(chainers).max())


TWO_ROWS = """
import time
import numpy as np
from chainer_cpu import _blas, _linear, functions as F
x, W = np.ones((2, 256, 4, 4), np.float32), np.ones((512, 256, 2, 2), np.float32)
def seconds(handful):
    _linear._HANDFUL, times = handful, []
    for _ in range(20):
        begin = time.process_time()
        F.convolution_2d(x, W, stride=2, pad=1)
        times.append(time.process_time() - begin)
    return min(times)
print(seconds(0), seconds(8), *(library.get("architecture") for library in _blas.libraries()))
"""


def test_two_rows_are_not_what_a_blas_copies_all_weights_for():
    """With AVX2 alone, a step at batch 2 took one thread 29 ms by the BLAS, and takes 13."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_ROWS], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1"})
    by_blas, by_hand, *architectures = done.stdout.split()
    if architectures == ["Haswell"]:  # where there is OpenBLAS, on x86
        assert float(by_hand) < 0.67 * float(by_blas)

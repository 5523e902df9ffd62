"""ReLU, leaky ReLU and tanh."""

import numpy as np

from chainer_cpu._compat import import_chainer
from chainer_cpu._kernels import floats, kernel
from chainer_cpu._maps import constant, dense, dense_view
from chainer_cpu._memory import empty
from chainer_cpu._node import FirstOrder
from chainer_cpu._queue import queue, run

chainer = import_chainer()


@kernel
def _rectify(share, shares, job):
    """y = x where x > 0, else slope * x. NaN comes through; -inf times 0 is 0."""
    x, slopes, y = floats(job, 0), floats(job, 1), floats(job, 2)
    zero, slope = x.dtype.type(0), slopes[0]
    begin, end = len(x) * share // shares, len(x) * (share + 1) // shares
    x, y = x[begin:end], y[begin:end]
    if slope == zero:
        for i in range(len(x)):
            value = x[i]
            y[i] = zero if value <= zero else value
    else:
        for i in range(len(x)):
            value = x[i]
            y[i] = value * slope if value <= zero else value


def rectify(x: np.ndarray, slope: float, y: np.ndarray) -> None:
    run(_rectify, x.size // 4, (x, constant(slope, x.dtype), y))


@kernel
def _rectify_backward(share, shares, job):
    """gx = gy where y > 0, else slope * gy. NaN in gy comes through, whatever y is."""
    gy, y, slopes, gx = floats(job, 0), floats(job, 1), floats(job, 2), floats(job, 3)
    zero, one, slope = y.dtype.type(0), y.dtype.type(1), slopes[0]
    of_nan = zero if slope == zero else one  # as Chainer's two functions have it
    begin, end = len(y) * share // shares, len(y) * (share + 1) // shares
    gy, y, gx = gy[begin:end], y[begin:end], gx[begin:end]
    for i in range(len(y)):
        gx[i] = gy[i] * (one if y[i] > zero else slope if y[i] <= zero else of_nan)


def rectify_backward(gy: np.ndarray, y: np.ndarray, slope: float, gx: np.ndarray) -> None:
    run(_rectify_backward, y.size // 3, (gy, y, constant(slope, y.dtype), gx))


@kernel
def _tanh_backward(share, shares, job):
    """gx = gy * (1 - y * y)."""
    gy, y, gx = floats(job, 0), floats(job, 1), floats(job, 2)
    one = y.dtype.type(1)
    begin, end = len(y) * share // shares, len(y) * (share + 1) // shares
    gy, y, gx = gy[begin:end], y[begin:end], gx[begin:end]
    for i in range(len(y)):
        gx[i] = gy[i] * (one - y[i] * y[i])


def tanh_backward(gy: np.ndarray, y: np.ndarray, gx: np.ndarray) -> None:
    run(_tanh_backward, y.size // 3, (gy, y, gx))


class _Activation(FirstOrder, chainer.FunctionNode):
    """An elementwise function whose gradient is computed from its output."""

    is_elementwise = True

    def values(self, inputs):
        self.retain_outputs((0,))
        x, back = dense_view(inputs[0])
        y = empty(x.shape, x.dtype)
        self.compute(x, y)
        return y.transpose(back)

    def gradients(self, indexes, gy):
        y, back = dense_view(self.get_retained_outputs()[0].array)
        gy = dense(gy.transpose(np.argsort(back)))
        gx = empty(y.shape, y.dtype)
        self.compute_gradient(gy, y, gx)
        yield gx.transpose(back)


class ReLU(_Activation):
    """Chainer's ReLU, first order."""

    slope, follows = 0, (0,)

    def compute(self, x, y):
        rectify(x, self.slope, y)

    def compute_gradient(self, gy, y, gx):
        rectify_backward(gy, y, self.slope, gx)


class LeakyReLU(ReLU):
    """Chainer's LeakyReLU, first order, for a slope above 0."""

    def __init__(self, slope):
        self.slope = slope


class Tanh(_Activation):
    """Chainer's Tanh, first order."""

    def compute(self, x, y):
        queue().flush()
        np.tanh(x, out=y)  # NumPy computes it faster than memory is read and written

    def compute_gradient(self, gy, y, gx):
        tanh_backward(gy, y, gx)

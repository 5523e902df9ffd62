"""ReLU, leaky ReLU and tanh."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._maps import constant, dense, dense_view
from chainer_cpu._memory import empty
from chainer_cpu._node import FirstOrder

chainer = import_chainer()


class _Activation(FirstOrder, chainer.FunctionNode):
    """A function of each number by itself, whose gradient is one of its output."""

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
        _workers.run(_kernels.RECTIFY, x.size // 4, (x, constant(self.slope, x.dtype), y))

    def compute_gradient(self, gy, y, gx):
        _workers.run(_kernels.RECTIFY_BACKWARD, y.size // 3,
                     (gy, y, constant(self.slope, y.dtype), gx))


class LeakyReLU(ReLU):
    """Chainer's LeakyReLU, first order, for a slope above 0."""

    def __init__(self, slope):
        self.slope = slope


class Tanh(_Activation):
    """Chainer's Tanh, first order."""

    def compute(self, x, y):
        _workers.queue.flush()
        np.tanh(x, out=y)  # quicker than reading and writing the numbers is

    def compute_gradient(self, gy, y, gx):
        _workers.run(_kernels.TANH_BACKWARD, y.size // 3, (gy, y, gx))

"""reshape and softmax_cross_entropy, for which Chainer's checks take longer than the function."""

import numpy as np

from chainer_cpu._compat import import_chainer
from chainer_cpu._maps import dense
from chainer_cpu._node import FirstOrder
from chainer_cpu._queue import queue

chainer = import_chainer()


class Reshape(FirstOrder, chainer.FunctionNode):
    """Chainer's Reshape, of first order."""

    follows = (0,)

    def __init__(self, shape):
        self.shape = shape

    def values(self, inputs):
        x, = inputs
        self.original = x.shape
        return dense(x).reshape(self.shape)

    def gradients(self, indexes, gy):
        yield dense(gy).reshape(self.original)


class SoftmaxCrossEntropy(FirstOrder, chainer.FunctionNode):
    """Chainer's SoftmaxCrossEntropy, of first order: the mean over a batch of logits (N, K)."""

    def __init__(self, t):
        self.t = t

    def values(self, inputs):
        x, = inputs
        queue().flush()
        log_p = x - x.max(axis=1, keepdims=True)
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        self.log_p = log_p
        return np.asarray(log_p[np.arange(len(x)), self.t].sum() * x.dtype.type(-1 / len(x)))

    def gradients(self, indexes, gy):
        queue().flush()
        gx = np.exp(self.log_p)
        gx[np.arange(len(gx)), self.t] -= 1
        gx *= gy * gx.dtype.type(1 / len(gx))
        yield gx

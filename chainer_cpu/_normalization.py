"""Batch normalization."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._memory import FirstOrder, constant, empty, nchw, pixel_major, totals

chainer = import_chainer()


class BatchNormalization(FirstOrder, chainer.FunctionNode):
    """Chainer's BatchNormalization for (N, C) and (N, C, H, W), training mode, first order.

    With comm, a ChainerMN communicator, x is this process's share of the batch that the statistics
    are of, and the gradients of gamma and beta are the share's part of them.
    """

    def __init__(self, eps, running_mean, running_var, decay, comm=None):
        self.eps, self.decay, self.comm = eps, decay, comm
        self.running_mean, self.running_var = running_mean, running_var

    def forward(self, inputs):
        x, gamma, beta = inputs
        self.retain_inputs((1,))
        self.is_nchw = x.ndim == 4 and x.flags.c_contiguous
        # Kept instead of x: the same memory, or the only pixel-major copy.
        self.x = _dense(x)
        self.rows, mean, var = self._moments()
        mean, var = mean.astype(x.dtype), var.astype(x.dtype)
        self.statistics = np.array(
            (mean, np.reciprocal(np.sqrt(var + x.dtype.type(self.eps))), gamma, beta))
        if self.running_mean is not None:
            self.running_mean *= self.decay
            self.running_mean += (1 - self.decay) * mean
            self.running_var *= self.decay
            self.running_var += (1 - self.decay) * (self.rows / (self.rows - 1)) * var
        y = empty(self.x.shape, x.dtype)
        _workers.run(_kernels.NORMALIZE, y.size // 4, (self.x, self.statistics, y),
                     (y.size // len(gamma), len(gamma)))
        return y.reshape(x.shape) if x.ndim == 2 else y.transpose(2, 3, 0, 1),

    def _moments(self):
        """Of the batch: the number of rows, and each channel's mean and variance, float64."""
        channels = self.x.shape[-1]
        rows = self.x.size // channels
        mean, square = totals(_kernels.MOMENTS, (self.x,), 2) / rows
        mean, var = mean + self.x.reshape(-1, channels)[0], square - mean * mean
        if self.comm is None:
            return rows, mean, var
        sums = self.comm.allreduce(rows * np.array([np.ones(channels), mean, var + mean * mean]))
        rows = sums[0, 0]
        mean, square = sums[1:] / rows
        return rows, mean, square - mean * mean

    def gradients(self, indexes, gy, slope=1):
        """The gradients. With another slope than 1, gy is that behind a (leaky) ReLU of it."""
        gamma, shape = self.get_retained_inputs()[0].array, gy.shape
        gy, slope = _dense(gy), constant(slope, gy.dtype)
        gbeta, ggamma = sums = totals(
            _kernels.NORMALIZE_SUMS, (gy, self.x, self.statistics, slope), 2)
        if 0 in indexes:
            over_batch = sums if self.comm is None else self.comm.allreduce(sums)
            factors = np.array((gamma * self.statistics[1], *over_batch / self.rows), gy.dtype)
            gx = empty(self.x.shape, self.x.dtype)
            _workers.run(_kernels.NORMALIZE_BACKWARD, gx.size // 3,
                         (gy, self.x, self.statistics, slope, factors, gx),
                         (gx.size // len(gamma), len(gamma)))
            if len(shape) == 2:
                yield gx.reshape(shape)
            else:
                yield nchw(gx) if self.is_nchw else gx.transpose(2, 3, 0, 1)
        if 1 in indexes:
            yield ggamma.astype(gy.dtype)
        if 2 in indexes:
            yield gbeta.astype(gy.dtype)


def _dense(x):
    """x as (1, 1, N, C) or (H, W, N, C)."""
    return np.ascontiguousarray(x)[None, None] if x.ndim == 2 else pixel_major(x)

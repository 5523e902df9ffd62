"""Batch normalization."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._maps import constant, dense, nchw, no_bias, pixel_major, totals
from chainer_cpu._memory import empty
from chainer_cpu._node import FirstOrder

chainer = import_chainer()


class BatchNormalization(FirstOrder, chainer.FunctionNode):
    """Chainer's BatchNormalization for (N, C) and (N, C, H, W), training mode, first order.

    With comm, a ChainerMN communicator, x is this process's share of the batch that the statistics
    are of, and the gradients of gamma and beta are the share's part of them.
    """

    def __init__(self, eps, running_mean, running_var, decay, comm=None):
        self.eps, self.decay, self.comm = eps, decay, comm
        self.running_mean, self.running_var = running_mean, running_var

    def values(self, inputs):
        x, gamma, beta = inputs
        self.retain_inputs((1,))
        self.is_nchw = x.ndim == 4 and x.flags.c_contiguous
        # Kept instead of x: the same memory, or the only pixel-major copy.
        self.x = _dense(x)
        self.rows, first, sums = self._moments()
        self.statistics = np.empty((4, len(gamma)), x.dtype)
        given = [a for a in (self.running_mean, self.running_var) if a is not None]
        running = [np.require(a, None, "CW") for a in given] or [no_bias(x.dtype)] * 2
        _workers.run(_kernels.STATISTICS, 0,
                     (first, dense(gamma), dense(beta), *running, self.statistics), (self.rows,),
                     (sums, np.array((self.eps, self.decay))))
        y = empty(self.x.shape, x.dtype)
        _workers.run(_kernels.NORMALIZE, y.size // 4, (self.x, self.statistics, y),
                     (y.size // len(gamma), len(gamma)))
        for array, moved in zip(given, running, strict=False):
            if moved is not array:
                _workers.queue.flush()
                array[...] = moved
        return y.reshape(x.shape) if x.ndim == 2 else y.transpose(2, 3, 0, 1)

    def _moments(self):
        """Of the batch: the number of rows, a row, and the sums of differences from it."""
        channels = self.x.shape[-1]
        rows, first = self.x.size // channels, self.x.reshape(-1, channels)[0]
        sums, _ = totals(_kernels.MOMENTS, (self.x,), 2)
        if self.comm is None:
            return rows, first, sums
        _workers.queue.flush()
        # Each process has a first row of its own; what they add up is about zero.
        offset = sums[0] / rows
        mean, var = first + offset, sums[1] / rows - offset * offset
        sums = self.comm.allreduce(rows * np.array([np.ones(channels), mean, var + mean * mean]))
        return int(sums[0, 0]), np.zeros_like(first), np.ascontiguousarray(sums[1:])

    def gradients(self, indexes, gy, slope=1):
        """The gradients. With another slope than 1, gy is that behind a (leaky) ReLU of it."""
        channels, shape = self.x.shape[-1], gy.shape
        gy, slope = _dense(gy), constant(slope, gy.dtype)
        sums, (gbeta, ggamma) = totals(
            _kernels.NORMALIZE_SUMS, (gy, self.x, self.statistics, slope), 2)
        if 0 in indexes:
            if self.comm is not None:
                _workers.queue.flush()
                sums = np.ascontiguousarray(self.comm.allreduce(sums))
            gx = empty(self.x.shape, self.x.dtype)
            _workers.run(_kernels.NORMALIZE_BACKWARD, gx.size // 3,
                         (gy, self.x, self.statistics, slope, gx),
                         (gx.size // channels, channels, self.rows), (sums,))
            if len(shape) == 2:
                yield gx.reshape(shape)
            else:
                yield nchw(gx) if self.is_nchw else gx.transpose(2, 3, 0, 1)
        if 1 in indexes:
            yield ggamma
        if 2 in indexes:
            yield gbeta


def _dense(x):
    """x as (1, 1, N, C) or (H, W, N, C)."""
    return dense(x)[None, None] if x.ndim == 2 else pixel_major(x)

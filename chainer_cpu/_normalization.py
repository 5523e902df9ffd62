"""Batch normalization, and the ReLU that follows it without a pass of its own."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._memory import FirstOrder, dense_view, empty, nchw, pixel_major

chainer = import_chainer()


class Normalized(chainer.Variable):
    """A batch normalization's output, whose array is computed when it is first looked at.

    ``relu`` does not look: it takes the input of the normalization and makes its own array in one
    pass, which saves writing and reading this one.
    """

    normalization = None

    @property
    def _data(self):
        cell = self.__dict__["_data"]
        if self.normalization is not None:
            cell[0], self.normalization = self.normalization.values(relu=False), None
        return cell

    @_data.setter
    def _data(self, cell):
        self.__dict__["_data"] = cell


class BatchNormalization(FirstOrder, chainer.FunctionNode):
    """Chainer's BatchNormalization for (N, C) and (N, C, H, W), training mode, first order."""

    masked = None

    def __init__(self, eps, running_mean, running_var, decay):
        self.eps, self.decay = eps, decay
        self.running_mean, self.running_var = running_mean, running_var

    def forward(self, inputs):
        x, gamma, beta = inputs
        self.shape, self.is_nchw = x.shape, x.flags.c_contiguous
        # Kept instead of x: the same memory, or the only pixel-major copy.
        self.x = np.ascontiguousarray(x)[None, None] if x.ndim == 2 else pixel_major(x)
        mean, var = self._moments(len(gamma))
        inv_std = np.reciprocal(np.sqrt(var + x.dtype.type(self.eps)))
        self.scales = np.stack((mean, inv_std, gamma, beta))
        if self.running_mean is not None:
            rows = self.x.size // len(gamma)
            self.running_mean *= self.decay
            self.running_mean += (1 - self.decay) * mean
            self.running_var *= self.decay
            self.running_var += (1 - self.decay) * (rows / max(rows - 1, 1)) * var
        # Stands in for the values, see Normalized.
        return np.broadcast_to(np.empty((), x.dtype), x.shape),

    def _rows(self):
        return self.x.size // self.x.shape[-1]

    def _tasks(self):
        return min(self._rows(), -(-self.x.size // _kernels.TASK_SIZE))

    def _moments(self, channels):
        rows, tasks = self._rows(), self._tasks()
        means, squares = np.empty((2, tasks, channels), self.x.dtype)
        _workers.run(_kernels.MOMENTS, self.x.size // 4, (self.x, means, squares),
                     (rows, channels, tasks))
        counts = np.diff(np.arange(tasks + 1) * rows // tasks)[:, None].astype(np.float64)
        mean = (counts * means).sum(axis=0) / rows
        square = squares.sum(axis=0, dtype=np.float64) + (counts * (means - mean) ** 2).sum(axis=0)
        return mean.astype(self.x.dtype), (square / rows).astype(self.x.dtype)

    def values(self, relu):
        """The output, or the positive part of it, as an array of the input's shape."""
        y = empty(self.x.shape, self.x.dtype)
        _workers.run(_kernels.NORMALIZE, self.x.size // 4, (self.x, self.scales, y),
                     (self._rows(), self.scales.shape[1], relu))
        return y.reshape(self.shape) if len(self.shape) == 2 else y.transpose(2, 3, 0, 1)

    def sums(self, gy, relu):
        """gbeta and ggamma; with relu, also gy where the output is positive, which gy becomes."""
        gy = self._dense(gy)
        masked = empty(gy.shape, gy.dtype) if relu else gy
        gbetas, ggammas = np.empty((2, self._tasks(), gy.shape[-1]), gy.dtype)
        _workers.run(_kernels.NORMALIZE_SUMS, gy.size // 2,
                     (gy, self.x, self.scales, masked, gbetas, ggammas),
                     (self._rows(), *gbetas.shape[::-1], relu))
        return masked, *(partial.sum(axis=0, dtype=np.float64).astype(gy.dtype)
                         for partial in (gbetas, ggammas))

    def masked_gradient(self, gy):
        """What the gradient behind a ReLU is in front of it. The sums over it are kept."""
        masked, gbeta, ggamma = self.sums(gy, relu=True)
        array = masked.reshape(self.shape) if gy.ndim == 2 else masked.transpose(2, 3, 0, 1)
        self.masked = array, (masked, gbeta, ggamma)
        return array

    def gradients(self, indexes, gy):
        if self.masked is not None and self.masked[0] is gy:
            gy, gbeta, ggamma = self.masked[1]
        else:
            gy, gbeta, ggamma = self.sums(gy, relu=False)
        self.masked = None
        if 0 in indexes:
            gx = empty(self.x.shape, self.x.dtype)
            _workers.run(_kernels.NORMALIZE_BACKWARD, gy.size // 3,
                         (gy, self.x, self.scales, gbeta, ggamma, gx),
                         (self._rows(), len(gbeta)))
            if len(self.shape) == 2:
                yield gx.reshape(self.shape)
            else:
                yield nchw(gx) if self.is_nchw else gx.transpose(2, 3, 0, 1)
        if 1 in indexes:
            yield ggamma
        if 2 in indexes:
            yield gbeta

    def _dense(self, gy):
        return np.ascontiguousarray(gy)[None, None] if gy.ndim == 2 else pixel_major(gy)


class ReLU(FirstOrder, chainer.FunctionNode):
    """Chainer's ReLU, first order. ``normalization`` is the node that x comes from, if one does."""

    is_elementwise = True

    def __init__(self, normalization=None):
        self.normalization = normalization

    def forward(self, inputs):
        x, = inputs
        if self.normalization is not None:
            return self.normalization.values(relu=True),
        self.retain_outputs((0,))
        x, back = dense_view(x)
        y = empty(x.shape, x.dtype)
        _workers.run(_kernels.POSITIVE, x.size // 4, (x, y))
        return y.transpose(back),

    def gradients(self, indexes, gy):
        if self.normalization is not None:
            yield self.normalization.masked_gradient(gy)
            return
        y, back = dense_view(self.get_retained_outputs()[0].array)
        gy = np.ascontiguousarray(gy.transpose(np.argsort(back)))
        gx = empty(y.shape, y.dtype)
        _workers.run(_kernels.POSITIVE_BACKWARD, y.size // 3, (gy, y, gx))
        yield gx.transpose(back)

"""How maps lie in memory, and sums over their pixels."""

import functools

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._memory import empty

# A sum over rows is made of this many at most.
_TASKS = 32

# A map (N, C, H, W) is pixel-major where its transposed view (H, W, N, C) is dense.

def pixel_major(x):
    """The dense (H, W, N, C) array of a map x, (N, C, H, W): a view if that is how it lies."""
    view = x.transpose(2, 3, 0, 1)
    if view.flags.c_contiguous:
        return view
    n, c, h, w = x.shape
    out = empty(view.shape, x.dtype)
    x = dense(x)
    _workers.run(_kernels.TRANSPOSE, x.size, (x, out), (n, c, h * w))
    return out


def nchw(array):
    """A dense (H, W, N, C) array as a dense (N, C, H, W) one."""
    h, w, n, c = array.shape
    out = empty((n, c, h, w), array.dtype)
    _workers.run(_kernels.TRANSPOSE_BACK, array.size, (array, out), (n, c, h * w))
    return out


def totals(kernel, arrays, number, channels=None):
    """Runs a kernel that sums over all rows of arrays[0], (..., C).

    Returns the sums, (number, C), as float64 and in the dtype of the arrays. Where channels are
    fewer than C, sums for the same channel are added up, too.
    """
    size, columns = arrays[0].size, arrays[0].shape[-1]
    tasks = min(_TASKS, size // columns, -(-size // _kernels.TASK_SIZE))
    partial = np.empty((number, tasks, columns))
    _workers.run(kernel, size // 4, arrays, (size // columns, columns, tasks), (partial,))
    channels = channels or columns
    sums, out = np.empty((number, channels)), np.empty((number, channels), arrays[0].dtype)
    _workers.run(_kernels.TOTALS, 0, (out,), (tasks * columns // channels, channels),
                 (partial, sums))
    return sums, out


def column_sums(x):
    """Sums over all but the last axis of dense x."""
    channels = x.shape[-1]
    # Of few columns several rows are summed as one, since short loops are slow.
    together = 16 if channels < 16 and x.size % (16 * channels) == 0 else 1
    return totals(_kernels.SUMS, (x.reshape(-1, together * channels),), 1, channels)[1][0]


def added(x, y):
    """x + y."""
    alike = x.dtype == y.dtype and x.dtype in _kernels.GEMM and x.strides == y.strides
    if not alike or not (x.flags.c_contiguous or is_pixel_major(x)):
        _workers.queue.flush()
        return x + y
    (x, back), (y, _) = dense_view(x), dense_view(y)
    out = empty(x.shape, x.dtype)
    _workers.run(_kernels.ACCUMULATE, x.size // 4, (x, y, out))
    return out.transpose(back)


def is_pixel_major(x):
    """Whether x is a map in pixel-major memory (and not, as one pixel is, a plain matrix too)."""
    return x.ndim == 4 and not x.flags.c_contiguous and x.transpose(2, 3, 0, 1).flags.c_contiguous


def dense(x):
    """x as a dense array, which may be one that waits for its numbers."""
    if not x.flags.c_contiguous and _workers.queue.needs(x):
        _workers.queue.flush()
    return np.asarray(x, order="C")


def matrix(x):
    return dense(x).reshape(len(x), -1)


def dense_view(x):
    """x as a dense array with its axes in another order, and the order that leads back."""
    if is_pixel_major(x):
        return x.transpose(2, 3, 0, 1), (2, 3, 0, 1)
    return dense(x), tuple(range(x.ndim))


@functools.cache
def constant(value, dtype):
    return np.array([value], dtype)


@functools.cache
def no_bias(dtype):
    return np.empty(0, dtype)

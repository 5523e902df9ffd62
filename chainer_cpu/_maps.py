"""How maps lie in memory, and sums over their pixels."""

import functools

import numpy as np

from chainer_cpu._kernels import DTYPES, TASK_SIZE, doubles, floats, helper, kernel, numbers
from chainer_cpu._memory import empty
from chainer_cpu._queue import queue, run

# Tasks of a sum over rows, at most.
_TASKS = 32

# A map (N, C, H, W) is pixel-major where its transposed view (H, W, N, C) is dense.

@kernel
def _transpose(share, shares, job):
    """y[p, n, c] = x[n, c, p]: to pixel-major memory."""
    x, y = floats(job, 0), floats(job, 1)
    rows, channels, pixels = numbers(job, 3)
    x, y = x.reshape((rows, channels, pixels)), y.reshape((pixels, rows, channels))
    for n in range(rows * share // shares, rows * (share + 1) // shares):
        for p in range(pixels):
            for c in range(channels):
                y[p, n, c] = x[n, c, p]


def pixel_major(x: np.ndarray) -> np.ndarray:
    """Returns a map x, (N, C, H, W), as a dense (H, W, N, C) array: a view if x lies so."""
    view = x.transpose(2, 3, 0, 1)
    if view.flags.c_contiguous:
        return view
    n, c, h, w = x.shape
    out = empty(view.shape, x.dtype)
    x = dense(x)
    run(_transpose, x.size, (x, out), (n, c, h * w))
    return out


@kernel
def _transpose_back(share, shares, job):
    """x[n, c, p] = y[p, n, c]: from pixel-major memory."""
    y, x = floats(job, 0), floats(job, 1)
    rows, channels, pixels = numbers(job, 3)
    x, y = x.reshape((rows, channels, pixels)), y.reshape((pixels, rows, channels))
    for n in range(rows * share // shares, rows * (share + 1) // shares):
        for c in range(channels):
            for p in range(pixels):
                x[n, c, p] = y[p, n, c]


def nchw(array: np.ndarray) -> np.ndarray:
    """Copies a dense (H, W, N, C) array to a dense (N, C, H, W) one."""
    h, w, n, c = array.shape
    out = empty((n, c, h, w), array.dtype)
    run(_transpose_back, array.size, (array, out), (n, c, h * w))
    return out


# Sums over rows are float64. Four rows at a time are as fast as memory is read.

@helper
def fours(x, begin, end, channels):
    """Returns the rows from begin to end as (n, 4, C), and the remaining rows as (m, C)."""
    middle = end - (end - begin) % 4
    return (x[begin * channels:middle * channels].reshape((-1, 4, channels)),
            x[middle * channels:end * channels].reshape((-1, channels)))


@kernel
def _sums(share, shares, job):
    """Sums the rows of each task: x is (rows, C), totals (tasks, C)."""
    x, totals = floats(job, 0), doubles(job, 0)
    rows, channels, tasks = numbers(job, 3)
    totals = totals.reshape((tasks, channels))
    for t in range(tasks * share // shares, tasks * (share + 1) // shares):
        total = totals[t]
        total[:] = 0
        several, rest = fours(x, rows * t // tasks, rows * (t + 1) // tasks, channels)
        for i in range(len(several)):
            four = several[i]
            for c in range(channels):
                total[c] += (four[0, c] + four[1, c]) + (four[2, c] + four[3, c])
        for row in rest:
            for c in range(channels):
                total[c] += row[c]


@kernel
def _totals(share, shares, job):
    """Sums the tasks: partial is (n, tasks, C), sums (n, C), out the same in another dtype."""
    out, partial, sums = floats(job, 0), doubles(job, 0), doubles(job, 1)
    tasks, channels = numbers(job, 2)
    partial, sums = partial.reshape((-1, tasks, channels)), sums.reshape((-1, channels))
    for i in range(len(sums) * share // shares, len(sums) * (share + 1) // shares):
        total = sums[i]
        total[:] = 0
        for row in partial[i]:
            for c in range(channels):
                total[c] += row[c]
        if len(out):
            for c in range(channels):
                out[i * channels + c] = total[c]


def totals(kernel: kernel, arrays: tuple, number: int,
           channels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Runs a kernel like ``_sums``, which sums over all rows of arrays[0], (..., C).

    Returns the sums, (number, C), as float64 and in the dtype of the arrays. With fewer channels
    than C, sums columns of the same channel, too: (number, channels).
    """
    size, columns = arrays[0].size, arrays[0].shape[-1]
    tasks = min(_TASKS, size // columns, -(-size // TASK_SIZE))
    partial = np.empty((number, tasks, columns))
    run(kernel, size // 4, arrays, (size // columns, columns, tasks), (partial,))
    channels = channels or columns
    sums, out = np.empty((number, channels)), np.empty((number, channels), arrays[0].dtype)
    run(_totals, 0, (out,), (tasks * columns // channels, channels), (partial, sums))
    return sums, out


def column_sums(x: np.ndarray) -> np.ndarray:
    """Sums dense x over all but its last axis."""
    channels = x.shape[-1]
    # Rows of few columns are joined, since short loops are slow.
    together = 16 if channels < 16 and x.size % (16 * channels) == 0 else 1
    return totals(_sums, (x.reshape(-1, together * channels),), 1, channels)[1][0]


@kernel
def _accumulate(share, shares, job):
    """out = x + y."""
    x, y, out = floats(job, 0), floats(job, 1), floats(job, 2)
    for i in range(len(x) * share // shares, len(x) * (share + 1) // shares):
        out[i] = x[i] + y[i]


def added(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns x + y."""
    alike = x.dtype == y.dtype and x.dtype in DTYPES and x.strides == y.strides
    if not alike or not (x.flags.c_contiguous or is_pixel_major(x)):
        queue().flush()
        return x + y
    (x, back), (y, _) = dense_view(x), dense_view(y)
    out = empty(x.shape, x.dtype)
    run(_accumulate, x.size // 4, (x, y, out))
    return out.transpose(back)


def is_pixel_major(x):
    """Whether x is a map in pixel-major memory. (A map of one pixel counts as a matrix.)"""
    return x.ndim == 4 and not x.flags.c_contiguous and x.transpose(2, 3, 0, 1).flags.c_contiguous


def dense(x: np.ndarray) -> np.ndarray:
    """Returns x as a dense array. Its numbers may still be in the queue."""
    if not x.flags.c_contiguous and queue().needs(x):
        queue().flush()
    return np.asarray(x, order="C")


def matrix(x):
    return dense(x).reshape(len(x), -1)


def dense_view(x):
    """Returns x as a dense array with its axes transposed, and the order that transposes back."""
    if is_pixel_major(x):
        return x.transpose(2, 3, 0, 1), (2, 3, 0, 1)
    return dense(x), tuple(range(x.ndim))


@functools.cache
def constant(value, dtype):
    return np.array([value], dtype)


@functools.cache
def no_bias(dtype):
    return np.empty(0, dtype)

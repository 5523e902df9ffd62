"""Batch normalization."""

import numpy as np

from chainer_cpu._compat import import_chainer
from chainer_cpu._kernels import doubles, floats, helper, kernel, numbers
from chainer_cpu._maps import constant, dense, fours, nchw, no_bias, pixel_major, totals
from chainer_cpu._memory import empty
from chainer_cpu._node import FirstOrder
from chainer_cpu._queue import queue, run

chainer = import_chainer()


@kernel
def _moments(share, shares, job):
    """Sums, over each task's rows, the difference from x's first row, and the difference's square.

    totals is (2, tasks, C). The mean is not known yet; differences from any row keep the digits of
    a mean that is large beside the spread.
    """
    x, totals = floats(job, 0), doubles(job, 0)
    rows, channels, tasks = numbers(job, 3)
    totals = totals.reshape((2, tasks, channels))
    pivot = x[:channels].astype(np.float64)
    for t in range(tasks * share // shares, tasks * (share + 1) // shares):
        total, square = totals[0, t], totals[1, t]
        total[:] = 0
        square[:] = 0
        several, rest = fours(x, rows * t // tasks, rows * (t + 1) // tasks, channels)
        for i in range(len(several)):
            four = several[i]
            for c in range(channels):
                p = pivot[c]
                d0, d1, d2, d3 = four[0, c] - p, four[1, c] - p, four[2, c] - p, four[3, c] - p
                total[c] += (d0 + d1) + (d2 + d3)
                square[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
        for row in rest:
            for c in range(channels):
                difference = row[c] - pivot[c]
                total[c] += difference
                square[c] += difference * difference


@kernel
def _statistics(share, shares, job):
    """Computes the statistics of a batch of rows from the totals of ``_moments`` about first.

    settings are eps and decay; out is (4, C): mean, inv_std, gamma, beta. Updates the running
    averages unless they are empty, the variance's with the unbiased variance, as Chainer does.
    """
    first, gamma, beta = floats(job, 0), floats(job, 1), floats(job, 2)
    running_mean, running_var, out = floats(job, 3), floats(job, 4), floats(job, 5)
    sums, settings = doubles(job, 0), doubles(job, 1)
    rows, = numbers(job, 1)
    channels, dtype = len(gamma), out.dtype.type
    one, eps, decay = dtype(1), dtype(settings[0]), dtype(settings[1])
    fresh, fresh_var = dtype(1 - settings[1]), dtype((1 - settings[1]) * (rows / (rows - 1)))
    for c in range(channels * share // shares, channels * (share + 1) // shares):
        offset = sums[c] / rows
        mean = dtype(first[c] + offset)
        var = dtype(sums[channels + c] / rows - offset * offset)
        out[c] = mean
        out[channels + c] = one / np.sqrt(var + eps)
        out[2 * channels + c] = gamma[c]
        out[3 * channels + c] = beta[c]
        if len(running_mean):
            running_mean[c] = running_mean[c] * decay + fresh * mean
            running_var[c] = running_var[c] * decay + fresh_var * var


def batch_statistics(first, gamma, beta, running_mean, running_var, out, sums, settings, rows):
    run(_statistics, 0, (first, gamma, beta, running_mean, running_var, out), (rows,),
        (sums, settings))


@helper
def _four(statistics, channels):
    return (statistics[:channels], statistics[channels:2 * channels],
            statistics[2 * channels:3 * channels], statistics[3 * channels:])


@kernel
def _normalize(share, shares, job):
    """y = gamma * (x - mean) * inv_std + beta on (rows, C).

    statistics is (4, C): mean, inv_std, gamma, beta.
    """
    x, statistics, y = floats(job, 0), floats(job, 1), floats(job, 2)
    rows, channels = numbers(job, 2)
    mean, inv_std, gamma, beta = _four(statistics, channels)
    for r in range(rows * share // shares, rows * (share + 1) // shares):
        row, out = x[r * channels:(r + 1) * channels], y[r * channels:(r + 1) * channels]
        for c in range(channels):
            out[c] = gamma[c] * ((row[c] - mean[c]) * inv_std[c]) + beta[c]


def normalize(x: np.ndarray, statistics: np.ndarray, y: np.ndarray) -> None:
    channels = x.shape[-1]
    run(_normalize, y.size // 4, (x, statistics, y), (y.size // channels, channels))


@helper
def _slope_at(y, slope):
    """Returns the derivative of a (leaky) ReLU whose output is y."""
    return type(y)(1) if y > type(y)(0) else slope


# gy is the gradient behind a (leaky) ReLU of that slope. A slope of 1 means that none follows.

@kernel
def _normalize_sums(share, shares, job):
    """Sums gy and gy * x_hat over each task's rows; totals is (2, tasks, C)."""
    gy, x, statistics, slopes = floats(job, 0), floats(job, 1), floats(job, 2), floats(job, 3)
    totals = doubles(job, 0)
    rows, channels, tasks = numbers(job, 3)
    totals = totals.reshape((2, tasks, channels))
    mean, inv_std, gamma, beta = _four(statistics, channels)
    slope = slopes[0]
    for t in range(tasks * share // shares, tasks * (share + 1) // shares):
        gbeta, ggamma = totals[0, t], totals[1, t]
        gbeta[:] = 0
        ggamma[:] = 0
        begin, end = rows * t // tasks, rows * (t + 1) // tasks
        several, rest = fours(x, begin, end, channels)
        gy_several, gy_rest = fours(gy, begin, end, channels)
        for i in range(len(several)):
            four, g = several[i], gy_several[i]
            for c in range(channels):
                m, s, a, b = mean[c], inv_std[c], gamma[c], beta[c]
                x0, x1, x2, x3 = ((four[0, c] - m) * s, (four[1, c] - m) * s,
                                  (four[2, c] - m) * s, (four[3, c] - m) * s)
                g0, g1, g2, g3 = (g[0, c] * _slope_at(a * x0 + b, slope),
                                  g[1, c] * _slope_at(a * x1 + b, slope),
                                  g[2, c] * _slope_at(a * x2 + b, slope),
                                  g[3, c] * _slope_at(a * x3 + b, slope))
                gbeta[c] += (g0 + g1) + (g2 + g3)
                ggamma[c] += (g0 * x0 + g1 * x1) + (g2 * x2 + g3 * x3)
        for i in range(len(rest)):
            row, g = rest[i], gy_rest[i]
            for c in range(channels):
                x_hat = (row[c] - mean[c]) * inv_std[c]
                value = g[c] * _slope_at(gamma[c] * x_hat + beta[c], slope)
                gbeta[c] += value
                ggamma[c] += value * x_hat


@kernel
def _normalize_backward(share, shares, job):
    """gx = gamma * inv_std * (gy - (x_hat * product_mean + gy_mean)).

    sums is (2, C), float64: the totals of ``_normalize_sums``. Their means are over batch_rows.
    """
    gy, x, statistics, slopes = floats(job, 0), floats(job, 1), floats(job, 2), floats(job, 3)
    gx, sums = floats(job, 4), doubles(job, 0)
    rows, channels, batch_rows = numbers(job, 3)
    mean, inv_std, gamma, beta = _four(statistics, channels)
    scale, gy_mean, product_mean = np.empty((3, channels), gx.dtype)
    for c in range(channels):
        scale[c] = gamma[c] * inv_std[c]
        gy_mean[c], product_mean[c] = sums[c] / batch_rows, sums[channels + c] / batch_rows
    slope = slopes[0]
    for r in range(rows * share // shares, rows * (share + 1) // shares):
        row, g = x[r * channels:(r + 1) * channels], gy[r * channels:(r + 1) * channels]
        out = gx[r * channels:(r + 1) * channels]
        for c in range(channels):
            x_hat = (row[c] - mean[c]) * inv_std[c]
            value = g[c] * _slope_at(gamma[c] * x_hat + beta[c], slope)
            out[c] = scale[c] * (value - (x_hat * product_mean[c] + gy_mean[c]))


def normalize_backward(gy: np.ndarray, x: np.ndarray, statistics: np.ndarray, slope: np.ndarray,
                       gx: np.ndarray, sums: np.ndarray, batch_rows: int) -> None:
    channels = x.shape[-1]
    run(_normalize_backward, gx.size // 3, (gy, x, statistics, slope, gx),
        (gx.size // channels, channels, batch_rows), (sums,))


class BatchNormalization(FirstOrder, chainer.FunctionNode):
    """Chainer's BatchNormalization for (N, C) and (N, C, H, W), in training mode, of first order.

    With comm, a ChainerMN communicator, x is this process's share of a batch. The statistics are
    those of the batch, the gradients of gamma and beta the share's: their sum is the batch's.
    """

    def __init__(self, eps, running_mean, running_var, decay, comm=None):
        self.eps, self.decay, self.comm = eps, decay, comm
        self.running_mean, self.running_var = running_mean, running_var

    def values(self, inputs):
        x, gamma, beta = inputs
        self.retain_inputs((1,))
        self.is_nchw = x.ndim == 4 and x.flags.c_contiguous
        # Kept for the gradients in the place of x: the same memory, or its only pixel-major copy.
        self.x = _dense(x)
        self.rows, first, sums = self._moments()
        self.statistics = np.empty((4, len(gamma)), x.dtype)
        given = [a for a in (self.running_mean, self.running_var) if a is not None]
        running = [np.require(a, None, "CW") for a in given] or [no_bias(x.dtype)] * 2
        batch_statistics(first, dense(gamma), dense(beta), *running, self.statistics, sums,
                         np.array((self.eps, self.decay)), self.rows)
        y = empty(self.x.shape, x.dtype)
        normalize(self.x, self.statistics, y)
        for array, moved in zip(given, running, strict=False):
            if moved is not array:
                queue().flush()
                array[...] = moved
        return y.reshape(x.shape) if x.ndim == 2 else y.transpose(2, 3, 0, 1)

    def _moments(self):
        """Returns the batch's number of rows, a row, and the moments about that row, (2, C)."""
        channels = self.x.shape[-1]
        rows, first = self.x.size // channels, self.x.reshape(-1, channels)[0]
        sums, _ = totals(_moments, (self.x,), 2)
        if self.comm is None:
            return rows, first, sums
        queue().flush()
        # Each process has another first row, so what they sum is about zero.
        offset = sums[0] / rows
        mean, var = first + offset, sums[1] / rows - offset * offset
        sums = self.comm.allreduce(rows * np.array([np.ones(channels), mean, var + mean * mean]))
        return int(sums[0, 0]), np.zeros_like(first), np.ascontiguousarray(sums[1:])

    def gradients(self, indexes, gy, slope=1):
        """Yields the gradients. gy may be the gradient behind a (leaky) ReLU of that slope."""
        shape = gy.shape
        gy, slope = _dense(gy), constant(slope, gy.dtype)
        sums, (gbeta, ggamma) = totals(
            _normalize_sums, (gy, self.x, self.statistics, slope), 2)
        if 0 in indexes:
            if self.comm is not None:
                queue().flush()
                sums = np.ascontiguousarray(self.comm.allreduce(sums))
            gx = empty(self.x.shape, self.x.dtype)
            normalize_backward(gy, self.x, self.statistics, slope, gx, sums, self.rows)
            if len(shape) == 2:
                yield gx.reshape(shape)
            else:
                yield nchw(gx) if self.is_nchw else gx.transpose(2, 3, 0, 1)
        if 1 in indexes:
            yield ggamma
        if 2 in indexes:
            yield gbeta


def _dense(x):
    """Returns x as (1, 1, N, C) or (H, W, N, C)."""
    return dense(x)[None, None] if x.ndim == 2 else pixel_major(x)

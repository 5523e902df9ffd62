"""The inner loops of the fast functions, compiled by Numba. Knows nothing of Chainer.

Memory is pixel-major: a map of shape (N, C, H, W) lies as (H, W, N, C), so that each pixel is a
dense (N, C) matrix and a convolution is a few dozen matrix products on whole pixels, in place,
without im2col. All arrays of numbers are flat, and all float32 or all float64.

Every kernel takes ``(share, shares, ...)`` and does that share of the work. Shares have outputs of
their own, so results do not depend on who did which, and when.

Why compiled and not NumPy's: docs/decisions.md, "Compiled kernels".
"""

import functools

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (loads the BLAS whose addresses are looked up below)
from numba import carray, cfunc, njit, types
from numba.extending import get_cython_function_address

from chainer_cpu._intrinsics import add, compiled, flush_denormals, gemm, pointer, restore_control

# Numbers per task in the elementwise kernels.
TASK_SIZE = 32768

GEMM = {np.dtype(dtype): get_cython_function_address("scipy.linalg.cython_blas", name)
        for dtype, name in ((np.float32, "sgemm"), (np.float64, "dgemm"))}

# Called from compiled code only.
_kernel = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_kernel
def products(share, shares, blas, order, first, x_index, w_index, x, x_step, ldx, w, w_step, ldw,
             transpose, y, y_step, ldy, rows, inner, cols, columns, column_step,
             bias, bias_step, pieces):
    """y[p] = bias + sum of x[x_index[i]] @ w[w_index[i]] over first[p] <= i < first[p + 1].

    x[q] is the (rows, inner) matrix that starts at q * x_step and has ldx numbers per row; y[p] and
    w[t] likewise. transpose says that w[t] lies as (cols, inner). An empty bias counts as zero.
    So many columns are multiplied at a time, the next of which begin column_step further on.
    The y[p] are made in pieces of their rows, and in the given order, which best is one that comes
    back to an x[q] soon.
    """
    zero, one = y.dtype.type(0), y.dtype.type(1)
    size = y.itemsize
    # A task's place in the sum of all tasks' costs, its products plus 1, says in which share it is.
    total = pieces * (len(x_index) + len(order))
    place = 0
    for piece in range(pieces):
        begin, end = rows * piece // pieces, rows * (piece + 1) // pieces
        for p in order:
            owner = place * shares // total
            place += first[p + 1] - first[p] + 1
            if owner != share:
                continue
            beta = zero
            if len(bias) or first[p] == first[p + 1]:
                beta = one
                for r in range(begin, end):
                    row = y[p * y_step + r * ldy:p * y_step + r * ldy + cols]
                    if len(bias):
                        source = bias[p * bias_step:p * bias_step + cols]
                        for c in range(cols):
                            row[c] = source[c]
                    else:
                        row[:] = zero
            for i in range(first[p], first[p + 1]):
                for column in range(0, cols, columns):
                    gemm(blas, 84 if transpose else 78, 78, columns, end - begin, inner,
                         w.ctypes.data + (w_index[i] * w_step + column * column_step) * size, ldw,
                         x.ctypes.data + (x_index[i] * x_step + begin * ldx) * size, ldx, beta,
                         y.ctypes.data + (p * y_step + begin * ldy + column) * size, ldy)
                beta = one


@_kernel
def panels(share, shares, w, out, inner, cols, columns, transpose):
    """Columns that are multiplied at a time lie together: out is (taps, cols / columns, inner,
    columns). w[t] is (inner, cols), or lies as (cols, inner) where transpose says so.
    """
    taps, number = len(w) // (inner * cols), cols // columns
    out = out.reshape((-1, inner, columns))
    by_row, by_column = w.reshape((taps, inner, cols)), w.reshape((taps, cols, inner))
    for task in range(len(out) * share // shares, len(out) * (share + 1) // shares):
        t, begin = task // number, task % number * columns
        source = by_column[t, begin:begin + columns]
        panel, rows = out[task], by_row[t, :, begin:begin + columns]
        # Unsigned indexes need no look at whether they are negative.
        for k in range(np.uint64(inner)):
            for c in range(np.uint64(columns)):
                panel[k, c] = source[c, k] if transpose else rows[k, c]


@_kernel
def weight_products(share, shares, blas, a_index, b_index, y_index, a, b, y, rows, m, n, pieces,
                    parts):
    """y[t] = sum of a[a_index[i]].T @ b[b_index[i]] over the i with y_index[i] == t.

    a[p] is (rows, m), b[p] is (rows, n), y[t] is (m, n). A share goes through all i, best in an
    order that comes back to an a[p] soon, and makes its own of the y[t], or pieces of them. All
    that is done in parts of the rows, one after the other.
    """
    zero, one = y.dtype.type(0), y.dtype.type(1)
    size = y.itemsize
    tasks = len(y) // (m * n) * pieces
    begun = np.zeros(tasks, np.bool_)
    for part in range(parts):
        low, high = rows * part // parts, rows * (part + 1) // parts
        for i in range(len(y_index)):
            for piece in range(pieces):
                task = y_index[i] * pieces + piece
                if task * shares // tasks != share:
                    continue
                begin, end = m * piece // pieces, m * (piece + 1) // pieces
                gemm(blas, 78, 84, n, end - begin, high - low,
                     b.ctypes.data + (b_index[i] * rows + low) * n * size, n,
                     a.ctypes.data + ((a_index[i] * rows + low) * m + begin) * size, m,
                     one if begun[task] else zero,
                     y.ctypes.data + (y_index[i] * m + begin) * n * size, n)
                begun[task] = True
    for task in range(tasks):
        if task * shares // tasks == share and not begun[task]:
            t, piece = divmod(task, pieces)
            y[(t * m + m * piece // pieces) * n:(t * m + m * (piece + 1) // pieces) * n] = zero


# Sums over rows are float64. Four rows at a time, so that reading them is what takes the time.

@_kernel
def _fours(x, begin, end, channels):
    """The rows from begin to end as (n, 4, C), and what is left over as (m, C)."""
    middle = end - (end - begin) % 4
    return (x[begin * channels:middle * channels].reshape((-1, 4, channels)),
            x[middle * channels:end * channels].reshape((-1, channels)))


@_kernel
def sums(share, shares, x, totals, rows, channels, tasks):
    """Sums over the rows of each task; x is (rows, C), totals (tasks, C)."""
    totals = totals.reshape((tasks, channels))
    for t in range(tasks * share // shares, tasks * (share + 1) // shares):
        total = totals[t]
        total[:] = 0
        fours, rest = _fours(x, rows * t // tasks, rows * (t + 1) // tasks, channels)
        for i in range(len(fours)):
            four = fours[i]
            for c in range(channels):
                total[c] += (four[0, c] + four[1, c]) + (four[2, c] + four[3, c])
        for row in rest:
            for c in range(channels):
                total[c] += row[c]


@_kernel
def moments(share, shares, x, totals, rows, channels, tasks):
    """Per task, sums over its rows of their difference from the first row of all and of its square.

    totals is (2, tasks, C). The first row stands for the mean, which is not known yet: a mean that
    is large beside the spread costs no digits.
    """
    totals = totals.reshape((2, tasks, channels))
    pivot = x[:channels].astype(np.float64)
    for t in range(tasks * share // shares, tasks * (share + 1) // shares):
        total, square = totals[0, t], totals[1, t]
        total[:] = 0
        square[:] = 0
        fours, rest = _fours(x, rows * t // tasks, rows * (t + 1) // tasks, channels)
        for i in range(len(fours)):
            four = fours[i]
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


@_kernel
def totals(share, shares, partial, sums, out, tasks, channels):
    """Sums over all tasks; partial is (n, tasks, C), sums (n, C), and out the same in its dtype."""
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


@_kernel
def statistics(share, shares, sums, first, gamma, beta, running_mean, running_var, out, settings,
               rows):
    """Those of a batch of so many rows, from the totals of its ``moments`` about a first row.

    settings are eps and decay; out is (4, C): mean, inv_std, gamma, beta. Running averages, where
    there are any, are moved: the variance by the unbiased one, as Chainer's.
    """
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


@_kernel
def _four(statistics, channels):
    return (statistics[:channels], statistics[channels:2 * channels],
            statistics[2 * channels:3 * channels], statistics[3 * channels:])


@_kernel
def normalize(share, shares, x, statistics, y, rows, channels):
    """y = gamma * (x - mean) * inv_std + beta on (rows, C).

    statistics is (4, C): mean, inv_std, gamma, beta.
    """
    mean, inv_std, gamma, beta = _four(statistics, channels)
    for r in range(rows * share // shares, rows * (share + 1) // shares):
        row, out = x[r * channels:(r + 1) * channels], y[r * channels:(r + 1) * channels]
        for c in range(channels):
            out[c] = gamma[c] * ((row[c] - mean[c]) * inv_std[c]) + beta[c]


@_kernel
def _slope_at(y, slope):
    """The derivative of a (leaky) ReLU whose output is y."""
    return type(y)(1) if y > type(y)(0) else slope


# Where a (leaky) ReLU follows, gy is the gradient behind it, and slope[0] is its slope. Where none
# does, slope[0] is 1.

@_kernel
def normalize_sums(share, shares, gy, x, statistics, slope, totals, rows, channels, tasks):
    """Per task, the sums over its rows of gy and of gy * x_hat; totals is (2, tasks, C)."""
    totals = totals.reshape((2, tasks, channels))
    mean, inv_std, gamma, beta = _four(statistics, channels)
    slope = slope[0]
    for t in range(tasks * share // shares, tasks * (share + 1) // shares):
        gbeta, ggamma = totals[0, t], totals[1, t]
        gbeta[:] = 0
        ggamma[:] = 0
        begin, end = rows * t // tasks, rows * (t + 1) // tasks
        fours, rest = _fours(x, begin, end, channels)
        gy_fours, gy_rest = _fours(gy, begin, end, channels)
        for i in range(len(fours)):
            four, g = fours[i], gy_fours[i]
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


@_kernel
def normalize_backward(share, shares, gy, x, statistics, slope, sums, gx, rows, channels,
                       batch_rows):
    """gx = gamma * inv_std * (gy - (x_hat * product_mean + gy_mean)).

    sums is (2, C), float64: the totals of ``normalize_sums``, whose means are over so many rows.
    """
    mean, inv_std, gamma, beta = _four(statistics, channels)
    scale, gy_mean, product_mean = np.empty((3, channels), gx.dtype)
    for c in range(channels):
        scale[c] = gamma[c] * inv_std[c]
        gy_mean[c], product_mean[c] = sums[c] / batch_rows, sums[channels + c] / batch_rows
    slope = slope[0]
    for r in range(rows * share // shares, rows * (share + 1) // shares):
        row, g = x[r * channels:(r + 1) * channels], gy[r * channels:(r + 1) * channels]
        out = gx[r * channels:(r + 1) * channels]
        for c in range(channels):
            x_hat = (row[c] - mean[c]) * inv_std[c]
            value = g[c] * _slope_at(gamma[c] * x_hat + beta[c], slope)
            out[c] = scale[c] * (value - (x_hat * product_mean[c] + gy_mean[c]))


@_kernel
def rectify(share, shares, x, slope, y):
    """y = x where x > 0, else slope[0] * x. NaN comes through; -inf times 0 is 0."""
    zero, slope = x.dtype.type(0), slope[0]
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


@_kernel
def rectify_backward(share, shares, gy, y, slope, gx):
    """gx = gy where y > 0, else slope[0] * gy. NaN in gy comes through, whatever y is."""
    zero, one, slope = y.dtype.type(0), y.dtype.type(1), slope[0]
    of_nan = zero if slope == zero else one  # as Chainer's two functions have it
    begin, end = len(y) * share // shares, len(y) * (share + 1) // shares
    gy, y, gx = gy[begin:end], y[begin:end], gx[begin:end]
    for i in range(len(y)):
        gx[i] = gy[i] * (one if y[i] > zero else slope if y[i] <= zero else of_nan)


@_kernel
def tanh_backward(share, shares, gy, y, gx):
    """gx = gy * (1 - y * y)."""
    one = y.dtype.type(1)
    begin, end = len(y) * share // shares, len(y) * (share + 1) // shares
    gy, y, gx = gy[begin:end], y[begin:end], gx[begin:end]
    for i in range(len(y)):
        gx[i] = gy[i] * (one - y[i] * y[i])


@_kernel
def accumulate(share, shares, x, y, out):
    """out = x + y."""
    for i in range(len(x) * share // shares, len(x) * (share + 1) // shares):
        out[i] = x[i] + y[i]


@_kernel
def transpose(share, shares, x, y, rows, channels, pixels):
    """y[p, n, c] = x[n, c, p]: to pixel-major memory."""
    x, y = x.reshape((rows, channels, pixels)), y.reshape((pixels, rows, channels))
    for n in range(rows * share // shares, rows * (share + 1) // shares):
        for p in range(pixels):
            for c in range(channels):
                y[p, n, c] = x[n, c, p]


@_kernel
def transpose_back(share, shares, y, x, rows, channels, pixels):
    """x[n, c, p] = y[p, n, c]: from pixel-major memory."""
    x, y = x.reshape((rows, channels, pixels)), y.reshape((pixels, rows, channels))
    for n in range(rows * share // shares, rows * (share + 1) // shares):
        for c in range(channels):
            for p in range(pixels):
                x[n, c, p] = y[p, n, c]


@_kernel
def columns(share, shares, x, y, rows, channels, height, width, h, w, ksize, stride, pad):
    """What lies under each place of a filter side by side; outside the map there are zeros.

    x is (N, C, H, W); y is (h, w, N, C, kh, kw).
    """
    x = x.reshape((rows, channels, height, width))
    y = y.reshape((h, w, rows, channels, ksize[0], ksize[1]))
    for task in range(h * rows * share // shares, h * rows * (share + 1) // shares):
        i, n = divmod(task, rows)
        for j in range(w):
            for c in range(channels):
                for k in range(ksize[0]):
                    row = i * stride[0] + k - pad[0]
                    for m in range(ksize[1]):
                        column = j * stride[1] + m - pad[1]
                        inside = 0 <= row < height and 0 <= column < width
                        y[i, j, n, c, k, m] = x[n, c, row, column] if inside else 0


@_kernel
def from_columns(share, shares, y, bias, x, rows, channels, height, width, h, w, ksize, stride,
                 pad):
    """x = bias + the sum of what ``columns`` would have taken from each pixel of it."""
    x = x.reshape((rows, channels, height, width))
    y = y.reshape((h, w, rows, channels, ksize[0], ksize[1]))
    for n in range(rows * share // shares, rows * (share + 1) // shares):
        for c in range(channels):
            x[n, c] = bias[c]
        for i in range(h):
            for j in range(w):
                for c in range(channels):
                    for k in range(ksize[0]):
                        row = i * stride[0] + k - pad[0]
                        if 0 <= row < height:
                            for m in range(ksize[1]):
                                column = j * stride[1] + m - pad[1]
                                if 0 <= column < width:
                                    x[n, c, row, column] += y[i, j, n, c, k, m]


@_kernel
def _overlap(begin, end, place, size):
    """What a share that goes from begin to end has of the size numbers that begin at a place."""
    return max(begin - place, 0), min(end - place, size)


@_kernel
def adam(share, shares, table, settings):
    """Adam's update of many parameters, and of an average of each, in one pass over memory.

    table is (n, 6): the addresses of a parameter, its gradient, m, v and average, and their size.
    Without a gradient (0) the parameter stays, without an average there is none to move.
    settings: the step's size, 1 - beta1, 1 - beta2, eps, 1 - decay of the average.
    """
    step, rate1, rate2, eps, rate = settings[0], settings[1], settings[2], settings[3], settings[4]
    table = table.reshape((-1, 6))
    total = table[:, 5].sum()
    begin, end, place = total * share // shares, total * (share + 1) // shares, 0
    for row in table:
        low, high = _overlap(begin, end, place, row[5])
        place += row[5]
        if low < high:
            param = carray(pointer(row[0]), row[5], settings.dtype)[low:high]
            if row[1]:
                grad = carray(pointer(row[1]), row[5], settings.dtype)[low:high]
                m = carray(pointer(row[2]), row[5], settings.dtype)[low:high]
                v = carray(pointer(row[3]), row[5], settings.dtype)[low:high]
                for i in range(len(param)):
                    m[i] += rate1 * (grad[i] - m[i])
                    v[i] += rate2 * (grad[i] * grad[i] - v[i])
                    param[i] -= step / (np.sqrt(v[i]) + eps) * m[i]
            if row[4]:
                # The parameter is still in the cache. In this form, rounding moves no average away
                # from a parameter that stands still, however near decay is to 1.
                average = carray(pointer(row[4]), row[5], settings.dtype)[low:high]
                for i in range(len(param)):
                    average[i] += rate * (param[i] - average[i])


@_kernel
def not_finite(share, shares, table, counts, like):
    """Adds to counts how many numbers of each array are NaN or infinite.

    table is (n, 2): address and size of an array, all of which have the dtype of ``like``.
    """
    infinity = like.dtype.type(np.inf)
    table = table.reshape((-1, 2))
    total = table[:, 1].sum()
    begin, end, place = total * share // shares, total * (share + 1) // shares, 0
    for p in range(len(table)):
        size = table[p, 1]
        low, high = _overlap(begin, end, place, size)
        place += size
        if low < high:
            x = carray(pointer(table[p, 0]), size, like.dtype)[low:high]
            found = 0
            for i in range(len(x)):
                found += not abs(x[i]) < infinity
            if found:
                add(counts.ctypes.data + 8 * p, found)


# One entry for all kernels, since each parallel loop costs a second of compilation.
(PRODUCTS, PANELS, WEIGHT_PRODUCTS, SUMS, MOMENTS, TOTALS, STATISTICS, NORMALIZE, NORMALIZE_SUMS,
 NORMALIZE_BACKWARD, RECTIFY, RECTIFY_BACKWARD, TANH_BACKWARD, ACCUMULATE, TRANSPOSE,
 TRANSPOSE_BACK, COLUMNS, FROM_COLUMNS, ADAM, NOT_FINITE) = range(20)


# A job, int64: addresses of up to 6 arrays and 4 arrays of indexes, their sizes, whole numbers.
ARRAYS, INDEXES, NUMBERS = 6, 4, 15
PLACES = ARRAYS + INDEXES
JOB = 2 * PLACES + NUMBERS


@functools.cache
def entry(dtype):
    """Address of the compiled code of all kernels for a dtype, which takes a while the first time.

    It takes a kernel's name, the share, the number of shares and the address of a job.
    """
    dtype = {np.dtype(np.float32): np.float32, np.dtype(np.float64): np.float64}[dtype]

    @compiled(cfunc, types.void(types.intp, types.intp, types.intp, types.intp))
    def run(kernel, share, shares, address):
        j = carray(pointer(address), JOB, np.int64)
        a = (carray(pointer(j[0]), j[10], dtype), carray(pointer(j[1]), j[11], dtype),
             carray(pointer(j[2]), j[12], dtype), carray(pointer(j[3]), j[13], dtype),
             carray(pointer(j[4]), j[14], dtype), carray(pointer(j[5]), j[15], dtype))
        i = (carray(pointer(j[6]), j[16], np.int64), carray(pointer(j[7]), j[17], np.int64),
             carray(pointer(j[8]), j[18], np.int64), carray(pointer(j[9]), j[19], np.int64))
        # In the place of indexes, where a kernel has float64 numbers besides.
        d = (carray(pointer(j[6]), j[16], np.float64), carray(pointer(j[7]), j[17], np.float64))
        n = j[2 * PLACES:]
        before = flush_denormals()
        if kernel == PRODUCTS:
            products(share, shares, n[0], i[0], i[1], i[2], i[3], a[0], n[1], n[2], a[1], n[3],
                     n[4], n[5], a[2], n[6], n[7], n[8], n[9], n[10], n[11], n[12],
                     a[3], n[13], n[14])
        elif kernel == PANELS:
            panels(share, shares, a[0], a[1], n[0], n[1], n[2], n[3])
        elif kernel == WEIGHT_PRODUCTS:
            weight_products(share, shares, n[0], i[0], i[1], i[2], a[0], a[1], a[2], n[1], n[2],
                            n[3], n[4], n[5])
        elif kernel == SUMS:
            sums(share, shares, a[0], d[0], n[0], n[1], n[2])
        elif kernel == MOMENTS:
            moments(share, shares, a[0], d[0], n[0], n[1], n[2])
        elif kernel == TOTALS:
            totals(share, shares, d[0], d[1], a[0], n[0], n[1])
        elif kernel == STATISTICS:
            statistics(share, shares, d[0], a[0], a[1], a[2], a[3], a[4], a[5], d[1], n[0])
        elif kernel == NORMALIZE:
            normalize(share, shares, a[0], a[1], a[2], n[0], n[1])
        elif kernel == NORMALIZE_SUMS:
            normalize_sums(share, shares, a[0], a[1], a[2], a[3], d[0], n[0], n[1], n[2])
        elif kernel == NORMALIZE_BACKWARD:
            normalize_backward(share, shares, a[0], a[1], a[2], a[3], d[0], a[4], n[0], n[1],
                               n[2])
        elif kernel == RECTIFY:
            rectify(share, shares, a[0], a[1], a[2])
        elif kernel == RECTIFY_BACKWARD:
            rectify_backward(share, shares, a[0], a[1], a[2], a[3])
        elif kernel == TANH_BACKWARD:
            tanh_backward(share, shares, a[0], a[1], a[2])
        elif kernel == ACCUMULATE:
            accumulate(share, shares, a[0], a[1], a[2])
        elif kernel == TRANSPOSE:
            transpose(share, shares, a[0], a[1], n[0], n[1], n[2])
        elif kernel == TRANSPOSE_BACK:
            transpose_back(share, shares, a[0], a[1], n[0], n[1], n[2])
        elif kernel == COLUMNS:
            columns(share, shares, a[0], a[1], n[0], n[1], n[2], n[3], n[4], n[5], n[6:8], n[8:10],
                    n[10:12])
        elif kernel == FROM_COLUMNS:
            from_columns(share, shares, a[0], a[1], a[2], n[0], n[1], n[2], n[3], n[4], n[5],
                         n[6:8], n[8:10], n[10:12])
        elif kernel == ADAM:
            adam(share, shares, i[0], a[0])
        elif kernel == NOT_FINITE:
            not_finite(share, shares, i[0], i[1], a[0])
        restore_control(before)

    return run.address

"""Matrix products, and the linear function, on matrices and on maps."""

import functools
from typing import NamedTuple

import numpy as np
from numba import njit

from chainer_cpu import _blas
from chainer_cpu._blas import GEMM, N, T
from chainer_cpu._compat import import_chainer
from chainer_cpu._intrinsics import gemm
from chainer_cpu._kernels import floats, indexes, kernel, numbers
from chainer_cpu._maps import (
    column_sums,
    dense,
    is_pixel_major,
    matrix,
    nchw,
    no_bias,
    pixel_major,
)
from chainer_cpu._memory import bounded, empty
from chainer_cpu._node import FirstOrder
from chainer_cpu._queue import run, threads

chainer = import_chainer()


# OpenBLAS with AVX-512 multiplies without copying the matrices first if a product has at most
# _SMALL multiply-adds, which is faster: we make pieces of _SHORT rows, and cut the columns to fit.
# A BLAS that always copies gets pieces of _LONG rows, which save copies of the weights.
_SMALL, _SHORT, _LONG = 1_000_000, 122, 1024
# Up to _FEW rows, wide layers stay whole. That is slower, but rounds as the original did in 2016
# in batches of 20, and the third losses of that training depend on it.
_FEW = 32
# Up to _HANDFUL rows, a BLAS that always copies spends most of its time on copies of weights.
_HANDFUL = 8


@functools.cache
def _has_small_products():
    return any(library.get("architecture") in ("SkylakeX", "Cooperlake", "SapphireRapids")
               for library in _blas.libraries())


def columns_at_once(rows: int, inner: int, cols: int) -> int | None:
    """Returns how many columns of (inner, cols) weights make a product without copies; or None."""
    while rows > _FEW and inner * cols > _SMALL // _SHORT and cols % 32 == 0:
        cols //= 2
    return cols if _has_small_products() and inner * cols <= 2 * _SMALL // _SHORT else None


def _parts(rows, inner, columns):
    at_once = min(_SHORT, _SMALL // (inner * columns)) if columns else _LONG
    return -(-rows // at_once)


class Matrices(NamedTuple):
    """Matrices in one array: number q begins at q * step, and its rows at multiples of ld."""

    array: np.ndarray
    step: int
    ld: int


class Meetings(NamedTuple):
    """Which matrices are multiplied: y[p] sums x[x_index[i]] @ W[W_index[i]] over i from first[p]
    to first[p + 1] - 1. The y[p] are made in the given order; fastest is one that soon comes back
    to an x[q].
    """

    order: np.ndarray
    first: np.ndarray
    x_index: np.ndarray
    W_index: np.ndarray


@njit(fastmath={"reassoc", "contract"}, error_model="numpy", no_cpython_wrapper=True)
def _add_product(x, x_ld, W, W_ld, y, y_ld, rows, inner, cols, transpose):
    """y += x @ W, or x @ W.T with transpose, for a few rows. Reads W once and copies nothing."""
    if transpose:
        for c in range(cols):
            w = W[c * W_ld:c * W_ld + inner]
            for r in range(rows):
                row, total = x[r * x_ld:r * x_ld + inner], W.dtype.type(0)
                for k in range(inner):
                    total += row[k] * w[k]
                y[r * y_ld + c] += total
        return
    fours = inner - inner % 4
    for k in range(0, fours, 4):
        w0, w1 = W[k * W_ld:k * W_ld + cols], W[(k + 1) * W_ld:(k + 1) * W_ld + cols]
        w2, w3 = W[(k + 2) * W_ld:(k + 2) * W_ld + cols], W[(k + 3) * W_ld:(k + 3) * W_ld + cols]
        for r in range(rows):
            a0, a1, a2, a3 = (x[r * x_ld + k], x[r * x_ld + k + 1], x[r * x_ld + k + 2],
                              x[r * x_ld + k + 3])
            out = y[r * y_ld:r * y_ld + cols]
            for c in range(cols):
                out[c] += (a0 * w0[c] + a1 * w1[c]) + (a2 * w2[c] + a3 * w3[c])
    for k in range(fours, inner):
        w = W[k * W_ld:k * W_ld + cols]
        for r in range(rows):
            a, out = x[r * x_ld + k], y[r * y_ld:r * y_ld + cols]
            for c in range(cols):
                out[c] += a * w[c]


@kernel
def _products(share, shares, job):
    order, first, x_index, W_index = (indexes(job, 0), indexes(job, 1), indexes(job, 2),
                                      indexes(job, 3))
    (x_step, x_ld, W_step, W_ld, y_step, y_ld, rows, inner, cols, bias_step, transpose, column_step,
     columns, pieces, blas) = numbers(job, 15)
    x, W = Matrices(floats(job, 0), x_step, x_ld), Matrices(floats(job, 1), W_step, W_ld)
    y, bias = Matrices(floats(job, 2), y_step, y_ld), floats(job, 3)

    zero, one = y.array.dtype.type(0), y.array.dtype.type(1)
    size = y.array.itemsize
    # A task costs its products plus 1. Its place in the sum of all costs says whose share it is.
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
            if len(bias) or first[p] == first[p + 1] or not blas:
                beta = one
                for r in range(begin, end):
                    row = y.array[p * y.step + r * y.ld:p * y.step + r * y.ld + cols]
                    if len(bias):
                        source = bias[p * bias_step:p * bias_step + cols]
                        for c in range(cols):
                            row[c] = source[c]
                    else:
                        row[:] = zero
            for i in range(first[p], first[p + 1]):
                if not blas:
                    _add_product(x.array[x_index[i] * x.step:], x.ld,
                                 W.array[W_index[i] * W.step:], W.ld, y.array[p * y.step:], y.ld,
                                 rows, inner, cols, transpose)
                    continue
                for column in range(0, cols, columns):
                    w = W.array.ctypes.data + (W_index[i] * W.step + column * column_step) * size
                    gemm(blas, T if transpose else N, N, columns, end - begin, inner, w, W.ld,
                         x.array.ctypes.data + (x_index[i] * x.step + begin * x.ld) * size, x.ld,
                         beta,
                         y.array.ctypes.data + (p * y.step + begin * y.ld + column) * size, y.ld)
                beta = one


def products(x: Matrices, W: Matrices, y: Matrices, shape: tuple[int, int, int],
             meetings: Meetings, bias: np.ndarray | None = None, bias_step: int = 0,
             transpose: bool = False, column_step: int = 1) -> None:
    """Computes y[p] = bias[p] + the sum of x[x_index[i]] @ W[W_index[i]] of the Meetings.

    x, W and y are Matrices, shape is (rows, inner, cols): x[q] is (rows, inner), W[t] is (inner,
    cols) or with transpose lies as (cols, inner), y[p] is (rows, cols). bias[p], (cols,), begins at
    p * bias_step. Multiplies a block of columns at a time; column c of W[t] begins a block at
    c * column_step.
    """
    rows, inner, cols = shape
    dtype = x.array.dtype
    bias = no_bias(dtype) if bias is None else dense(bias)
    columns = None if transpose else columns_at_once(rows, inner, cols)
    # Few outputs are cut into pieces, so that every thread has some.
    tasks = 8 * threads()
    pieces = max(_parts(rows, inner, columns),
                 min(-(-tasks // len(meetings.order)), rows // _SHORT))
    run(_products, len(meetings.x_index) * rows * inner * cols // 45,
        (x.array, W.array, y.array, bias),
        (*x[1:], *W[1:], *y[1:], *shape, bias_step, transpose, column_step, columns or cols, pieces,
         0 if rows <= _HANDFUL and not _has_small_products() else GEMM[dtype]), meetings)


@kernel
def _weight_products(share, shares, job):
    """y[t] = sum of a[a_index[i]].T @ b[b_index[i]] over the i with y_index[i] == t.

    a[p] is (rows, m), b[p] is (rows, n), y[t] is (m, n). A share goes through all i and makes its
    own y[t], or pieces of them; an order that soon comes back to an a[p] is fastest. The rows are
    summed in parts, one after the other.
    """
    a, b, y = floats(job, 0), floats(job, 1), floats(job, 2)
    a_index, b_index, y_index = indexes(job, 0), indexes(job, 1), indexes(job, 2)
    rows, m, n, pieces, parts, blas = numbers(job, 6)
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
                gemm(blas, N, T, n, end - begin, high - low,
                     b.ctypes.data + (b_index[i] * rows + low) * n * size, n,
                     a.ctypes.data + ((a_index[i] * rows + low) * m + begin) * size, m,
                     one if begun[task] else zero,
                     y.ctypes.data + (y_index[i] * m + begin) * n * size, n)
                begun[task] = True
    for task in range(tasks):
        if task * shares // tasks == share and not begun[task]:
            t, piece = divmod(task, pieces)
            y[(t * m + m * piece // pieces) * n:(t * m + m * (piece + 1) // pieces) * n] = zero


def weight_products(a: np.ndarray, b: np.ndarray, outputs: int, rows: int, a_index: np.ndarray,
                    b_index: np.ndarray, y_index: np.ndarray) -> np.ndarray:
    """Returns y, (outputs, m, n): y[t] sums a[a_index[i]].T @ b[b_index[i]] where y_index[i] == t.

    a is (..., m), b is (..., n); a[p] and b[p] are their next rows rows.
    """
    m, n, shares = a.shape[-1], b.shape[-1], 2 * threads()
    y = empty((outputs, m, n), a.dtype)
    # The fewer the shares, the sooner they come back to a[p]; each thread needs two.
    pieces, at_once = max(1, min(-(-shares // outputs), m // 64)), _LONG
    if _has_small_products():
        pieces, at_once = min(m, max(pieces, -(-m * n * _SHORT // _SMALL))), _SHORT
    run(_weight_products, 0, (a, b, y), (rows, m, n, pieces, -(-rows // at_once), GEMM[y.dtype]),
        (a_index, b_index, y_index), shares)
    return y


@bounded
def count_up(number):
    """Returns the indexes 0 to number - 1, in a tuple."""
    return np.arange(number),


@bounded
def _one_each(number):
    """Returns Meetings of which each output needs one."""
    every, = count_up(number)
    return Meetings(every, np.arange(number + 1), every, every)


@bounded
def _all_for_one(number):
    """Returns Meetings whose sum is the one output."""
    every, = count_up(number)
    return Meetings(every[:1], np.array([0, number]), every, every)


class Linear(FirstOrder, chainer.FunctionNode):
    """Chainer's LinearFunction, of first order. Reads maps too, in whatever order they lie."""

    follows, floating = (2,), True

    def values(self, inputs):
        x, W, *b = inputs
        self.retain_inputs((0, 1))
        rows, out = len(x), len(W)
        y = empty((rows, out), x.dtype)
        if is_pixel_major(x):
            # y = sum over pixels of x[p] @ W[p].T
            channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
            products(Matrices(pixel_major(x), rows * channels, channels),
                     Matrices(_weights_by_pixel(W, x), out * channels, channels),
                     Matrices(y, 0, out), (rows, channels, out), _all_for_one(pixels), *b,
                     transpose=True)
        else:
            inner, (blocks, size) = W.shape[1], _blocks(out)
            products(Matrices(matrix(x), 0, inner), Matrices(dense(W), size * inner, inner),
                     Matrices(y, size, out), (rows, inner, size), _one_each(blocks), *b,
                     bias_step=size, transpose=True)
        return y

    def gradients(self, indexes, gy):
        x, W = (v.array for v in self.get_retained_inputs())
        gy = dense(gy)
        if 0 in indexes:
            yield self._input_gradient(gy, x, W)
        if 1 in indexes:
            yield self._weight_gradient(gy, x)
        if 2 in indexes:
            yield column_sums(gy)

    def _input_gradient(self, gy, x, W):
        rows, out = gy.shape
        if is_pixel_major(x):
            _, channels, h, w = x.shape
            gx = empty((h, w, rows, channels), x.dtype)
            products(Matrices(gy, 0, out),
                     Matrices(_weights_by_pixel(W, x), out * channels, channels),
                     Matrices(gx, rows * channels, channels), (rows, out, channels),
                     _one_each(h * w))
            return gx.transpose(2, 3, 0, 1)
        inner, (blocks, size) = W.shape[1], _blocks(W.shape[1])
        gx = empty((rows, inner), x.dtype)
        products(Matrices(gy, 0, out), Matrices(dense(W), size, inner),
                 Matrices(gx, size, inner), (rows, out, size), _one_each(blocks))
        return gx.reshape(x.shape)

    def _weight_gradient(self, gy, x):
        """gW[p] = gy.T @ x[p], where a matrix x counts as one pixel."""
        rows, out = gy.shape
        laid = pixel_major(x) if is_pixel_major(x) else matrix(x)
        inner = laid.shape[-1]
        pixels = laid.size // (rows * inner)
        every, = count_up(pixels)
        gW = weight_products(gy, laid, pixels, rows, np.zeros_like(every), every, every)
        return nchw(gW.reshape(pixels, 1, out, inner)).reshape(out, -1) if pixels > 1 else gW[0]


def _blocks(columns):
    """Cuts columns into the most blocks, up to 16, of equal size from 64 on: (number, size)."""
    number = max(n for n in range(1, 17) if columns % n == 0 and (n == 1 or columns // n >= 64))
    return number, columns // number


def _weights_by_pixel(W, x):
    """Returns W, (out, C * pixels), as a dense (pixels, out, C)."""
    return dense(W.reshape(len(W), x.shape[1], -1).transpose(2, 0, 1))

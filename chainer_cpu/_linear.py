"""Matrix products, and the linear function, on matrices and on maps."""

import functools

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
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

chainer = import_chainer()


# OpenBLAS with AVX-512 copies neither matrix first where a product has up to a million
# multiply-adds, which is the quicker way: of some columns, for up to so many rows. Where it always
# copies, long pieces save copies of the weights.
_SMALL, _SHORT, _LONG = 1_000_000, 122, 1024
# With no more rows than these, wide layers stay whole: it is slower, but then a training in batches
# of 20 rounds as the original's did in 2016, whose third losses hang on that.
_FEW = 32


@functools.cache
def _has_small_products():
    return any(library.get("architecture") in ("SkylakeX", "Cooperlake", "SapphireRapids")
               for library in _workers.blas_libraries())


def columns_at_once(rows, inner, cols):
    """How many columns of weights, (inner, cols), make a product that copies nothing; or None."""
    while rows > _FEW and inner * cols > _SMALL // _SHORT and cols % 32 == 0:
        cols //= 2
    return cols if _has_small_products() and inner * cols <= 2 * _SMALL // _SHORT else None


def _parts(rows, inner, columns):
    at_once = min(_SHORT, _SMALL // (inner * columns)) if columns else _LONG
    return -(-rows // at_once)


def products(x, x_step, ldx, w, w_step, ldw, transpose, y, y_step, ldy, rows, inner, cols, order,
             first, x_index, w_index, bias=None, bias_step=0, column_step=1):
    """Runs the kernel of that name, which says what the numbers are."""
    bias = no_bias(x.dtype) if bias is None else dense(bias)
    columns = None if transpose else columns_at_once(rows, inner, cols)
    # Few outputs are cut so that all threads have something to do.
    tasks = 8 * _workers.count()
    pieces = max(_parts(rows, inner, columns), min(-(-tasks // len(order)), rows // _SHORT))
    _workers.run(_kernels.PRODUCTS, len(x_index) * rows * inner * cols // 45, (x, w, y, bias),
                 (_kernels.GEMM[x.dtype], x_step, ldx, w_step, ldw, transpose, y_step, ldy, rows,
                  inner, cols, columns or cols, column_step, bias_step, pieces),
                 (order, first, x_index, w_index))


def weight_products(a, b, outputs, rows, a_index, b_index, y_index):
    """Runs the kernel of that name: a, (..., m), and b, (..., n), to (outputs, m, n)."""
    m, n, shares = a.shape[-1], b.shape[-1], 2 * _workers.count()
    y = empty((outputs, m, n), a.dtype)
    # Few shares, that come back to a[p] the sooner, but no fewer.
    pieces, at_once = max(1, min(-(-shares // outputs), m // 64)), _LONG
    if _has_small_products():
        pieces, at_once = min(m, max(pieces, -(-m * n * _SHORT // _SMALL))), _SHORT
    _workers.run(_kernels.WEIGHT_PRODUCTS, 0, (a, b, y),
                 (_kernels.GEMM[y.dtype], rows, m, n, pieces, -(-rows // at_once)),
                 (a_index, b_index, y_index), shares=shares)
    return y


@bounded
def count_up(number):
    """The indexes 0 to number - 1."""
    return np.arange(number),


@bounded
def _one_each(number):
    """Indexes of products of which each output needs one."""
    every, = count_up(number)
    return every, np.arange(number + 1), every, every


@bounded
def _all_for_one(number):
    """Indexes of products whose sum is the one output."""
    every, = count_up(number)
    return every[:1], np.array([0, number]), every, every


class Linear(FirstOrder, chainer.FunctionNode):
    """Chainer's LinearFunction, first order. Takes maps too, and leaves them where they lie."""

    follows, floating = (2,), True

    def values(self, inputs):
        x, W, *b = inputs
        self.retain_inputs((0, 1))
        rows, out = len(x), len(W)
        y = empty((rows, out), x.dtype)
        if is_pixel_major(x):
            # y = sum over pixels of x[p] @ W[p].T
            channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
            products(pixel_major(x), rows * channels, channels, _weights_by_pixel(W, x),
                     out * channels, channels, 1, y, 0, out, rows, channels, out,
                     *_all_for_one(pixels), *b)
        else:
            inner, (blocks, size) = W.shape[1], _blocks(out)
            products(matrix(x), 0, inner, dense(W), size * inner, inner, 1,
                     y, size, out, rows, inner, size, *_one_each(blocks), *b or [None], size)
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
            products(gy, 0, out, _weights_by_pixel(W, x), out * channels, channels, 0,
                     gx, rows * channels, channels, rows, out, channels, *_one_each(h * w))
            return gx.transpose(2, 3, 0, 1)
        inner, (blocks, size) = W.shape[1], _blocks(W.shape[1])
        gx = empty((rows, inner), x.dtype)
        products(gy, 0, out, dense(W), size, inner, 0, gx, size, inner,
                 rows, out, size, *_one_each(blocks))
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
    """The most blocks, up to 16, of equal size and at least 64 columns: (number, size)."""
    number = max(n for n in range(1, 17) if columns % n == 0 and (n == 1 or columns // n >= 64))
    return number, columns // number


def _weights_by_pixel(W, x):
    """W, (out, C * pixels), as a dense (pixels, out, C)."""
    return dense(W.reshape(len(W), x.shape[1], -1).transpose(2, 0, 1))

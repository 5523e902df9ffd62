"""The linear function, on matrices and on maps."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._memory import (
    FirstOrder,
    column_sums,
    empty,
    is_pixel_major,
    matrix,
    no_bias,
    pixel_major,
    total,
)

chainer = import_chainer()


class Linear(FirstOrder, chainer.FunctionNode):
    """Chainer's LinearFunction, first order. Takes maps too, and leaves them where they lie."""

    def forward(self, inputs):
        x, W, *b = inputs
        self.retain_inputs((0, 1))
        rows, out = len(x), len(W)
        bias = np.ascontiguousarray(b[0]) if b else no_bias(x.dtype)
        y = empty((rows, out), x.dtype)
        if is_pixel_major(x):
            # y = sum over pixels of x[p] @ W[p].T
            channels, pixels = x.shape[1], np.arange(x.shape[2] * x.shape[3])
            _products(pixel_major(x), rows * channels, channels,
                      _weights_by_pixel(W, x), out * channels, channels, True, y, 0, out,
                      rows, channels, out, bias, 0,
                      np.arange(1), np.array([0, len(pixels)]), pixels, pixels)
        else:
            inner, (blocks, size) = W.shape[1], _blocks(out)
            _products(matrix(x), 0, inner, np.ascontiguousarray(W), size * inner, inner, True,
                      y, size, out, rows, inner, size, bias, size, *_one_each(blocks))
        return y,

    def gradients(self, indexes, gy):
        x, W = (v.array for v in self.get_retained_inputs())
        gy = np.ascontiguousarray(gy)
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
            _products(gy, 0, out, _weights_by_pixel(W, x), out * channels, channels, False,
                      gx, rows * channels, channels, rows, out, channels, no_bias(x.dtype), 0,
                      *_one_each(h * w))
            return gx.transpose(2, 3, 0, 1)
        inner, (blocks, size) = W.shape[1], _blocks(W.shape[1])
        gx = empty((rows, inner), x.dtype)
        _products(gy, 0, out, np.ascontiguousarray(W), size, inner, False, gx, size, inner,
                  rows, out, size, no_bias(x.dtype), 0, *_one_each(blocks))
        return gx.reshape(x.shape)

    def _weight_gradient(self, gy, x):
        """gW[p] = gy.T @ x[p], where a matrix x counts as one pixel."""
        rows, out = gy.shape
        laid = pixel_major(x) if is_pixel_major(x) else matrix(x)
        inner = laid.shape[-1]
        pixels = np.arange(laid.size // (rows * inner))
        gW = empty((_workers.count(), len(pixels), out, inner), x.dtype)
        _workers.run(_kernels.WEIGHT_PRODUCTS, 0, (gy, laid, gW),
                     (_kernels.GEMM[x.dtype], 0, out, rows * inner, inner, rows, out, inner,
                      len(pixels)), (np.zeros_like(pixels), pixels, pixels), shares=len(gW))
        return total(gW).transpose(1, 2, 0).reshape(out, -1) if len(pixels) > 1 else total(gW)[0]


def _products(x, x_step, ldx, w, w_step, ldw, transpose, y, y_step, ldy, rows, inner, cols, bias,
              bias_step, *indexes):
    _workers.run(_kernels.PRODUCTS, rows * w.size // 45, (x, w, y, bias),
                 (_kernels.GEMM[x.dtype], x_step, ldx, w_step, ldw, transpose, y_step, ldy, rows,
                  inner, cols, bias_step), indexes)


def _one_each(number):
    """Indexes of products of which each output needs one: input 0 (its step is 0), weights p."""
    every = np.arange(number)
    return every, np.arange(number + 1), every, every


def _blocks(columns):
    """The most blocks, up to 16, of equal size and at least 64 columns: (number, size)."""
    number = max(n for n in range(1, 17) if columns % n == 0 and (n == 1 or columns // n >= 64))
    return number, columns // number


def _weights_by_pixel(W, x):
    """W, (out, C * pixels), as a dense (pixels, out, C)."""
    return np.ascontiguousarray(W.reshape(len(W), x.shape[1], -1).transpose(2, 0, 1))

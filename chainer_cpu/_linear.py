"""The linear function, on matrices and on maps."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._memory import (
    FirstOrder, column_sums, flat, is_pixel_major, matrix, no_bias, pixel_major)

chainer = import_chainer()


class Linear(FirstOrder, chainer.FunctionNode):
    """Chainer's LinearFunction, first order. Takes maps too, and leaves them where they lie."""

    def forward(self, inputs):
        x, W, *b = inputs
        self.retain_inputs((0, 1))
        bias = np.ascontiguousarray(b[0]) if b else no_bias(x.dtype)
        rows, cols = len(x), len(W)
        y = _workers.empty((rows, cols), x.dtype)
        if is_pixel_major(x):
            pixels, channels = x.shape[2] * x.shape[3], x.shape[1]
            _workers.run(_kernels.products, rows * W.size // 45, _kernels.GEMM[x.dtype], np.arange(1),
                         np.array([0, pixels]),
                         np.arange(pixels), np.arange(pixels), flat(pixel_major(x)),
                         rows * channels, channels, flat(_weights_by_pixel(W, x)),
                         cols * channels, channels, True, flat(y), 0, cols, rows, channels, cols,
                         bias, 0)
        else:
            x, W = matrix(x), np.ascontiguousarray(W)
            blocks, size = _blocks(cols)
            _workers.run(_kernels.products, rows * W.size // 45, _kernels.GEMM[x.dtype], np.arange(blocks), np.arange(blocks + 1),
                         np.arange(blocks), np.arange(blocks), flat(x), 0, x.shape[1], flat(W),
                         size * x.shape[1], x.shape[1], True, flat(y), size, cols, rows, x.shape[1],
                         size, bias, size)
        return y,

    def gradients(self, indexes, gy):
        x, W = (v.array for v in self.get_retained_inputs())
        gy = np.ascontiguousarray(gy)
        rows, out = gy.shape
        if is_pixel_major(x):
            channels, (h, w) = x.shape[1], x.shape[2:]
            pixels = np.arange(h * w)
            if 0 in indexes:
                gx = _workers.empty((h, w, rows, channels), x.dtype)
                _workers.run(_kernels.products, rows * W.size // 45, _kernels.GEMM[x.dtype], pixels, np.arange(h * w + 1), pixels,
                             pixels, flat(gy), 0, out, flat(_weights_by_pixel(W, x)),
                             out * channels, channels, False, flat(gx), rows * channels, channels,
                             rows, out, channels, no_bias(x.dtype), 0)
                yield gx.transpose(2, 3, 0, 1)
            if 1 in indexes:
                gW = np.empty((_workers.count(), h * w, out, channels), x.dtype)
                _workers.run(_kernels.weight_products, _workers.ALWAYS, _kernels.GEMM[x.dtype], np.zeros_like(pixels),
                             pixels, pixels, flat(gy), 0, out, flat(pixel_major(x)),
                             rows * channels, channels, gW, rows, out, channels)
                yield gW.sum(axis=0).transpose(1, 2, 0).reshape(W.shape)
        else:
            if 0 in indexes:
                gx, W = _workers.empty((rows, W.shape[1]), x.dtype), np.ascontiguousarray(W)
                blocks, size = _blocks(W.shape[1])
                _workers.run(_kernels.products, rows * W.size // 45, _kernels.GEMM[x.dtype], np.arange(blocks), np.arange(blocks + 1),
                             np.arange(blocks), np.arange(blocks), flat(gy), 0, out, flat(W), size,
                             W.shape[1], False, flat(gx), size, W.shape[1], rows, out, size,
                             no_bias(x.dtype), 0)
                yield gx.reshape(x.shape)
            if 1 in indexes:
                gW = np.empty((_workers.count(), 1, *W.shape), x.dtype)
                one = np.zeros(1, np.int64)
                _workers.run(_kernels.weight_products, _workers.ALWAYS, _kernels.GEMM[x.dtype], one, one, one,
                             flat(gy), 0, out, flat(matrix(x)), 0, W.shape[1], gW, rows, out,
                             W.shape[1])
                yield gW.sum(axis=(0, 1))
        if 2 in indexes:
            yield column_sums(gy, out)


def _blocks(columns):
    """The most blocks, up to 16, of equal size and at least 64 columns: (number, size)."""
    number = max(n for n in range(1, 17) if columns % n == 0 and (n == 1 or columns // n >= 64))
    return number, columns // number


def _weights_by_pixel(W, x):
    """W, (out, C * pixels), as a dense (pixels, out, C)."""
    return np.ascontiguousarray(W.reshape(len(W), x.shape[1], -1).transpose(2, 0, 1))

"""Convolution and deconvolution as matrix products on whole pixels."""

import math

import numpy as np

from chainer_cpu._compat import import_chainer
from chainer_cpu._kernels import floats, kernel, numbers
from chainer_cpu._linear import (
    Matrices,
    Meetings,
    columns_at_once,
    count_up,
    products,
    weight_products,
)
from chainer_cpu._maps import column_sums, dense, dense_view, nchw, pixel_major
from chainer_cpu._memory import bounded, empty
from chainer_cpu._node import FirstOrder
from chainer_cpu._queue import run

chainer = import_chainer()

# Up to _FEW numbers under a filter are the inner dimension of one product for all pixels.
_FEW = 64
# From _MANY_ROWS rows on, panels pay even for weights that need no transposing.
_MANY_ROWS = 300


# "Small" is the convolution's output and the deconvolution's input, "big" the other side. Both have
# W of shape (small channels, big channels, kh, kw), and three kinds of products serve all passes of
# both: to small, to big, and the gradient of W.

@bounded
def _taps(by, small, big, ksize, stride, pad):
    """Lists which pixels meet at which tap, sorted by small pixels (by=0) or big pixels (by=1).

    Returns the order in which to make these pixels, where the meetings of each begin, and for each
    meeting its small pixel, its big pixel and its tap. In that order big pixels that need the same
    small pixel follow each other.
    """
    axes = []
    for h, height, kh, sh, ph in zip(small, big, ksize, stride, pad, strict=True):
        k, i = np.indices((kh, h)).reshape(2, -1)
        place = i * sh + k - ph
        axes.append([row[(0 <= place) & (place < height)] for row in (i, place, k)])
    rows = [np.add.outer(a * size[1], b).reshape(-1)
            for a, b, size in zip(*axes, (small, big, ksize), strict=True)]
    rows = np.stack(rows).take(np.argsort(rows[by], kind="stable"), axis=1)
    first = np.searchsorted(rows[by], np.arange(np.prod((small, big)[by]) + 1))
    order = np.arange(len(first) - 1)
    if by == 1:
        met = np.zeros_like(order)
        met[rows[1]] = rows[0]
        order = np.argsort(met, kind="stable")
    return order, first, *rows


@kernel
def _columns(share, shares, job):
    """Writes side by side what lies under each place of a filter, zeros outside the map.

    x is (N, C, H, W); y is (h, w, N, C, kh, kw).
    """
    x, y = floats(job, 0), floats(job, 1)
    rows, channels, height, width, h, w, kh, kw, sh, sw, ph, pw = numbers(job, 12)
    x = x.reshape((rows, channels, height, width))
    y = y.reshape((h, w, rows, channels, kh, kw))
    for task in range(h * rows * share // shares, h * rows * (share + 1) // shares):
        i, n = divmod(task, rows)
        for j in range(w):
            for c in range(channels):
                for k in range(kh):
                    row = i * sh + k - ph
                    for m in range(kw):
                        column = j * sw + m - pw
                        inside = 0 <= row < height and 0 <= column < width
                        y[i, j, n, c, k, m] = x[n, c, row, column] if inside else 0


@kernel
def _from_columns(share, shares, job):
    """x = bias + the sum of all columns of y that ``_columns`` would have read from each pixel."""
    y, bias, x = floats(job, 0), floats(job, 1), floats(job, 2)
    rows, channels, height, width, h, w, kh, kw, sh, sw, ph, pw = numbers(job, 12)
    x = x.reshape((rows, channels, height, width))
    y = y.reshape((h, w, rows, channels, kh, kw))
    for n in range(rows * share // shares, rows * (share + 1) // shares):
        for c in range(channels):
            x[n, c] = bias[c]
        for i in range(h):
            for j in range(w):
                for c in range(channels):
                    for k in range(kh):
                        row = i * sh + k - ph
                        if 0 <= row < height:
                            for m in range(kw):
                                column = j * sw + m - pw
                                if 0 <= column < width:
                                    x[n, c, row, column] += y[i, j, n, c, k, m]


@kernel
def _panels(share, shares, job):
    """Copies W so that columns that are multiplied at a time lie together.

    out is (taps, cols / columns, inner, columns). W[t] is (inner, cols), or with transpose lies as
    (cols, inner).
    """
    W, out = floats(job, 0), floats(job, 1)
    inner, cols, columns, transpose = numbers(job, 4)
    taps, number = len(W) // (inner * cols), cols // columns
    out = out.reshape((-1, inner, columns))
    by_row, by_column = W.reshape((taps, inner, cols)), W.reshape((taps, cols, inner))
    for task in range(len(out) * share // shares, len(out) * (share + 1) // shares):
        t, begin = task // number, task % number * columns
        source = by_column[t, begin:begin + columns]
        panel, rows = out[task], by_row[t, :, begin:begin + columns]
        # Unsigned indexes need no look at whether they are negative.
        for k in range(np.uint64(inner)):
            for c in range(np.uint64(columns)):
                panel[k, c] = source[c, k] if transpose else rows[k, c]


def panels(W: np.ndarray, out: np.ndarray, inner: int, cols: int, columns: int,
           transpose: bool) -> None:
    run(_panels, W.size, (W, out), (inner, cols, columns, transpose))


class _Layer:
    """The geometry of a layer, and its products.

    W is (small channels, big channels, kh, kw). A big side with few channels is folded: all numbers
    under a place of the filter become one row, and the map one large matrix.
    """

    def __init__(self, small, big, W, stride, pad):
        self.small, self.big, self.W_shape = small, big, W.shape
        self.geometry = small, big, W.shape[2:], stride, pad
        self.is_folded = W[0].size <= _FEW
        self.taps = ((1, 1), (1, 1), (1, 1), (1, 1), (0, 0)) if self.is_folded else self.geometry

    def lay(self, x):
        """Lays a map of the big side, (N, C, H, W), as the products read it: (h, w, N, C')."""
        if not self.is_folded:
            return pixel_major(x)
        x = x if x.flags.c_contiguous else nchw(pixel_major(x))
        pixels, numbers = math.prod(self.small), math.prod(self.W_shape[1:])
        out = empty((1, 1, pixels * len(x), numbers), x.dtype)
        run(_columns, out.size, (x, out), self._column_numbers(len(x)))
        return out

    def _column_numbers(self, rows):
        small, big, *others = self.geometry
        return rows, self.W_shape[1], *big, *small, *(n for pair in others for n in pair)

    def _weights(self, W):
        """Returns W as a dense (kh, kw, small, big): a view where the link stored it so."""
        if self.is_folded:
            return dense(W).reshape(1, 1, len(W), -1)
        return dense(W.transpose(2, 3, 0, 1))

    def to_small(self, laid, W, bias):
        """Convolves a map that ``lay`` has laid out: to (N, C', h, w)."""
        y = self._products(0, laid, self._weights(W), bias)
        return y.reshape(*self.small, -1, len(W)).transpose(2, 3, 0, 1)

    def to_big(self, small, W, bias):
        """Deconvolves (N, C', h, w) to (N, C, H, W)."""
        small = pixel_major(small)
        if not self.is_folded:
            return self._products(1, small, self._weights(W), bias).transpose(2, 3, 0, 1)
        y = self._products(1, small.reshape(1, 1, -1, len(W)), self._weights(W), None)
        out = empty((small.shape[2], W.shape[1], *self.big), y.dtype)
        bias = np.zeros(W.shape[1], y.dtype) if bias is None else dense(bias)
        run(_from_columns, y.size, (y, bias, out), self._column_numbers(len(out)))
        return out

    def _products(self, by, x, W, bias):
        """Sums pixels of x, (h, w, N, C), times W, (kh, kw, small, big), over the taps."""
        rows, inner = x.shape[2:]
        cols = W.shape[2 + by]
        transpose, ldw, column_step = by == 0, W.shape[3], 1
        columns = columns_at_once(rows, inner, cols)
        if columns and (transpose or rows > _MANY_ROWS):
            laid = empty(W.shape, W.dtype)
            panels(W, laid, inner, cols, columns, transpose)
            W, transpose, ldw, column_step = laid, False, columns, inner
        order, first, *others, tap = _taps(by, *self.taps)
        y = empty((*self.taps[by], rows, cols), x.dtype)
        products(Matrices(x, rows * inner, inner), Matrices(W, inner * cols, ldw),
                 Matrices(y, rows * cols, cols), (rows, inner, cols),
                 Meetings(order, first, others[1 - by], tap), bias,
                 transpose=transpose, column_step=column_step)
        return y

    def weight_gradient(self, small, laid):
        """Returns the gradient of W, in the memory order of the weights."""
        small = pixel_major(small)
        h, w, rows, m = small.shape
        if self.is_folded:
            # One part per row of the map; the parts are summed below.
            y = weight_products(small, laid, h, w * rows, *3 * count_up(h))
            return column_sums(y.reshape(h, -1)).reshape(self.W_shape)
        kh, kw = self.W_shape[2:]
        y = weight_products(small, laid, kh * kw, rows, *_taps(0, *self.taps)[2:])
        return y.reshape(kh, kw, m, -1).transpose(2, 3, 0, 1)


class Convolution2D(FirstOrder, chainer.FunctionNode):
    """Chainer's Convolution2DFunction, of first order, without dilation and groups."""

    follows, floating = (0, 2), True

    def __init__(self, stride, pad):
        self.stride, self.pad = stride, pad

    def values(self, inputs):
        x, W, *b = inputs
        small = tuple((size + 2 * pad - k) // stride + 1 for size, pad, k, stride in
                      zip(x.shape[2:], self.pad, W.shape[2:], self.stride, strict=True))
        self.layer = _Layer(small, x.shape[2:], W, self.stride, self.pad)
        # Kept for the gradient of W in the place of x.
        self.laid = self.layer.lay(x)
        self.retain_inputs((1,))
        return self.layer.to_small(self.laid, W, *b or [None])

    def gradients(self, indexes, gy):
        W, = self.get_retained_inputs()
        if 0 in indexes:
            yield self.layer.to_big(gy, W.array, None)
        if 1 in indexes:
            yield self.layer.weight_gradient(gy, self.laid)
        if 2 in indexes:
            yield column_sums(pixel_major(gy))


class Deconvolution2D(FirstOrder, chainer.FunctionNode):
    """Chainer's Deconvolution2DFunction, of first order, without dilation and groups.

    Computes gradients of the parameters alone, too, at which Chainer's own fails.
    """

    follows, floating = (0, 2), True

    def __init__(self, stride, pad, outsize):
        self.stride, self.pad, self.outsize = stride, pad, outsize

    def values(self, inputs):
        x, W, *b = inputs
        self.layer = _Layer(x.shape[2:], self.outsize, W, self.stride, self.pad)
        self.retain_inputs((0, 1))
        return self.layer.to_big(x, W, *b or [None])

    def gradients(self, indexes, gy):
        x, W = (v.array for v in self.get_retained_inputs())
        laid = self.layer.lay(gy) if 0 in indexes or 1 in indexes else None
        if 0 in indexes:
            yield self.layer.to_small(laid, W, None)
        if 1 in indexes:
            yield self.layer.weight_gradient(x, laid)
        if 2 in indexes:
            yield column_sums(dense_view(gy)[0].reshape(-1, 1) if gy.shape[1] == 1
                              else pixel_major(gy))

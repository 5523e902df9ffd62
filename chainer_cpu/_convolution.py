"""Convolution and deconvolution as matrix products on whole pixels."""

import functools

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._memory import FirstOrder, column_sums, flat, no_bias, pixel_major

chainer = import_chainer()

# With so few numbers under a filter, all of them together make the inner dimension of one product.
_FEW = 32


# Convolution. "Small" is the convolution's output and the deconvolution's input, "big" the other
# side. Both have W of shape (small channels, big channels, kh, kw), and these three products serve
# the forward and backward passes of both.

@functools.lru_cache(maxsize=256)
def _taps(small, big, ksize, stride, pad):
    """Which pixels meet at which tap: int64 arrays (small pixel, big pixel, tap), by taps."""
    found = [(i * small[1] + j, row * big[1] + column, k * ksize[1] + m)
             for k in range(ksize[0]) for m in range(ksize[1])
             for i in range(small[0]) for j in range(small[1])
             for row, column in [(i * stride[0] + k - pad[0], j * stride[1] + m - pad[1])]
             if 0 <= row < big[0] and 0 <= column < big[1]]
    return np.array(found, np.int64).reshape(-1, 3).T


@functools.lru_cache(maxsize=1024)
def _by(axis, groups, *geometry):
    """The taps sorted along one of their axes, and where each of its groups begins."""
    taps = _taps(*geometry)
    order = np.argsort(taps[axis], kind="stable")
    first = np.searchsorted(taps[axis][order], np.arange(groups + 1))
    return (first, *np.ascontiguousarray(taps[:, order]))


class _Geometry:
    """One layer's numbers: sizes of the maps, filter, stride, padding."""

    def __init__(self, small, big, ksize, stride, pad):
        self.key = (tuple(small), tuple(big), tuple(ksize), tuple(stride), tuple(pad))
        self.small, self.big, self.ksize, self.stride, self.pad = self.key

    def is_folded(self, channels):
        """Whether the big side, having few channels, is turned into a small side with many."""
        return self.ksize == self.stride and channels * self.ksize[0] * self.ksize[1] <= _FEW

    def fold(self, x):
        """Big map (N, C, H, W) to (h, w, N, kh * kw * C)."""
        n, c = x.shape[:2]
        out = _workers.empty((*self.small, n, *self.ksize, c), x.dtype)
        _workers.run(_kernels.space_to_depth, np.ascontiguousarray(x), self.stride, self.pad, out)
        return out.reshape(*self.small, n, -1)

    def unfold(self, y, bias, channels):
        """(h, w, N, kh * kw * C) to a big map (N, C, H, W)."""
        n = y.shape[2]
        out = _workers.empty((n, channels, *self.big), y.dtype)
        _workers.run(_kernels.depth_to_space, y.reshape(*self.small, n, *self.ksize, channels),
                     self.stride, self.pad, bias, out)
        return out

    def folded(self):
        """The geometry that is left after folding: one tap."""
        return _Geometry(self.small, self.small, (1, 1), (1, 1), (0, 0))


def _tap_major(W):
    """W (small, big, kh, kw) as a dense (kh, kw, small, big): a view where the link stored it so."""
    return np.ascontiguousarray(W.transpose(2, 3, 0, 1))


def _folded_weights(W):
    return np.ascontiguousarray(W.transpose(0, 2, 3, 1)).reshape(1, 1, len(W), -1)


def _to_small(geometry, big, W, bias):
    """The convolution: big map (N, C, H, W) to a dense (h, w, N, C')."""
    if geometry.is_folded(W.shape[1]):
        return _products(geometry.folded(), geometry.fold(big), _folded_weights(W), bias, True)
    return _products(geometry, pixel_major(big), _tap_major(W), bias, True)


def _to_big(geometry, small, W, bias):
    """The deconvolution: small map (N, C', h, w) to a big one (N, C, H, W)."""
    small = pixel_major(small)
    if geometry.is_folded(W.shape[1]):
        folded = _products(geometry.folded(), small, _folded_weights(W), None, False)
        bias = np.zeros(W.shape[1], W.dtype) if bias is None else bias
        return geometry.unfold(folded, bias, W.shape[1])
    return _products(geometry, small, _tap_major(W), bias, False).transpose(2, 3, 0, 1)


def _products(geometry, x, W, bias, to_small):
    """Sums over taps of pixels of x, (h, w, N, C), times W, (kh, kw, small, big)."""
    rows, inner = x.shape[2:]
    cols = W.shape[2 if to_small else 3]
    map_size = geometry.small if to_small else geometry.big
    first, small, big, tap = _by(0 if to_small else 1, map_size[0] * map_size[1], *geometry.key)
    y = _workers.empty((*map_size, rows, cols), x.dtype)
    _workers.run(_kernels.products, _kernels.GEMM[x.dtype], first, big if to_small else small, tap,
                 flat(x), rows * inner, inner, flat(W), W[0, 0].size, W.shape[3], to_small,
                 flat(y), rows * cols, cols, rows, inner, cols,
                 no_bias(x.dtype) if bias is None else np.ascontiguousarray(bias), 0)
    return y


def _weight_gradient(geometry, small, big, channels, dtype):
    """Gradient of W, (small channels, big channels, kh, kw), in the memory order of the weights."""
    small = pixel_major(small)
    m, taps = small.shape[3], geometry.ksize
    folded = geometry.is_folded(channels)
    if folded:
        big, geometry = geometry.fold(big), geometry.folded()
    else:
        big = pixel_major(big)
    n, rows = big.shape[3], big.shape[2]
    count = geometry.ksize[0] * geometry.ksize[1]
    first, a, b, _ = _by(2, count, *geometry.key)
    y = np.empty((count, m, n), dtype)
    pieces = max(1, min(m // 32, -(-2 * _workers.count() // count)))
    _workers.run(_kernels.weight_products, _kernels.GEMM[y.dtype], first, a, b, flat(small),
                 rows * m, m, flat(big), rows * n, n, flat(y), rows, m, n, pieces)
    if folded:
        return y.reshape(m, *taps, channels).transpose(0, 3, 1, 2)
    return y.reshape(*taps, m, n).transpose(2, 3, 0, 1)


class Convolution2D(FirstOrder, chainer.FunctionNode):
    """Chainer's Convolution2DFunction without dilation and groups, first order."""

    def __init__(self, stride, pad):
        self.stride, self.pad = stride, pad

    def forward(self, inputs):
        x, W, *b = inputs
        small = [(size + 2 * pad - k) // stride + 1 for size, pad, k, stride in
                 zip(x.shape[2:], self.pad, W.shape[2:], self.stride)]
        self.geometry = _Geometry(small, x.shape[2:], W.shape[2:], self.stride, self.pad)
        self.retain_inputs((0, 1))
        return _to_small(self.geometry, x, W, *b or [None]).transpose(2, 3, 0, 1),

    def gradients(self, indexes, gy):
        x, W = (v.array for v in self.get_retained_inputs())
        if 0 in indexes:
            yield _to_big(self.geometry, gy, W, None)
        if 1 in indexes:
            yield _weight_gradient(self.geometry, gy, x, W.shape[1], W.dtype)
        if 2 in indexes:
            yield column_sums(pixel_major(gy), gy.shape[1])


class Deconvolution2D(FirstOrder, chainer.FunctionNode):
    """Chainer's Deconvolution2DFunction without dilation and groups, first order.

    Its gradient with respect to the parameters alone works, which Chainer's own fails at.
    """

    def __init__(self, stride, pad, outsize):
        self.stride, self.pad, self.outsize = stride, pad, outsize

    def forward(self, inputs):
        x, W, *b = inputs
        big = [stride * (size - 1) + k - 2 * pad if out is None else out for out, size, pad, k, stride
               in zip(self.outsize, x.shape[2:], self.pad, W.shape[2:], self.stride)]
        self.geometry = _Geometry(x.shape[2:], big, W.shape[2:], self.stride, self.pad)
        self.retain_inputs((0, 1))
        return _to_big(self.geometry, x, W, *b or [None]),

    def gradients(self, indexes, gy):
        x, W = (v.array for v in self.get_retained_inputs())
        if 0 in indexes:
            yield _to_small(self.geometry, gy, W, None).transpose(2, 3, 0, 1)
        if 1 in indexes:
            yield _weight_gradient(self.geometry, x, gy, W.shape[1], W.dtype)
        if 2 in indexes:
            yield column_sums(pixel_major(gy), gy.shape[1])

"""Convolution and deconvolution as matrix products on whole pixels."""

import functools

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._memory import FirstOrder, column_sums, empty, no_bias, pixel_major, total

chainer = import_chainer()

# With so few numbers under a filter, all of them together make the inner dimension of one product.
_FEW = 32


# "Small" is the convolution's output and the deconvolution's input, "big" the other side. Both have
# W of shape (small channels, big channels, kh, kw), and three kinds of products serve all passes of
# both: to small, to big, and the gradient of W.

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
def _by_output(axis, size, *geometry):
    """The taps sorted by small pixel (axis 0) or big pixel (1), of which there are ``size``.

    Returns the order in which to make the outputs, where each one's taps begin, and the three rows
    of the taps. Big pixels that need the same small pixel are made one after the other.
    """
    taps = _taps(*geometry)
    first = np.searchsorted(np.sort(taps[axis]), np.arange(size + 1))
    met = np.zeros(size, np.int64)
    met[taps[axis]] = taps[1 - axis]
    order = np.arange(size) if axis == 0 else np.argsort(met, kind="stable")
    return (order, first, *np.ascontiguousarray(taps[:, np.argsort(taps[axis], kind="stable")]))


@functools.lru_cache(maxsize=256)
def _by_small(*geometry):
    """The taps sorted by small pixel, to come back to it while it is in the cache."""
    taps = _taps(*geometry)
    return tuple(np.ascontiguousarray(taps[:, np.argsort(taps[0], kind="stable")]))


class _Layer:
    """One layer's numbers, and its products.

    W is (small channels, big channels, kh, kw). A big side with few channels is folded: the pixels
    under a filter, which do not overlap, become the channels of a map as small as the small side,
    and one tap is left.
    """

    def __init__(self, small, big, W, stride, pad):
        self.small, self.big, self.stride, self.pad = small, big, stride, pad
        self.small_channels, self.big_channels = W.shape[:2]
        self.ksize = W.shape[2:]
        self.is_folded = self.ksize == stride and W[0].size <= _FEW
        self.taps = (small, big, self.ksize, stride, pad)
        if self.is_folded:
            self.taps = (small, small, (1, 1), (1, 1), (0, 0))

    def lay(self, x):
        """A map of the big side, (N, C, H, W), as the products take it: (h, w, N, C')."""
        if not self.is_folded:
            return pixel_major(x)
        out = empty((*self.small, len(x), *self.ksize, x.shape[1]), x.dtype)
        _workers.run(_kernels.SPACE_TO_DEPTH, out.size, (np.ascontiguousarray(x), out),
                     (*x.shape, *self.small, *self.stride, *self.pad))
        return out.reshape(*self.small, len(x), -1)

    def _weights(self, W):
        """W as a dense (kh, kw, small, big): a view where the link stored it so."""
        if self.is_folded:
            return np.ascontiguousarray(W.transpose(0, 2, 3, 1)).reshape(1, 1, len(W), -1)
        return np.ascontiguousarray(W.transpose(2, 3, 0, 1))

    def to_small(self, laid, W, bias):
        """The convolution: a map laid out by ``lay`` to (N, C', h, w)."""
        return self._products(laid, self._weights(W), bias, to_small=True).transpose(2, 3, 0, 1)

    def to_big(self, small, W, bias):
        """The deconvolution: (N, C', h, w) to (N, C, H, W)."""
        small = pixel_major(small)
        if not self.is_folded:
            y = self._products(small, self._weights(W), bias, to_small=False)
            return y.transpose(2, 3, 0, 1)
        rows = small.shape[2]
        y = self._products(small, self._weights(W), None, to_small=False)
        out = empty((rows, self.big_channels, *self.big), y.dtype)
        bias = np.zeros(self.big_channels, y.dtype) if bias is None else np.ascontiguousarray(bias)
        _workers.run(_kernels.DEPTH_TO_SPACE, out.size, (y, bias, out),
                     (*out.shape, *self.small, *self.stride, *self.pad))
        return out

    def _products(self, x, W, bias, to_small):
        """Sums over taps of pixels of x, (h, w, N, C), times W, (kh, kw, small, big)."""
        rows, inner = x.shape[2:]
        cols = W.shape[2 if to_small else 3]
        map_size = self.taps[0 if to_small else 1]
        order, first, small, big, tap = _by_output(0 if to_small else 1, map_size[0] * map_size[1],
                                                   *self.taps)
        y = empty((*map_size, rows, cols), x.dtype)
        bias = no_bias(x.dtype) if bias is None else np.ascontiguousarray(bias)
        _workers.run(_kernels.PRODUCTS, len(tap) * rows * inner * cols // 45, (x, W, y, bias),
                     (_kernels.GEMM[x.dtype], rows * inner, inner, W[0, 0].size, W.shape[3],
                      to_small, rows * cols, cols, rows, inner, cols, 0),
                     (order, first, big if to_small else small, tap))
        return y

    def weight_gradient(self, small, laid):
        """Gradient of W, in the memory order of the weights."""
        small = pixel_major(small)
        rows, m, n = *small.shape[2:], laid.shape[3]
        a, b, tap = _by_small(*self.taps)
        y = empty((_workers.count(), self.taps[2][0] * self.taps[2][1], m, n), small.dtype)
        _workers.run(_kernels.WEIGHT_PRODUCTS, 0, (small, laid, y),
                     (_kernels.GEMM[y.dtype], rows * m, m, rows * n, n, rows, m, n, y.shape[1]),
                     (a, b, tap), shares=len(y))
        y = total(y)
        if self.is_folded:
            return y.reshape(m, *self.ksize, self.big_channels).transpose(0, 3, 1, 2)
        return y.reshape(*self.ksize, m, n).transpose(2, 3, 0, 1)


class Convolution2D(FirstOrder, chainer.FunctionNode):
    """Chainer's Convolution2DFunction without dilation and groups, first order."""

    def __init__(self, stride, pad):
        self.stride, self.pad = stride, pad

    def forward(self, inputs):
        x, W, *b = inputs
        small = tuple((size + 2 * pad - k) // stride + 1 for size, pad, k, stride in
                      zip(x.shape[2:], self.pad, W.shape[2:], self.stride))
        self.layer = _Layer(small, x.shape[2:], W, self.stride, self.pad)
        # Kept instead of x: the same memory, or a copy that is wanted again.
        self.laid = self.layer.lay(x)
        self.retain_inputs((1,))
        return self.layer.to_small(self.laid, W, *b or [None]),

    def gradients(self, indexes, gy):
        W, = self.get_retained_inputs()
        if 0 in indexes:
            yield self.layer.to_big(gy, W.array, None)
        if 1 in indexes:
            yield self.layer.weight_gradient(gy, self.laid)
        if 2 in indexes:
            yield column_sums(pixel_major(gy))


class Deconvolution2D(FirstOrder, chainer.FunctionNode):
    """Chainer's Deconvolution2DFunction without dilation and groups, first order.

    Its gradient with respect to the parameters alone works, which Chainer's own fails at.
    """

    def __init__(self, stride, pad, outsize):
        self.stride, self.pad, self.outsize = stride, pad, outsize

    def forward(self, inputs):
        x, W, *b = inputs
        self.layer = _Layer(x.shape[2:], self.outsize, W, self.stride, self.pad)
        self.retain_inputs((0, 1))
        return self.layer.to_big(x, W, *b or [None]),

    def gradients(self, indexes, gy):
        x, W = (v.array for v in self.get_retained_inputs())
        laid = self.layer.lay(gy) if 0 in indexes or 1 in indexes else None
        if 0 in indexes:
            yield self.layer.to_small(laid, W, None)
        if 1 in indexes:
            yield self.layer.weight_gradient(x, laid)
        if 2 in indexes:
            few = gy.shape[1] == 1
            yield gy.sum(axis=(0, 2, 3)) if few else column_sums(pixel_major(gy))

"""Chainer's functions, with fast ones in the place of those that the post's networks spend time in.

``linear``, ``convolution_2d``, ``deconvolution_2d``, ``batch_normalization``, ``relu``,
``leaky_relu``, ``tanh``, ``reshape`` and ``softmax_cross_entropy`` take Chainer's arguments and
give its values (to 1e-5 relative in float32). Where :func:`is_fast` says no, they are Chainer's
own.

Shapes are Chainer's, (N, C, H, W), but the fast functions leave maps in pixel-major memory (see
``_kernels``): what they return is a transposed view, as PyTorch's channels_last is. Gradients are
of the first order: asking for more (``enable_double_backprop``) raises RuntimeError.
"""

import contextlib
import numbers
from math import prod as product

import numpy as np

from chainer_cpu._activation import LeakyReLU, ReLU, Tanh
from chainer_cpu._backprop import grad  # noqa: F401  (Chainer's grad, faster)
from chainer_cpu._compat import import_chainer
from chainer_cpu._convolution import Convolution2D, Deconvolution2D
from chainer_cpu._kernels import DTYPES
from chainer_cpu._linear import Linear
from chainer_cpu._normalization import BatchNormalization
from chainer_cpu._queue import queue
from chainer_cpu._small import Reshape, SoftmaxCrossEntropy

chainer = import_chainer()

# Chainer has a max, a min, a math and a sum of its own: from here on, these names are its.
import chainer.functions as stock  # noqa: E402
from chainer.functions import *  # noqa: E402, F401, F403


def is_fast(*arrays) -> bool:
    """Whether the fast functions take these arrays: NumPy's, all float32 or all float64, not empty.

    Takes Variables in Chainer's ordinary layout too, and passes over None. Where it returns False,
    the caller calls Chainer's own function.
    """
    dtype = None
    for given in arrays:
        if given is None:
            continue
        # given.array would run the queue
        x = given._data[0] if isinstance(given, chainer.Variable) else given
        if type(x) is not np.ndarray or not x.size or dtype is not None and x.dtype != dtype:
            return False
        if x is not given and given.layout is not None:
            return False
        dtype = x.dtype
    return dtype in DTYPES and chainer.config.schedule_func is None


def deferred() -> contextlib.AbstractContextManager:
    """Returns a context in which fast functions only queue; they run at its end, in one call.

    Values are the same as without it. Reading one (``y.array``) runs what is queued; in another
    thread it raises RuntimeError. Until the end of the context no array that a function was given
    may be changed in place, and running averages are not updated yet.
    """
    return queue()


def linear(x, W, b=None, n_batch_axes=1):
    """Chainer's linear: x (N, ...) times W (out, in) transposed, plus b (out,)."""
    if (n_batch_axes == 1 and is_fast(x, W, b) and W.ndim == 2 and x.ndim > 1
            and W.shape[1] == x.size // x.shape[0] and (b is None or b.shape == W.shape[:1])):
        return Linear().apply((x, W) if b is None else (x, W, b))[0]
    return stock.linear(x, W, b, n_batch_axes)


def convolution_2d(x, W, b=None, stride=1, pad=0, cover_all=False, **kwargs):
    """Chainer's convolution_2d: x (N, C, H, W), W (C', C, kh, kw), b (C',)."""
    if (not cover_all and _is_plain(**kwargs) and _are_maps(x, W, b)
            and x.shape[1] == W.shape[1] and (b is None or b.shape == W.shape[:1])
            and (strides := _pair(stride, 1)) and (pads := _pair(pad, 0))
            and all(size + 2 * p >= k
                    for size, p, k in zip(x.shape[2:], pads, W.shape[2:], strict=True))):
        return Convolution2D(strides, pads).apply((x, W) if b is None else (x, W, b))[0]
    return stock.convolution_2d(x, W, b, stride, pad, cover_all, **kwargs)


def deconvolution_2d(x, W, b=None, stride=1, pad=0, outsize=None, **kwargs):
    """Chainer's deconvolution_2d: x (N, C, h, w), W (C, C', kh, kw), b (C',)."""
    if (_is_plain(**kwargs) and _are_maps(x, W, b) and x.shape[1] == W.shape[0]
            and (b is None or b.shape == W.shape[1:2])
            and (strides := _pair(stride, 1)) and (pads := _pair(pad, 0))):
        height, width = (None, None) if outsize is None else outsize
        geometry = list(zip(x.shape[2:], W.shape[2:], strides, pads, strict=True))
        big = _pair([s * (size - 1) + k - 2 * p if out is None else out
                     for out, (size, k, s, p) in zip((height, width), geometry, strict=True)], 1)
        # Chainer raises the error for an impossible outsize.
        if big and all((out + 2 * p - k) // s + 1 == size
                       for out, (size, k, s, p) in zip(big, geometry, strict=True)):
            inputs = (x, W) if b is None else (x, W, b)
            return Deconvolution2D(strides, pads, big).apply(inputs)[0]
    return stock.deconvolution_2d(x, W, b, stride, pad, outsize, **kwargs)


def _are_maps(x, W, b):
    return is_fast(x, W, b) and x.ndim == W.ndim == 4


def _is_plain(dilate=1, groups=1, **others):
    return not others and _pair(dilate, 1) == (1, 1) and groups == 1


def _pair(x, least):
    """Returns a number or a pair as a pair of ints; None where Chainer has to raise the error."""
    first, second = x if hasattr(x, "__getitem__") else (x, x)
    if all(isinstance(n, numbers.Integral) and n >= least for n in (first, second)):
        return int(first), int(second)
    return None


def batch_normalization(x, gamma, beta, eps=2e-5, running_mean=None, running_var=None, decay=0.9,
                        axis=None, comm=None):
    """Chainer's batch_normalization: x (N, C) or (N, C, H, W), gamma and beta (C,).

    With comm, a ChainerMN communicator, x is this process's share of a batch, and the statistics
    are the whole batch's; NotImplementedError where is_fast says no.
    """
    if (is_fast(x, gamma, beta, running_mean, running_var) and not chainer.is_debug()
            and x.ndim in (2, 4) and axis in (None, (0, 2, 3)[:x.ndim - 1])
            and all(a is None or a.shape == x.shape[1:2]
                    for a in (gamma, beta, running_mean, running_var))
            and not isinstance(running_mean, chainer.Variable)
            and not isinstance(running_var, chainer.Variable)
            # Chainer warns of a batch of one sample.
            and (x.size > x.shape[1] or comm is not None)
            and (running_mean is None) == (running_var is None)):
        node = BatchNormalization(eps, running_mean, running_var, decay, comm)
        return node.apply((x, gamma, beta))[0]
    if comm is not None:
        raise NotImplementedError("batch statistics over several processes, for these arrays")
    return stock.batch_normalization(x, gamma, beta, eps=eps, running_mean=running_mean,
                                     running_var=running_var, decay=decay, axis=axis)


def relu(x):
    """Chainer's relu: the positive part of x, of any shape."""
    return ReLU().apply((x,))[0] if is_fast(x) else stock.relu(x)


def leaky_relu(x, slope=0.2):
    """Chainer's leaky_relu: x, of any shape, times slope where it is not positive."""
    if slope > 0 and is_fast(x):
        return LeakyReLU(slope).apply((x,))[0]
    return stock.leaky_relu(x, slope)


def tanh(x):
    """Chainer's tanh, of any shape."""
    return Tanh().apply((x,))[0] if is_fast(x) else stock.tanh(x)


def reshape(x, shape):
    """Chainer's reshape: x in another shape of as many numbers."""
    if (is_fast(x) and type(shape) is tuple and shape != x.shape and product(shape) == x.size
            and all(n > 0 for n in shape)):
        return Reshape(shape).apply((x,))[0]
    return stock.reshape(x, shape)


def softmax_cross_entropy(x, t, **kwargs):
    """Chainer's softmax_cross_entropy: the mean over logits x (N, K) and labels t (N,), ints."""
    if (not kwargs and is_fast(x) and x.ndim == 2 and type(t) is np.ndarray and t.dtype.kind == "i"
            and t.shape == x.shape[:1] and t.min() >= 0 and t.max() < x.shape[1]):
        return SoftmaxCrossEntropy(t).apply((x,))[0]
    return stock.softmax_cross_entropy(x, t, **kwargs)

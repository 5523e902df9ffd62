"""How maps lie in memory, and what every fast function node has in common."""

import collections
import functools
import math
import os
import threading
import weakref

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer

chainer = import_chainer()

from chainer.utils import type_check  # noqa: E402

# Smaller arrays are left to NumPy, which is quick with them.
_SMALL = 1 << 16
# A sum over rows is made of this many at most, which NumPy adds up.
_TASKS = 32
# No more bytes than these are kept for later: freed memory, and tables.
KEPT, TABLES = 2 << 30, 64 << 20

_free = {}  # blocks by size; the size that was freed last is the last one
_free_bytes = 0
_returned = collections.deque()
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # a child in which nobody could ever release it would hang
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_lock.release)


def empty(shape, dtype):
    """An uninitialised array, like numpy.empty, in memory that was used before where there is some.

    Fresh memory comes page by page from the system, which for arrays of 20 MB takes longer than
    filling them.
    """
    global _free_bytes
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < _SMALL:
        return np.empty(shape, dtype)
    with _lock:
        _sort()
        blocks = _free.get(size)
        if blocks:
            block = blocks.pop()
            _free_bytes -= size
        else:
            _shrink(_free_bytes - size)  # as much old memory is given up as is new
            block = _Block(size, np.uint8)
    return np.ndarray(shape, dtype, _Owner(size, np.uint8, block))


class _Block(np.ndarray):
    """Memory. Not a plain array: of those, a view's base is the first of them all."""


class _Owner(np.ndarray):
    """The base of an array and of all its views: lives as long as they, then frees their memory."""

    def __del__(self):
        if _release is not None:  # as it is when the interpreter ends
            _release(self.base)


def _release(block):
    # Garbage may be collected at any time, in the midst of the code below too: there, this waits.
    _returned.append(block)
    if _lock.acquire(blocking=False):
        try:
            _sort()
        finally:
            _lock.release()


def _sort():
    """Puts what was returned to what is free."""
    global _free_bytes
    while _returned:
        block = _returned.popleft()
        blocks = _free.pop(block.size, None) or []
        blocks.append(block)
        _free[block.size] = blocks
        _free_bytes += block.size
    if _free_bytes > KEPT:
        _shrink(KEPT)


def _shrink(size):
    """Gives up free memory down to a size, what was not used for longest first."""
    global _free_bytes
    while _free and _free_bytes > size:
        oldest = next(iter(_free))
        if _free[oldest]:
            _free[oldest].pop()
            _free_bytes -= oldest
        else:
            del _free[oldest]


def bounded(function):
    """Like functools.cache, for functions that make a tuple of arrays; forgets at TABLES bytes."""
    results = {}

    @functools.wraps(function)
    def cached(*key):
        found = results.get(key)
        if found is None:
            found = function(*key)
            if sum(a.nbytes for arrays in (*results.values(), found) for a in arrays) > TABLES:
                results.clear()
            if sum(a.nbytes for a in found) <= TABLES:
                results[key] = found
        return found

    return cached


class FirstOrder:
    """Mixed into a FunctionNode with one output: checks gradients before they are addresses.

    Refuses what a silent None would get wrong. A gradient of another dtype is taken over into that
    of the output, which the results then have too, but for those of the inputs in ``follows``:
    they have the gradient's, as Chainer's. ``floating`` says that it must be a float's.
    """

    follows, floating = (), False

    def apply(self, inputs):
        if chainer.get_function_hooks() or self._n_local_function_hooks or chainer.is_debug():
            y, = super().apply(inputs)
        else:
            y = self._apply([chainer.as_variable(x) for x in inputs])
        self.output = y.shape, y.dtype
        return y,

    def _apply(self, inputs):
        """What Chainer's apply does for one output where ``functions.is_fast`` has looked."""
        array, = self.forward(tuple([x.array for x in inputs]))
        y = chainer.Variable(array, requires_grad=any([x.requires_grad for x in inputs]))
        self._input_layouts, self._output_layouts = (None,) * len(inputs), (None,)
        self._output_count = 1
        if chainer.config.enable_backprop:
            self.rank = max([x.rank for x in inputs])
            y.creator_node = self
            self.inputs = tuple([x.node for x in inputs])
            self.outputs = weakref.ref(y.node),
            for i in self._input_indexes_to_retain or ():
                inputs[i].retain_data()
            if self._output_indexes_to_retain is not None:
                y.retain_data()
                self._retained_output_data = array,
            self.lazy_grad_sum = chainer.config.lazy_grad_sum
        return y

    def backward(self, indexes, grad_outputs):
        if chainer.config.enable_backprop:
            raise RuntimeError(
                f"no second-order gradients ({self.label}, enable_double_backprop=True); "
                "use Chainer's own functions and links for this network")
        return tuple(chainer.Variable(g, requires_grad=False)
                     for g in self.checked_gradients(indexes, grad_outputs[0].array))

    def checked_gradients(self, indexes, gy, **options):
        """What ``gradients`` yields, arrays, for a gradient of any dtype."""
        shape, dtype = self.output
        if gy.shape != shape:
            raise ValueError(f"a gradient of shape {gy.shape} for an output of shape {shape} "
                             f"({self.label})")
        if gy.dtype == dtype:
            return self.gradients(indexes, gy, **options)
        if self.floating:
            type_check.expect(type_check.get_types((gy,), "gy", False)[0].dtype.kind == "f")
        return [g.astype(gy.dtype if i in self.follows else dtype, copy=False) for i, g in
                zip(indexes, self.gradients(indexes, gy.astype(dtype), **options), strict=True)]


# A map (N, C, H, W) is pixel-major where its transposed view (H, W, N, C) is dense.

def pixel_major(x):
    """The dense (H, W, N, C) array of a map x, (N, C, H, W): a view if that is how it lies."""
    view = x.transpose(2, 3, 0, 1)
    if view.flags.c_contiguous:
        return view
    n, c, h, w = x.shape
    out = empty(view.shape, x.dtype)
    x = np.ascontiguousarray(x)
    _workers.run(_kernels.TRANSPOSE, x.size, (x, out), (n, c, h * w))
    return out


def nchw(array):
    """A dense (H, W, N, C) array as a dense (N, C, H, W) one."""
    h, w, n, c = array.shape
    out = empty((n, c, h, w), array.dtype)
    _workers.run(_kernels.TRANSPOSE_BACK, array.size, (array, out), (n, c, h * w))
    return out


def totals(kernel, arrays, number):
    """Runs a kernel that sums over all rows of arrays[0], (..., C); float64 (number, C)."""
    size, channels = arrays[0].size, arrays[0].shape[-1]
    tasks = min(_TASKS, size // channels, -(-size // _kernels.TASK_SIZE))
    partial = np.empty((number, tasks, channels))
    _workers.run(kernel, size // 4, arrays, (size // channels, channels, tasks), (partial,))
    return partial.sum(axis=1)


def column_sums(x):
    """Sums over all but the last axis of dense x."""
    return totals(_kernels.SUMS, (x,), 1)[0].astype(x.dtype)


def is_pixel_major(x):
    """Whether x is a map in pixel-major memory (and not, as one pixel is, a plain matrix too)."""
    return x.ndim == 4 and not x.flags.c_contiguous and x.transpose(2, 3, 0, 1).flags.c_contiguous


def matrix(x):
    return np.ascontiguousarray(x).reshape(len(x), -1)


def dense_view(x):
    """x as a dense array with its axes in another order, and the order that leads back."""
    if is_pixel_major(x):
        return x.transpose(2, 3, 0, 1), (2, 3, 0, 1)
    return np.asarray(x, order="C"), tuple(range(x.ndim))


@functools.cache
def constant(value, dtype):
    return np.array([value], dtype)


@functools.cache
def no_bias(dtype):
    return np.empty(0, dtype)

"""Reuses the memory of arrays, and keeps tables, each up to a number of bytes."""

import collections
import functools
import math
import os
import threading

import numpy as np

# Bytes. Smaller arrays are NumPy's, which is fast with them.
_SMALL = 1 << 16
# Bytes that are kept at most: of freed memory, and of tables.
KEPT, TABLES = 2 << 30, 64 << 20
# A size that was not among the last _PATIENCE frees is given up.
_PATIENCE = 500

_free = {}  # blocks by size, the size that was freed last at the end
_free_bytes = 0
_time, _freed_at = 0, {}  # number of frees so far; the number of a size's last one
_returned = collections.deque()
waiting = {}  # by thread: the blocks that its queued kernels read or write
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # else a child could wait for it for ever
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_lock.release)


def empty(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Returns an uninitialised array, like numpy.empty, if possible in memory freed before.

    Fresh memory comes page by page from the system, which for arrays of 20 MB takes longer than
    filling them. While kernels wait in this thread's queue, one of them may still need this memory:
    only kernels that are queued later may write to it.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < _SMALL:
        return np.empty(shape, dtype)
    with _lock:
        _sort()
        block = _take(size)
        if block is None:
            _give_up_old()
            block = _Block(size, np.uint8)
    return np.ndarray(shape, dtype, _Owner(size, np.uint8, block))


def _take(size):
    """Takes the block of that size that was freed last and that no other thread's queue needs."""
    global _free_bytes
    thread, blocks = threading.get_ident(), _free.get(size, ())
    others = [needed for of, needed in list(waiting.items()) if of != thread]
    for i in reversed(range(len(blocks))):
        if not any(blocks[i] is block for needed in others for block in list(needed)):
            _free_bytes -= size
            return blocks.pop(i)
    return None


class _Block(np.ndarray):
    """A piece of memory. Not a plain array, past which NumPy would point the base of a view."""


class _Owner(np.ndarray):
    """The base of an array and of all its views; frees their memory when the last one is gone."""

    def __del__(self):
        if _release is not None:  # it is None when the interpreter ends
            _release(self.base)


def _release(block):
    # The collector may call this in the middle of the code below: so it only appends.
    _returned.append(block)
    if _lock.acquire(blocking=False):
        try:
            _sort()
        finally:
            _lock.release()


def _sort():
    """Moves returned blocks to the free ones."""
    global _free_bytes, _time
    while _returned:
        block = _returned.popleft()
        blocks = _free.pop(block.size, None) or []
        blocks.append(block)
        _free[block.size] = blocks
        _free_bytes += block.size
        _time += 1
        _freed_at[block.size] = _time
    while _free_bytes > KEPT:
        _give_up(next(iter(_free)))


def _give_up_old():
    while _free and _time - _freed_at[oldest := next(iter(_free))] > _PATIENCE:
        _give_up(oldest)


def _give_up(size):
    """Frees one block of a size for good, and forgets the size with its last block."""
    global _free_bytes
    if _free[size]:
        _free[size].pop()
        _free_bytes -= size
    if not _free[size]:
        del _free[size], _freed_at[size]


def bounded(function):
    """Like functools.cache, for functions that return tuples of arrays; forgets at TABLES bytes."""
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


def block_of(x):
    """Returns what owns an array's memory: a block, or an array of NumPy's own."""
    base = x.base
    if type(base) is np.ndarray:
        x, base = base, base.base
    return base.base if type(base) is _Owner else x

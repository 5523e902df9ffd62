"""Memory that is used again, and tables that are kept."""

import collections
import functools
import math
import os
import threading

import numpy as np

# Smaller arrays are left to NumPy, which is quick with them.
_SMALL = 1 << 16
# No more bytes than these are kept for later: freed memory, and tables.
KEPT, TABLES = 2 << 30, 64 << 20
# A size that has not been freed again in so many times that some memory was is needed no more.
_PATIENCE = 500

_free = {}  # blocks by size; the size that was freed last is the last one
_free_bytes = 0
_time, _freed_at = 0, {}  # how often memory was freed so far, and by size, when it was last
_returned = collections.deque()
waiting = {}  # by thread: the blocks that kernels in its queue read or write
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # a child in which nobody could ever release it would hang
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_lock.release)


def empty(shape, dtype):
    """An uninitialised array, like numpy.empty, in memory that was used before where there is some.

    Fresh memory comes page by page from the system, which for arrays of 20 MB takes longer than
    filling them. While kernels of this thread wait in its queue, one of them may still need this
    memory: a kernel that is run later may write to it, and nobody else.
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
    """The block of a size that was freed last and that no other thread's kernels wait for."""
    global _free_bytes
    thread, blocks = threading.get_ident(), _free.get(size, ())
    others = [needed for of, needed in list(waiting.items()) if of != thread]
    for i in reversed(range(len(blocks))):
        if not any(blocks[i] is block for needed in others for block in list(needed)):
            _free_bytes -= size
            return blocks.pop(i)
    return None


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
    """Gives up a free block of a size, and the size with the last of them."""
    global _free_bytes
    if _free[size]:
        _free[size].pop()
        _free_bytes -= size
    if not _free[size]:
        del _free[size], _freed_at[size]


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


def block_of(x):
    """What an array's memory belongs to: a block, or an array of NumPy's own."""
    base = x.base
    if type(base) is np.ndarray:
        x, base = base, base.base
    return base.base if type(base) is _Owner else x

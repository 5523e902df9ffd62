"""The threads that share the work of the kernels, and the memory that they work on.

The calling thread works, and helpers of ours with it: as many in all as this process has cores, or
OMP_NUM_THREADS says. The BLAS that the kernels call runs on one thread while a kernel runs, and is
given its threads back afterwards: two pools on the same cores were measured to cost more than the
work (a pool's idle threads spin).
"""

import ctypes
import functools
import os
import threading
import weakref

import numpy as np
import threadpoolctl

from chainer_cpu import _kernels

# Less work than this is done by the calling thread.
WORTH_SHARING = 20_000
# Pauses after which an idle helper goes to sleep, some 0.1 to 0.2 ms: longer than Chainer takes from one
# layer to the next, since waking up takes that long too.
PATIENCE = 6000
# Smaller arrays are left to NumPy, which is quick with them.
_SMALL = 1 << 16

_free = {}  # by size; the size that was freed last is the last one
_lock = threading.RLock()


def count():
    """Number of threads: OMP_NUM_THREADS where it is set, else the cores that this process may use."""
    try:
        return max(1, int(os.environ["OMP_NUM_THREADS"].split(",")[0]))
    except (KeyError, ValueError):
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


@functools.cache
def _blas():
    """Control over the threads of SciPy's BLAS, the one that the kernels call."""
    found = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in found if "numpy.libs" not in library.filepath]


@functools.cache
def _nothing(dtype):
    return np.empty(0, dtype)


class _Helper(threading.Thread):
    """Helps whoever leads at a meeting; sleeps where no one has for a while."""

    def __init__(self, meeting):
        super().__init__(name="chainer_cpu", daemon=True)
        self.meeting, self.is_asleep, self._wake = meeting, False, threading.Lock()
        self._wake.acquire()
        self.start()

    def run(self):
        while True:
            _kernels.help(self.meeting, PATIENCE)
            self.is_asleep = True
            self._wake.acquire()

    def wake(self):
        if self.is_asleep:
            self.is_asleep = False
            self._wake.release()


@functools.cache
def _helpers(threads, process):
    """A meeting and those who come to it. Threads do not survive a fork, hence the process's number."""
    meeting = np.zeros(8, np.int64)
    return meeting, [_Helper(meeting) for _ in range(threads - 1)]


def run(kernel, nanoseconds, arrays, numbers=(), indexes=(), shares=None):
    """Runs a kernel, one of the names in capitals in ``_kernels``, on all threads and waits for it.

    arrays are of one dtype and dense; numbers are ints; indexes are dense int64 arrays.
    nanoseconds is a rough guess of what the kernel takes on one thread: too little is not shared.
    shares is for a kernel whose result depends on their number.
    """
    threads = count()
    if shares is None:
        shares = 8 * threads if threads > 1 and nanoseconds > WORTH_SHARING else 1
    dtype = arrays[0].dtype
    # From here on they are addresses: nothing else would notice.
    assert all(x.dtype == dtype and x.flags.c_contiguous for x in arrays)
    job = [number for group, length, kind in ((arrays, 6, dtype), (indexes, 4, np.int64))
           for x in (*group, *[_nothing(kind)] * (length - len(group)))
           for number in (x.ctypes.data, x.size)]
    job = np.array([*job, *numbers, *[0] * (12 - len(numbers))], np.int64)
    function = _kernels.entry(dtype)
    with _lock:
        before = [library.get_num_threads() for library in _blas()]
        meeting, helpers = _helpers(threads, os.getpid())
        try:
            for library in _blas():
                library.set_num_threads(1)
            if shares > 1:
                for helper in helpers:
                    helper.wake()
            _kernels.lead(meeting, function, kernel, shares, job.ctypes.data)
        finally:
            for library, number in zip(_blas(), before):
                library.set_num_threads(number)


def empty(shape, dtype):
    """An uninitialised array, like numpy.empty, in memory that was used before where there is some.

    Fresh memory comes page by page from the system, which for arrays of 20 MB takes longer than
    filling them.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    if size < _SMALL:
        return np.empty(shape, dtype)
    with _lock:
        block = _free[size].pop() if _free.get(size) else _fresh(size)
    # The array's base is this ctypes object and not the block, so it lives exactly as long as the
    # array and every view of it.
    owner = (ctypes.c_char * size).from_buffer(block)
    weakref.finalize(owner, _release, block).atexit = False
    return np.frombuffer(owner, dtype).reshape(shape)


def _fresh(size):
    """New memory, after giving as much of the old back as is free: the sizes longest not used first."""
    surplus = size
    while _free and surplus > 0:
        oldest, blocks = next(iter(_free.items()))
        if blocks:
            blocks.pop()
            surplus -= oldest
        else:
            del _free[oldest]
    return np.empty(size, np.uint8)


def _release(block):
    with _lock:
        _free[block.size] = [*_free.pop(block.size, ()), block]

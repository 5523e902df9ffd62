"""The threads that share the work of the kernels.

The calling thread works, and helpers of ours with it: as many in all as this process has cores, or
OMP_NUM_THREADS says. The BLAS that the kernels call runs on one thread while a kernel runs, and is
given its threads back afterwards: two pools on the same cores were measured to cost more than the
work (a pool's idle threads spin).
"""

import functools
import os
import threading

import numpy as np
import threadpoolctl
from numba import njit, types

from chainer_cpu import _kernels
from chainer_cpu._intrinsics import add, call, compiled, load, pause, store

# Less work than this is done by the calling thread.
WORTH_SHARING = 20_000
# Pauses after which an idle helper goes to sleep, some 0.1 to 0.2 ms: longer than Chainer takes
# from one layer to the next, since waking up takes that long too.
PATIENCE = 6000
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # wait for a kernel that runs: a child could wait for ever
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_lock.release)


def count():
    """Number of threads: OMP_NUM_THREADS where set, else the cores that this process may use."""
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


# The threads meet in a few int64 numbers in memory: whoever is free takes the next share. The
# caller waits for no one who has not begun, so a helper that the system has put to sleep costs its
# help and no more. With OpenMP's barriers, a second busy process made a step ten times as long.

_OPEN, _NEXT, _ACTIVE, _SHARES, _FUNCTION, _KERNEL, _JOB = range(7)


@njit
def _take_shares(meeting):
    at = meeting.ctypes.data
    while True:
        share = add(at + 8 * _NEXT, 1)
        if share >= meeting[_SHARES]:
            return
        call(meeting[_FUNCTION], meeting[_KERNEL], share, meeting[_SHARES], meeting[_JOB])


@compiled(njit, types.void(types.int64[::1], *[types.int64] * 4), nogil=True)
def _lead(meeting, function, kernel, shares, job):
    """Runs one kernel of ``_kernels.entry``, alone or with the threads that are in ``_help``."""
    at = meeting.ctypes.data
    meeting[_SHARES], meeting[_FUNCTION], meeting[_KERNEL], meeting[_JOB] = (
        shares, function, kernel, job)
    store(at + 8 * _NEXT, 0)
    store(at + 8 * _OPEN, shares > 1)
    _take_shares(meeting)
    store(at + 8 * _OPEN, 0)
    while load(at + 8 * _ACTIVE):
        pause()


@compiled(njit, types.void(types.int64[::1], types.int64), nogil=True)
def _help(meeting, patience):
    """Takes shares of what others lead, until there was nothing to do for so many pauses."""
    at = meeting.ctypes.data
    idle = 0
    while idle < patience:
        if load(at + 8 * _OPEN) and load(at + 8 * _NEXT) < meeting[_SHARES]:
            add(at + 8 * _ACTIVE, 1)
            # Looked at again: from here on, who leads waits for us.
            if load(at + 8 * _OPEN):
                _take_shares(meeting)
            add(at + 8 * _ACTIVE, -1)
            idle = 0
        pause()
        idle += 1


class _Helper(threading.Thread):
    """Helps whoever leads at a meeting; sleeps where no one has for a while."""

    def __init__(self, meeting):
        super().__init__(name="chainer_cpu", daemon=True)
        self.meeting = meeting
        self._called = threading.Lock()  # free: somebody has led since we last looked
        self.start()

    def run(self):
        while True:
            # A helper that has run out of patience gets here when the interpreter is free, which
            # may be when the next layer has begun: then the lock is free, and it goes on helping.
            self._called.acquire()
            _help(self.meeting, PATIENCE)

    def call(self):
        if self._called.locked():
            self._called.release()


@functools.cache
def _helpers(threads, process):
    """A meeting and those who come to it. Threads do not survive a fork, hence the process."""
    meeting = np.zeros(8, np.int64)
    return meeting, [_Helper(meeting) for _ in range(threads - 1)]


def run(kernel, nanoseconds, arrays, numbers=(), indexes=(), shares=None):
    """Runs a kernel, one of the names in capitals in ``_kernels``, on all threads and waits for it.

    arrays are of one dtype and dense; numbers are ints; indexes are dense int64 arrays (or
    one float64 array, where a kernel has totals).
    nanoseconds is a rough guess of what the kernel takes on one thread: too little is not shared.
    shares is for a kernel whose result depends on their number.
    """
    threads = count()
    if shares is None:
        shares = 8 * threads if threads > 1 and nanoseconds > WORTH_SHARING else 1
    dtype = arrays[0].dtype
    # From here on they are addresses: nothing else would notice.
    if not all(x.dtype == dtype and x.flags.c_contiguous for x in arrays):
        raise TypeError(f"arrays of one dtype, dense, not {[(x.dtype, x.strides) for x in arrays]}")
    job = np.zeros(_kernels.JOB, np.int64)
    for begin, group in ((0, arrays), (_kernels.JOB_INDEXES, indexes)):
        for i, x in enumerate(group):
            job[begin + 2 * i], job[begin + 2 * i + 1] = x.ctypes.data, x.size
    job[_kernels.JOB_NUMBERS:_kernels.JOB_NUMBERS + len(numbers)] = numbers
    function = _kernels.entry(dtype)
    with _lock:
        before = [library.get_num_threads() for library in _blas()]
        meeting, helpers = _helpers(threads, os.getpid())
        try:
            for library in _blas():
                library.set_num_threads(1)
            if shares > 1:
                for helper in helpers:
                    helper.call()
            _lead(meeting, function, kernel, shares, job.ctypes.data)
        finally:
            for library, number in zip(_blas(), before):
                library.set_num_threads(number)



"""The threads that share the work of the kernels.

The calling thread works, and helpers of ours with it: as many in all as this process has cores, or
OMP_NUM_THREADS says. The BLAS that the kernels call runs on one thread while a kernel runs, and is
given its threads back afterwards: two pools on the same cores were measured to cost more than the
work (a pool's idle threads spin).
"""

import ctypes
import functools
import os
import struct
import threading
import time

import numpy as np
import threadpoolctl
from numba import njit, types

from chainer_cpu import _kernels, _memory
from chainer_cpu._intrinsics import add, call, compiled, load, pause, store

# Less work than this is done by the calling thread.
WORTH_SHARING = 20_000
# Pauses after which an idle helper goes to sleep, some 0.1 to 0.2 ms: longer than Chainer takes
# from one layer to the next, since waking up takes that long too.
PATIENCE = 6000
# Time spent in kernels by the threads that called them, nanoseconds: the rest of a step is serial.
nanoseconds_in_kernels = 0
_lock = threading.RLock()


def count():
    """Number of threads: OMP_NUM_THREADS where set, else the cores that this process may use."""
    return _count(os.environ.get("OMP_NUM_THREADS"))


@functools.cache
def _count(setting):
    try:
        return max(1, int(setting.split(",")[0]))
    except (AttributeError, ValueError):
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


# What asks for and sets the number of threads, in the libraries that SciPy may have as its BLAS.
_BLAS = [(f"{name}_get_num_threads{suffix}", f"{name}_set_num_threads{suffix}")
         for name in ("scipy_openblas", "openblas", "bli_thread") for suffix in ("", "64_")]
_BLAS += [("MKL_Get_Max_Threads", "MKL_Set_Num_Threads")]


def blas_libraries():
    """What threadpoolctl knows of every BLAS but NumPy's."""
    return [library for library in threadpoolctl.threadpool_info()
            if library["user_api"] == "blas" and "numpy.libs" not in library["filepath"]]


@functools.cache
def _blas():
    """Addresses of these two functions for every BLAS but NumPy's, and a place for the number."""
    found = []
    for library in blas_libraries():
        functions = ctypes.CDLL(library["filepath"])
        for names in _BLAS:
            if all(hasattr(functions, name) for name in names):
                found += [_address(getattr(functions, name)) for name in names] + [0]
                break
    return np.array(found, np.int64)


def _address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


# The threads meet in a few int64 numbers in memory: whoever is free takes the next share. The
# caller waits for no one who has not begun, so a helper that the system has put to sleep costs its
# help and no more. With OpenMP's barriers, a second busy process made a step ten times as long.

_OPEN, _NEXT, _ACTIVE, _SHARES, _FUNCTION, _KERNEL, _JOB = range(7)

# A helper never comes back to Python, whose lock it would have to wait for: it sleeps in one of the
# locks that Python itself is made of, which are the same on every system.
_ACQUIRE = _address(ctypes.pythonapi.PyThread_acquire_lock)
_RELEASE = _address(ctypes.pythonapi.PyThread_release_lock)


@njit
def _take_shares(meeting):
    at = meeting.ctypes.data
    while True:
        share = add(at + 8 * _NEXT, 1)
        if share >= meeting[_SHARES]:
            return
        call(meeting[_FUNCTION], meeting[_KERNEL], share, meeting[_SHARES], meeting[_JOB])


# By NumPy's ABI an array's address is the first word after the head that every object has. Asked
# for in Python, five addresses take as long as all else that a call of ``run`` does.
_HEAD = object.__basicsize__


@compiled(njit, types.void(types.int64[:, ::1], *[types.int64] * 4))
def _look_up(table, begin, end, columns, head):
    """In some rows' first columns, the addresses of data in the place of those of arrays."""
    for i in range(begin, end):
        for j in range(columns):
            if table[i, j]:
                table[i, j] = load(table[i, j] + head)


def addresses(arrays):
    """A row for each row of arrays, which lie alike: their addresses (None: 0) and size, int64."""
    table = np.array([[*(0 if x is None else id(x) for x in row), row[0].size] for row in arrays],
                     np.int64)
    _look_up(table, 0, len(table), table.shape[1] - 1, _HEAD)
    return table


@compiled(njit, types.void(*[types.int64[::1]] * 3, types.int64[:, ::1], *[types.int64] * 2),
          nogil=True)
def _lead(meeting, sleepers, blas, jobs, number, release):
    """Runs kernels one after the other, each alone or with the threads that are in ``_help``.

    sleepers: for each helper, whether it sleeps, and the lock that it sleeps in. blas: see _blas.
    jobs: in each row a job as in ``_kernels``, then the kernel, the address of ``_kernels.entry``,
    and the shares.
    """
    for i in range(0, len(blas), 3):
        blas[i + 2] = call(blas[i], 0, 0, 0, 0) & 0xFFFF
        if blas[i + 2] != 1:
            call(blas[i + 1], 1, 0, 0, 0)
    at, asleep = meeting.ctypes.data, sleepers.ctypes.data
    for job in jobs[:number]:
        meeting[_KERNEL], meeting[_FUNCTION], meeting[_SHARES] = job[-3:]
        meeting[_JOB] = job.ctypes.data
        store(at + 8 * _NEXT, 0)
        if meeting[_SHARES] > 1:
            store(at + 8 * _OPEN, 1)
            for i in range(0, len(sleepers), 2):
                if load(asleep + 8 * i) > 0:
                    if add(asleep + 8 * i, -1) > 0:
                        call(release, sleepers[i + 1], 0, 0, 0)
                    else:  # it has just woken by itself
                        add(asleep + 8 * i, 1)
        _take_shares(meeting)
        store(at + 8 * _OPEN, 0)
        while load(at + 8 * _ACTIVE):
            pause()
    for i in range(0, len(blas), 3):
        if blas[i + 2] != 1:
            call(blas[i + 1], blas[i + 2], 0, 0, 0)


@compiled(njit, types.void(types.int64[::1], types.int64[::1], *[types.int64] * 3), nogil=True)
def _help(meeting, sleepers, i, acquire, patience):
    """Takes shares of what others lead, for ever; sleeps after so many pauses without work."""
    at, asleep = meeting.ctypes.data, sleepers.ctypes.data + 8 * i
    while True:
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
        add(asleep, 1)
        if load(at + 8 * _OPEN):  # between the last look and falling asleep
            if add(asleep, -1) > 0:
                continue
            add(asleep, 1)  # too late, who leads has called: the lock is free
        call(acquire, sleepers[i + 1], 1, 0, 0)


@functools.cache
def _team(threads):
    """A meeting and its sleepers."""
    meeting, sleepers = np.zeros(8, np.int64), np.zeros(2 * (threads - 1), np.int64)
    allocate = ctypes.pythonapi.PyThread_allocate_lock
    allocate.restype = ctypes.c_void_p
    for i in range(0, len(sleepers), 2):
        sleepers[i + 1] = lock = allocate()
        ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
        threading.Thread(target=_help, args=(meeting, sleepers, i, _ACQUIRE, PATIENCE),
                         name="chainer_cpu", daemon=True).start()
    return meeting, sleepers


_ROW = _kernels.JOB + 3
_ZEROS = [(0,) * n for n in range(_kernels.NUMBERS + 1)]
_pack = struct.Struct(f"{_ROW}q").pack_into


class _Queue(threading.local):
    """While it is open, the kernels that are run wait, and nobody may look at what they make.

    They run in one call when it is closed, or flushed: Python, which finds its cache full of images
    when it comes back from a kernel, comes back only once. Each thread has its own.
    """

    def __init__(self):
        self.jobs, self.waiting = np.zeros((256, _ROW), np.int64), 0
        self.blocks = []  # what the jobs need is kept alive, though not kept from later jobs
        self.depth = 0

    def __enter__(self):
        if not self.depth:
            _memory.waiting[threading.get_ident()] = self.blocks
        self.depth += 1

    def __exit__(self, *_):
        self.depth -= 1
        if not self.depth:
            self.flush()
            _memory.waiting.pop(threading.get_ident(), None)

    def add(self, job, arrays):
        """A row of _lead's jobs, but with the addresses of arrays in the place of their data's."""
        row = self.waiting
        _pack(self.jobs, row * 8 * _ROW, *job)
        _look_up(self.jobs, row, row + 1, _kernels.PLACES, _HEAD)
        if self.depth:
            self.blocks += map(_memory.block_of, arrays)
        self.waiting += 1
        if not self.depth or self.waiting == len(self.jobs):
            self.flush()

    def needs(self, x):
        """Whether a kernel that waits reads or writes x."""
        block = _memory.block_of(x)
        return any(block is other for other in self.blocks)

    def flush(self):
        global nanoseconds_in_kernels
        if self.waiting:
            # Forgotten first: whatever interrupts this, no job is done twice.
            waiting, self.waiting = self.waiting, 0
            team, blas = _team(count()), _blas()
            with _lock:
                start = time.perf_counter_ns()
                _lead(*team, blas, self.jobs, waiting, _RELEASE)
                nanoseconds_in_kernels += time.perf_counter_ns() - start
            self.blocks.clear()


queue = _Queue()


def run(kernel, nanoseconds, arrays, numbers=(), indexes=(), shares=None):
    """Runs a kernel, one of the names in capitals in ``_kernels``, on all threads.

    Waits for it, unless the queue is open. arrays are of one dtype and dense; numbers are ints;
    indexes are dense int64 arrays (or float64, where a kernel has such).
    nanoseconds is a rough guess of what the kernel takes on one thread: too little is not shared.
    shares is for a kernel whose result depends on their number.
    """
    dtype = arrays[0].dtype
    if shares is None:
        threads = count() if nanoseconds > WORTH_SHARING else 1
        shares = 8 * threads if threads > 1 else 1
    everything = *arrays, *indexes
    for x in everything:
        # From here on they are addresses: nothing else would notice.
        if not x.flags.c_contiguous:
            raise TypeError(f"arrays of one dtype, dense, not {[x.strides for x in arrays]}")
    for x in arrays:
        if x.dtype is not dtype and x.dtype != dtype:
            raise TypeError(f"arrays of one dtype, dense, not {[x.dtype for x in arrays]}")
    between, behind = _ZEROS[_kernels.ARRAYS - len(arrays)], _ZEROS[_kernels.INDEXES - len(indexes)]
    queue.add((*map(id, arrays), *between, *map(id, indexes), *behind,
               *[x.size for x in arrays], *between, *[x.size for x in indexes], *behind,
               *numbers, *_ZEROS[_kernels.NUMBERS - len(numbers)],
               kernel, _kernels.entry(dtype), shares), everything)


def _after_fork():
    _team.cache_clear()  # threads do not survive it
    _memory.waiting.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):  # waits for a kernel that runs: a child could wait for ever
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_after_fork)

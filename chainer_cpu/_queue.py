"""The queue in which kernels wait for each other, so that Python calls compiled code seldom."""

import os
import struct
import threading
import time

import numpy as np
from numba import types

from chainer_cpu import _memory, _threads
from chainer_cpu._compile import compiled
from chainer_cpu._intrinsics import load
from chainer_cpu._kernels import FLOATS, JOB, NUMBERS, OTHERS

# Less work than this is done by the calling thread.
WORTH_SHARING = 20_000
# Time spent in kernels by the threads that called them, nanoseconds: the rest of a step is serial.
nanoseconds_in_kernels = 0
_lock = threading.RLock()

# By NumPy's ABI an array's address is the first word after the head that every object has. Asked
# for in Python, five addresses take as long as all else that a call of ``run`` does.
_HEAD = object.__basicsize__


@compiled(types.void(types.int64[:, ::1], *[types.int64] * 4))
def _look_up(table, begin, end, columns, head):
    """Replaces the addresses of arrays by those of their data: some rows, the first columns."""
    for i in range(begin, end):
        for j in range(columns):
            if table[i, j]:
                table[i, j] = load(table[i, j] + head)


def addresses(arrays):
    """A row for each row of arrays, which lie alike: their addresses (None: 0) and size, int64."""
    table = np.array([[0 if x is None else id(x) for x in row] + [row[0].size] for row in arrays],
                     np.int64)
    _look_up(table, 0, len(table), table.shape[1] - 1, _HEAD)
    return table


_ROW = JOB.itemsize // 8
_ZEROS = [(0,) * n for n in range(NUMBERS + 1)]
_pack = struct.Struct(f"{_ROW}q").pack_into


class Queue:
    """A thread's. While it is open, kernels wait, and nobody may look at what they make.

    They run in one call when it is closed, or flushed: Python, which finds its cache full of images
    when it comes back from a kernel, comes back only once.
    """

    def __init__(self):
        self.thread = threading.get_ident()
        self.table, self.waiting = np.zeros((256, _ROW), np.int64), 0
        self.jobs = self.table.view(JOB)[:, 0]
        self.blocks = []  # what the jobs need is kept alive, though not kept from later jobs
        self.depth = self.flushes = 0

    def __enter__(self):
        if not self.depth:
            _memory.waiting[self.thread] = self.blocks
        self.depth += 1

    def __exit__(self, *_):
        self.depth -= 1
        if not self.depth:
            self.flush()
            _memory.waiting.pop(self.thread, None)

    def add(self, job, arrays):
        """Adds a job: JOB's numbers, but addresses of arrays in the place of their data's."""
        row = self.waiting
        _pack(self.table, row * 8 * _ROW, *job)
        _look_up(self.table, row, row + 1, FLOATS + OTHERS, _HEAD)
        if self.depth:
            self.blocks += map(_memory.block_of, arrays)
        self.waiting += 1
        if not self.depth or self.waiting == len(self.table):
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
            with _lock:
                start = time.perf_counter_ns()
                _threads.run(self.jobs, waiting)
                nanoseconds_in_kernels += time.perf_counter_ns() - start
            self.blocks.clear()
            self.flushes += 1

    def ticket(self):
        """What ``check`` takes, for values that the jobs make which wait now."""
        return self, self.flushes


def check(ticket):
    """Raises RuntimeError where values of that ticket wait in another thread's queue."""
    owner, flushes = ticket
    if owner.flushes == flushes and owner is not queue():
        raise RuntimeError("a value of another thread's deferred() context, which has not ended")


class _OfThread(threading.local):
    def __init__(self):
        self.queue = Queue()


_of_thread = _OfThread()


def queue():
    """This thread's queue."""
    return _of_thread.queue


def run(kernel, nanoseconds, arrays, numbers=(), others=(), shares=None):
    """Runs a kernel on all threads. Waits for it, unless the queue is open.

    arrays are of one dtype and dense; numbers are ints; others are dense arrays of int64 or
    float64, as the kernel reads them. nanoseconds is a rough guess of what the kernel takes on one
    thread: too little is not shared. shares is for a kernel whose result depends on their number.
    """
    dtype = arrays[0].dtype
    if shares is None:
        threads = _threads.count() if nanoseconds > WORTH_SHARING else 1
        shares = 8 * threads if threads > 1 else 1
    everything = *arrays, *others
    for x in everything:
        # From here on they are addresses: nothing else would notice.
        if not x.flags.c_contiguous:
            raise TypeError(f"arrays of one dtype, dense, not {[x.strides for x in arrays]}")
    for x in arrays:
        if x.dtype is not dtype and x.dtype != dtype:
            raise TypeError(f"arrays of one dtype, dense, not {[x.dtype for x in arrays]}")
    between, behind = _ZEROS[FLOATS - len(arrays)], _ZEROS[OTHERS - len(others)]
    queue().add((*map(id, arrays), *between, *map(id, others), *behind,
                 *[x.size for x in arrays], *between, *[x.size for x in others], *behind,
                 *numbers, *_ZEROS[NUMBERS - len(numbers)], kernel.address(dtype), shares),
                everything)


def _after_fork():
    _threads.team.cache_clear()  # threads do not survive it
    _memory.waiting.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):  # waits for a kernel that runs: a child could wait for ever
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_after_fork)

"""The queue of kernels, which lets Python call compiled code once for many of them."""

import os
import struct
import threading
import time

import numpy as np
from numba import types

from chainer_cpu import _memory, _threads
from chainer_cpu._compile import compiled
from chainer_cpu._intrinsics import load
from chainer_cpu._kernels import FLOATS, JOB, NUMBERS, OTHERS, kernel

# Nanoseconds. Kernels that take less run on the calling thread alone.
WORTH_SHARING = 20_000
# Time that calling threads spent in kernels, nanoseconds: the rest of a step is serial.
nanoseconds_in_kernels = 0
_lock = threading.RLock()

# By NumPy's ABI the address of an array's data is the first word after the head that every object
# has. Read by Python, five addresses take as long as everything else in a call of ``run``.
_HEAD = object.__basicsize__


@compiled(types.void(types.int64[:, ::1], *[types.int64] * 4))
def _look_up(table, begin, end, columns, head):
    """Replaces addresses of arrays by those of their data, in rows begin to end, columns first."""
    for i in range(begin, end):
        for j in range(columns):
            if table[i, j]:
                table[i, j] = load(table[i, j] + head)


def addresses(arrays):
    """Returns int64 rows: for each row of arrays with equal strides, their addresses and size.

    The address of None is 0.
    """
    table = np.array([[0 if x is None else id(x) for x in row] + [row[0].size] for row in arrays],
                     np.int64)
    _look_up(table, 0, len(table), table.shape[1] - 1, _HEAD)
    return table


_ROW = JOB.itemsize // 8
_ZEROS = [(0,) * n for n in range(NUMBERS + 1)]
_pack = struct.Struct(f"{_ROW}q").pack_into


class Queue:
    """A thread's queue. While it is open, kernels wait in it, and nobody may read their outputs.

    They run in one call when it is closed or flushed. After a kernel, the processor's cache is full
    of images and Python is slow: so it comes back once for all of them.
    """

    def __init__(self):
        self.thread = threading.get_ident()
        self.table, self.waiting = np.zeros((256, _ROW), np.int64), 0
        self.jobs = self.table.view(JOB)[:, 0]
        self.blocks = []  # what the jobs use stays alive, but later jobs may use it, too
        self.depth = self.flushes = self.threads = 0

    def __enter__(self):
        if not self.depth:
            self.threads = _threads.count()
            _memory.waiting[self.thread] = self.blocks
        self.depth += 1

    def __exit__(self, *_):
        self.depth -= 1
        if not self.depth:
            self.flush()
            _memory.waiting.pop(self.thread, None)

    def add(self, job, arrays):
        """Adds a job, the numbers of a JOB with ids of arrays in the place of addresses."""
        row = self.waiting
        _pack(self.table, row * 8 * _ROW, *job)
        _look_up.made()(self.table, row, row + 1, FLOATS + OTHERS, _HEAD)
        if self.depth:
            self.blocks += map(_memory.block_of, arrays)
        self.waiting += 1
        if not self.depth or self.waiting == len(self.table):
            self.flush()

    def needs(self, x):
        """Whether a queued kernel reads or writes x."""
        block = _memory.block_of(x)
        return any(block is other for other in self.blocks)

    def flush(self):
        global nanoseconds_in_kernels
        if self.waiting:
            # Emptied first: if this is interrupted, no job runs twice.
            waiting, self.waiting = self.waiting, 0
            with _lock:
                start = time.perf_counter_ns()
                _threads.run(self.jobs, waiting)
                nanoseconds_in_kernels += time.perf_counter_ns() - start
            self.blocks.clear()
            self.flushes += 1

    def ticket(self):
        """Returns what ``check`` takes, for the outputs of the jobs that are queued now."""
        return self, self.flushes


def check(ticket):
    """Raises RuntimeError if the values of that ticket are in another thread's queue."""
    owner, flushes = ticket
    if owner.flushes == flushes and owner is not queue():
        raise RuntimeError("a value of another thread's deferred() context, which has not ended")


class _OfThread(threading.local):
    def __init__(self):
        self.queue = Queue()


_of_thread = _OfThread()


def queue():
    """Returns this thread's queue."""
    return _of_thread.queue


def threads() -> int:
    """Number of threads that compute: while the queue is open, as it was when it was opened."""
    own = queue()
    return own.threads if own.depth else _threads.count()


def run(kernel: kernel, nanoseconds: int, arrays: tuple, numbers: tuple = (), others: tuple = (),
        shares: int | None = None) -> None:
    """Runs a kernel on all threads and waits for it, or adds it to the queue if that is open.

    arrays are dense and of one dtype; others are dense arrays of int64 or float64, as the kernel
    reads them; numbers are ints. nanoseconds is a rough guess of the kernel's time on one thread:
    a short one is not shared. shares is for a kernel whose result depends on their number.
    TypeError for arrays of several dtypes, or not dense.
    """
    dtype = arrays[0].dtype
    if shares is None:
        number = threads() if nanoseconds > WORTH_SHARING else 1
        shares = 8 * number if number > 1 else 1
    everything = *arrays, *others
    for x in everything:
        # Kernels read addresses: nothing after this would notice.
        if not x.flags.c_contiguous:
            raise TypeError(f"arrays of one dtype, dense, not {[x.strides for x in arrays]}")
    for x in arrays:
        if x.dtype is not dtype and x.dtype != dtype:
            raise TypeError(f"arrays of one dtype, dense, not {[x.dtype for x in arrays]}")
    between, behind = _ZEROS[FLOATS - len(arrays)], _ZEROS[OTHERS - len(others)]
    queue().add((*map(id, arrays), *between, *map(id, others), *behind,
                 *[x.size for x in arrays], *between, *[x.size for x in others], *behind,
                 *numbers, *_ZEROS[NUMBERS - len(numbers)], kernel[dtype], shares),
                everything)


def _after_fork():
    _threads.team.cache_clear()  # the child has no helpers
    _memory.waiting.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):  # waits for running kernels: a child would wait for ever
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release,
                        after_in_child=_after_fork)

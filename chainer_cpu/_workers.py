"""The threads that share the work of the kernels, and the memory that they work on.

There is one pool of threads, ours, with one thread per core. The BLAS that the kernels call runs on
one thread while a kernel runs, and is given its threads back afterwards: two pools on the same cores
were measured to cost more than the work (a pool's idle threads spin).
"""

import concurrent.futures
import ctypes
import functools
import os
import threading
import weakref

import numpy as np
import threadpoolctl

# Waking a thread takes about 70 microseconds.
WORTH_SHARING = 150_000
ALWAYS = float("inf")
# Freed memory that is kept for the next step, at most. A step at batch 1000 turns over about half.
KEEP_BYTES = 1 << 30
# Smaller arrays are left to NumPy, which is quick with them.
_SMALL = 1 << 16

_free = {}
_free_bytes = 0
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
def _pool(process):
    """The threads besides the calling one. Threads do not survive a fork, hence the process's number."""
    return concurrent.futures.ThreadPoolExecutor(max(1, count() - 1), "chainer_cpu")


@functools.cache
def _blas():
    """Control over the threads of SciPy's BLAS, the one that the kernels call."""
    import chainer_cpu._kernels  # noqa: F401  (only a loaded library is found)
    found = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in found if "numpy.libs" not in library.filepath]


def run(kernel, nanoseconds, *args):
    """Runs ``kernel(worker, workers, *args)`` on all threads and waits for all of them.

    nanoseconds is a rough guess of what it takes on one: too little to share is not shared.
    """
    workers = count() if nanoseconds > WORTH_SHARING else 1
    with _lock:
        before = [library.get_num_threads() for library in _blas()]
        for library in _blas():
            library.set_num_threads(1)
        try:
            futures = [_pool(os.getpid()).submit(kernel, worker, workers, *args)
                       for worker in range(1, workers)]
            try:
                kernel(0, workers, *args)
            finally:
                concurrent.futures.wait(futures)
            for future in futures:
                future.result()
        finally:
            for library, threads in zip(_blas(), before):
                library.set_num_threads(threads)


def empty(shape, dtype):
    """An uninitialised array, like numpy.empty, in memory that was used before where there is some.

    Fresh memory comes page by page from the system, which for arrays of 20 MB takes longer than
    filling them.
    """
    global _free_bytes
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    if size < _SMALL:
        return np.empty(shape, dtype)
    with _lock:
        blocks = _free.get(size)
        if blocks:
            block = blocks.pop()
            _free_bytes -= size
        else:
            block = np.empty(size, np.uint8)
    # The array's base is this ctypes object and not the block, so it lives exactly as long as the
    # array and every view of it.
    owner = (ctypes.c_char * size).from_buffer(block)
    weakref.finalize(owner, _release, block).atexit = False
    return np.frombuffer(owner, dtype).reshape(shape)


def _release(block):
    global _free_bytes
    with _lock:
        if _free_bytes + block.size > KEEP_BYTES:
            _free.clear()
            _free_bytes = 0
        _free.setdefault(block.size, []).append(block)
        _free_bytes += block.size

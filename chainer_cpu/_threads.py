"""The threads that share the work of the kernels.

The calling thread works, and helpers of ours with it: as many in all as this process has
processors, or OMP_NUM_THREADS says if that is fewer. The BLAS that the kernels call runs on one
thread while a kernel runs, and is given its threads back afterwards: two pools on the same cores
were measured to cost more than the work (a pool's idle threads spin).
"""

import collections
import ctypes
import functools
import os
import threading
import warnings

import numpy as np
from numba import from_dtype, njit, types

from chainer_cpu import SettingError, _blas
from chainer_cpu._compile import compiled
from chainer_cpu._intrinsics import (
    add,
    call,
    flush_denormals,
    load,
    pause,
    restore_control,
    store,
)
from chainer_cpu._kernels import JOB

with warnings.catch_warnings():
    # Where /dev/shm cannot be written to, joblib warns that it starts no processes, and its own
    # cpu_count() is 1 then. We start none: we ask how many processors there are.
    warnings.filterwarnings("ignore", ".*joblib will operate in serial mode", UserWarning)
    from joblib.externals import loky

# Pauses after which an idle helper sleeps, 0.1 to 0.2 ms: longer than Chainer takes from one layer
# to the next, since waking up takes that long too.
PATIENCE = 6000


# No machine has more processors: a larger number is a slip.
MOST = 1024


def count() -> int:
    """Number of threads: OMP_NUM_THREADS where set, else the processors that this process may use.

    SettingError if OMP_NUM_THREADS is not a number from 1 to MOST, or such numbers with commas
    between them, of which the first counts.
    """
    return _count(os.environ.get("OMP_NUM_THREADS"))


@functools.cache
def _count(setting):
    if not setting:
        return _processors()
    first = setting.split(",")[0].strip()
    if not first.isdecimal() or not 1 <= int(first) <= MOST:
        raise SettingError("OMP_NUM_THREADS", setting, f"a number of threads from 1 to {MOST}")
    return int(first)


def count_processors() -> int:
    """Returns how many processors this process may use, by affinity and a container's quota."""
    return loky.cpu_count()


_processors = functools.cache(count_processors)  # asked at every launch

# The threads meet in a few numbers in memory: whoever is free takes the next share. The caller
# waits for no one who has not begun, so a helper that the system has put to sleep costs its help
# and no more. With OpenMP's barriers, a second busy process made a step ten times as long.
#
# open: whether there are shares to take. Whoever takes the last one closes it: the system may put
# the caller to sleep in a share of its own, and no helper should look for more meanwhile. next: the
# share that is taken next. active: how many helpers look for shares or work on one. The others are
# the job's.
_NUMBERS = "open", "next", "active", "shares", "function", "job"
_MEETING = np.dtype([(name, np.int64) for name in _NUMBERS])

# A helper sleeps until the meeting is open, the caller until no helper is active. A helper never
# comes back to Python, whose lock it would have to wait for: all sleep in one of the locks that
# Python itself is made of, which are the same on every system.
#
# asleep  lock  who sleeps here                     who has made what it waits for come true
# 0       held  is awake                            does nothing
# 1       held  looks once more, then sleeps        takes the 1 away, then frees the lock
# 0       free  has been called: takes the lock     does nothing
#
# Both may take the 1 away at the same time: the sleeper, when its last look finds that it need not
# wait, and the other. Whoever finds 0 was second, and adds 1 again to what is -1 until then: the
# other then leaves alone who is awake; the sleeper takes the lock, which the other frees.
_SLEEPER = np.dtype([("asleep", np.int64), ("lock", np.int64)])

# Offsets of the numbers that several threads change at once.
_AT = collections.namedtuple("_At", _NUMBERS)(*range(0, 8 * len(_NUMBERS), 8))
_ASLEEP = 0
_JOB_SIZE, _SLEEPER_SIZE = JOB.itemsize, _SLEEPER.itemsize

_ACQUIRE = _blas.address(ctypes.pythonapi.PyThread_acquire_lock)
_RELEASE = _blas.address(ctypes.pythonapi.PyThread_release_lock)
_GIVE_WAY = _blas.address(ctypes.CDLL("kernel32").SwitchToThread if os.name == "nt"
                          else ctypes.CDLL(None).sched_yield)
# The caller waits for an active helper, which the system may have put to sleep: after _BRIEF pauses
# it lets other threads run, after _LONG it sleeps.
_BRIEF, _LONG = 200, 2000


def _records(dtype):
    return from_dtype(dtype)[::1]


@njit
def _take_shares(meeting):
    here, this = meeting.ctypes.data, meeting[0]
    before = flush_denormals()
    while True:
        share = add(here + _AT.next, 1)
        if share >= this.shares:
            break
        if share == this.shares - 1:
            store(here + _AT.open, 0)
        call(this.function, share, this.shares, this.job)
    restore_control(before)


@njit
def _sleep(sleepers, s, acquire, address, value):
    """Sleeps until ``_wake`` is called, or returns at once if the number at address is value."""
    asleep = sleepers.ctypes.data + s * _SLEEPER_SIZE + _ASLEEP
    add(asleep, 1)
    if load(address) == value:
        if add(asleep, -1) > 0:
            return
        add(asleep, 1)
    call(acquire, sleepers[s].lock, 1, 0)


@njit
def _wake(sleepers, s, release):
    """Wakes sleeper s if it sleeps."""
    asleep = sleepers.ctypes.data + s * _SLEEPER_SIZE + _ASLEEP
    if load(asleep) > 0:
        if add(asleep, -1) > 0:
            call(release, sleepers[s].lock, 0, 0)
        else:
            add(asleep, 1)


@compiled(types.void(_records(_MEETING), _records(_SLEEPER), _records(_blas.LIBRARY),
                     _records(JOB), *[types.int64] * 4), nogil=True)
def lead(meeting, sleepers, libraries, jobs, number, acquire, release, give_way):
    """Runs the first number jobs, one after the other, with the threads that are in ``_help``.

    Runs a job of one share alone. sleepers[0] is the caller's. libraries are those of
    ``_blas.thread_settings``. acquire, release and give_way are addresses of the functions that
    wait for a lock, free one, and let other threads run.
    """
    for library in libraries:
        library.threads = call(library.get, 0, 0, 0) & 0xFFFF
        if library.threads != 1:
            call(library.set, 1, 0, 0)
    here, this = meeting.ctypes.data, meeting[0]
    for i in range(number):
        this.function, this.shares = jobs[i].function, jobs[i].shares
        this.job = jobs.ctypes.data + i * _JOB_SIZE
        store(here + _AT.next, 0)
        if this.shares > 1:
            store(here + _AT.open, 1)
            for s in range(1, len(sleepers)):
                _wake(sleepers, s, release)
        _take_shares(meeting)
        waited = 0
        while load(here + _AT.active):
            pause()
            waited += 1
            if waited > _LONG:
                _sleep(sleepers, 0, acquire, here + _AT.active, 0)
            elif waited > _BRIEF:
                call(give_way, 0, 0, 0)
    for library in libraries:
        if library.threads != 1:
            call(library.set, library.threads, 0, 0)


@compiled(types.void(_records(_MEETING), _records(_SLEEPER), *[types.int64] * 4), nogil=True)
def _help(meeting, sleepers, s, acquire, release, patience):
    """Takes shares of jobs for ever; sleeps after patience pauses without work."""
    here = meeting.ctypes.data
    while True:
        idle = 0
        while idle < patience:
            if load(here + _AT.open):
                add(here + _AT.active, 1)
                # Looked at again: from here on, the caller waits for us.
                if load(here + _AT.open):
                    _take_shares(meeting)
                if add(here + _AT.active, -1) == 1:
                    _wake(sleepers, 0, release)
                idle = 0
            pause()
            idle += 1
        _sleep(sleepers, s, acquire, here + _AT.open, 1)


@functools.cache
def team(threads):
    """Starts threads - 1 helpers. Returns their meeting and sleepers."""
    meeting, sleepers = np.zeros(1, _MEETING), np.zeros(threads, _SLEEPER)
    allocate = ctypes.pythonapi.PyThread_allocate_lock
    allocate.restype = ctypes.c_void_p
    for s in range(len(sleepers)):
        sleepers[s]["lock"] = lock = allocate()
        ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
    for s in range(1, threads):
        threading.Thread(
            target=_help.made(), args=(meeting, sleepers, s, _ACQUIRE, _RELEASE, PATIENCE),
            name="chainer_cpu", daemon=True).start()
    return meeting, sleepers


def run(jobs, number):
    """Runs the first number jobs of an array of JOB, and waits for them."""
    # More threads than processors would only wait for each other. Shares, and so results, depend on
    # the number that was asked for.
    meeting, sleepers = team(min(count(), _processors()))
    lead(meeting, sleepers, _blas.thread_settings(), jobs, number, _ACQUIRE, _RELEASE, _GIVE_WAY)

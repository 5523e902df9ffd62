"""Runs the command line in forked processes, in which one system call fails.

A fork starts in a millisecond with everything imported, so hundreds of runs can be killed, each at
another call. It counts open for writing, write, flush, fsync, replace, unlink and truncate.
"""

import builtins
import csv
import errno
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import threadpoolctl
from tqdm import tqdm

import trainer
from lab.runs import checkpoint

HERE = Path(__file__).resolve().parents[1]
KILLED = 137  # the exit code of a process that died of SIGKILL
LIMIT = 600  # seconds; a process that hangs dies of SIGALRM, exit code 142

# A terminal's handlers. Under nohup or in a shell's background, some of these are ignored.
SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
if hasattr(signal, "SIGHUP"):  # Windows imports this file, too, and forks nothing
    SIGNALS[signal.SIGHUP] = signal.SIG_DFL


def start(argv, prepare=lambda: None, output=None):
    """Forks a process that calls prepare() and then the command line. Returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        file = os.open(output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        # scikit-learn's OpenMP, once used, hangs in a fork that asks it for threads.
        threadpoolctl.threadpool_limits(1, "openmp")
        # Forks share tqdm's lock: a fork that is killed while it holds it would stop the next ones.
        tqdm.set_lock(threading.RLock())
        signal.alarm(LIMIT)
        for number, handler in SIGNALS.items():
            signal.signal(number, handler)
        prepare()
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        code = trainer.main([str(part) for part in argv])
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def wait(pid):
    """Returns the exit code of a forked process, 128 + the signal's number if it died of one."""
    _, status = os.waitpid(pid, 0)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def call(argv, prepare=lambda: None, output=None):
    return wait(start(argv, prepare, output))


def go_on(argv, folder, prepare=lambda: None, output=None):
    """Does what a user does after a crash: resumes, or starts again if nothing was saved."""
    if checkpoint.paths(folder):
        argv = ["--resume", "--out", folder]
    return call(argv, prepare, output)


def result(folder):
    """Returns {name: bytes} of a run's files; losses.csv as rows without their seconds."""
    folder = Path(folder)
    files = {path.name: path.read_bytes() for pattern in
             ("*.png", "generator*.npz", "discriminator.npz", "best-*.npz", "settings.json",
              "quality.csv")
             for path in folder.glob(pattern)}
    with open(folder / "losses.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    files["losses.csv"] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return files


def messages(log):
    """Returns the lines that a run has printed to log, without the one about loading."""
    return [line for line in log.read_text().splitlines() if not line.startswith("loading ")]


class Calls:
    """Counts the calls that write, and lets the n-th fail. It is a prepare() for start().

    spoil: "kill" ends the process at once, a write half done; "ENOSPC", "EROFS" and "EIO" raise.
    record: a file that gets a line "kind name" for each call.
    """

    def __init__(self, n=None, spoil="kill", record=None):
        self.n, self.spoil, self.record = n, spoil, record
        self.count = 0

    def __call__(self):
        self.log = os.open(self.record, os.O_WRONLY | os.O_CREAT) if self.record else None
        self._open = builtins.open
        builtins.open = self.open
        for name in ("replace", "unlink", "fsync"):
            setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, kind, function):
        def counted(*args, **kwargs):
            self.happen(kind, args[0])
            return function(*args, **kwargs)
        return counted

    def happen(self, kind, what, half=lambda: None):
        self.count += 1
        if self.log is not None:
            os.write(self.log, f"{kind} {os.path.basename(str(what))}\n".encode())
        if self.count == self.n:
            half()
            if self.spoil == "kill":
                os._exit(KILLED)
            number = getattr(errno, self.spoil)
            # As the system does: the errors of write and fsync have no name.
            named = (str(what),) if kind in ("open", "replace", "unlink") else ()
            raise OSError(number, os.strerror(number), *named)

    def open(self, name, mode="r", *args, **kwargs):
        writes = isinstance(name, (str, Path)) and set(mode) & set("wax+")
        if writes:
            self.happen("open", name)
        file = self._open(name, mode, *args, **kwargs)
        return _File(file, name, self) if writes and "b" in mode else file


class _File:
    """A binary file that reports its calls."""

    def __init__(self, file, name, calls):
        self._file, self._name, self._calls = file, name, calls

    def write(self, data):
        def half():
            self._file.write(bytes(data)[:len(data) // 2])
            self._file.flush()
        self._calls.happen("write", self._name, half)
        return self._file.write(data)

    def flush(self):
        self._calls.happen("flush", self._name)
        self._file.flush()

    def truncate(self, size=None):
        self._calls.happen("truncate", self._name)
        return self._file.truncate(size)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._file.close()


def send_at(target, name, numbers, at=1):
    """Returns a prepare() that sends the signals numbers at the at-th call of target.name."""
    def prepare():
        original, calls = getattr(target, name), []

        def wrapper(*args, **kwargs):
            calls.append(None)
            if len(calls) == at:
                for number in numbers:
                    os.kill(os.getpid(), number)
            return original(*args, **kwargs)

        setattr(target, name, wrapper)
    return prepare


def script(argv, **kwargs):
    """Starts trainer.py as a user does."""
    return subprocess.Popen([sys.executable, HERE / "trainer.py", *map(str, argv)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)



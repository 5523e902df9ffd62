"""Messages, a progress bar, and signals of a long run.

A closed terminal or pipe never stops the training.
"""

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator

from tqdm import tqdm


class _Stream:
    """A text stream that drops its output once the reader has gone away."""

    def __init__(self, stream):
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None)

    def isatty(self):
        return self._stream is not None and self._stream.isatty()

    def fileno(self):
        return self._stream.fileno()

    def write(self, text):
        self._try("write", text)

    def flush(self):
        self._try("flush")

    def _try(self, method, *arguments):
        if self._stream is None:
            return
        try:
            getattr(self._stream, method)(*arguments)
        except (OSError, ValueError):
            # Python flushes the real stream again at exit, and needs an open file then, too.
            stream, self._stream = self._stream, None
            try:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
            except (OSError, ValueError):
                pass


class _Lines(_Stream):
    """A stream for a bar in a file or a pipe: each state of the bar becomes a line."""

    def write(self, text):
        if text.strip():
            super().write(text.strip() + "\n")


class _Bar(tqdm):
    """A bar that drops its last parts where the terminal is too narrow for them."""

    details = ()  # texts to add, the longest first; the first that fits is shown
    _tail = ""

    def __str__(self):
        state = {**self.format_dict, "ncols": None}
        width = self.format_dict["ncols"] or sys.maxsize
        forms = [("{desc} |{bar:10}| {elapsed}<{remaining}, {details}", self.details),
                 ("{desc} |{bar:10}| {elapsed}<{remaining}", ("",)),
                 ("{desc} {elapsed}<{remaining}", ("",))]
        if self.total is None:  # without a known end: no bar, no time left
            forms = [("{desc} {elapsed}", ("",))]
        texts = [self.format_meter(**{**state, "bar_format": form.replace("{details}", details)})
                 for form, words in forms for details in words]
        return next((text for text in texts if len(text) < width), texts[-1][:width]) + self._tail

    def close(self):
        self._tail = "  "  # overwrites the ^C that a terminal shows
        super().close()


class Console:
    """Says messages on stdout; warnings, errors and a progress bar on stderr.

    speaks: whether it says more than errors.
    """

    def __init__(self, program: str, speaks: bool = True):
        self.program, self.speaks = program, speaks
        self._out, self._err = _Stream(sys.stdout), _Stream(sys.stderr)

    def say(self, line: str = "") -> None:
        if not self.speaks:
            return
        self._out.write(line + "\n")
        self._out.flush()

    def warn(self, message: object) -> None:
        if self.speaks:
            self._write("warning", message)

    @contextlib.contextmanager
    def hearing(self, category: type[Warning]) -> Iterator[None]:
        """Passes Python's warnings of category to warn(), within the with-block."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", category)
            warnings.showwarning = lambda message, *_, **__: self.warn(message)
            yield

    @contextlib.contextmanager
    def loading(self, line: str) -> Iterator[None]:
        """Says line. Within the with-block, Ctrl-C ends the program with a message and 130."""
        self.say(line)
        try:
            yield
        except KeyboardInterrupt:
            self.error("interrupted; nothing had begun")
            raise SystemExit(128 + signal.SIGINT) from None

    def error(self, message: object) -> None:
        self._write("error", message)

    def _write(self, kind, message):
        tqdm.write(f"{self.program}: {kind}: {' '.join(str(message).split())}", file=self._err)
        self._err.flush()

    def bar(self, total: int | None, done: int, what: str, delay: float = 0) -> tqdm:
        """Returns a tqdm bar; in a pipe it prints a line every half minute.

        total: the number of steps, None if it is not known. The bar appears after delay seconds.
        """
        live = self._err.isatty()
        return _Bar(total=total, initial=done, desc=f"{what} {done}/{total}", dynamic_ncols=live,
                    mininterval=0.1 if live else 30, maxinterval=10 if live else 60, delay=delay,
                    file=self._err if live else _Lines(sys.stderr))


@contextlib.contextmanager
def noting_interrupts() -> Iterator[list]:
    """Yields a list that the first Ctrl-C fills; the second raises KeyboardInterrupt."""
    noted = []

    def note(*_):
        if noted:
            raise KeyboardInterrupt
        noted.append(True)

    if threading.current_thread() is not threading.main_thread():
        yield noted  # signals reach the main thread alone
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


class Interrupted(BaseException):
    """A signal asked to stop, and stopping at once loses nothing."""

    @property
    def number(self) -> int:
        """The number of the signal."""
        return self.args[0]


class Signals:
    """Handles SIGINT, SIGTERM and SIGHUP within a with-block.

    The first signal raises Interrupted; after defer(), it only sets received. A second one ends
    the process at once.
    """

    def __init__(self):
        self.received = None  # the number of the first signal
        self._deferred = False
        self._handlers = {}   # those of before, by number

    def __enter__(self):
        names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
        for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
                self._handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, number, _frame):
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        if not self._deferred:
            raise Interrupted(number)

    def defer(self):
        """From now on, a signal only sets received."""
        self._deferred = True

    def stop_at_once(self):
        """From now on, a signal raises Interrupted; one that was deferred does so now."""
        self._deferred = False
        if self.received is not None:
            raise Interrupted(self.received)

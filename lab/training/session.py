"""One call of trainer.py: start, images, networks, training; errors and signals become messages."""

import contextlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import chainer_cpu
from lab import networks
from lab.cli.console import Console, Interrupted, Signals
from lab.images import source
from lab.images.errors import DataError, DataPathError, DataWarning
from lab.runs.checkpoint import CheckpointError
from lab.runs.files import FolderError
from lab.training import processes, words
from lab.training.errors import Diverged, ProcessesError, UsageError
from lab.training.loop import train
from lab.training.run import Run
from lab.training.start import NewRun, ResumedRun


class Session:
    """Opens a run, builds its networks and trains them, within a with-block.

    given: the flags, as options.parse returns them. Errors and signals do not leave the with-block:
    they become an error message and exit_code, 0, 1, 2 or 128 + a signal's number.
    """

    def __init__(self, given: dict):
        self.folder = Path(os.path.expanduser(given.get("out", "result")))
        self.console, self.signals = Console("trainer.py", processes.is_first()), Signals()
        self._stack = contextlib.ExitStack()
        kind = ResumedRun if given.get("resume", False) else NewRun
        self._start = kind(given, self.folder, self.console, self._stack)
        self.processes = processes.ALONE          # until open()
        self.settings: Any = None                 # until open()
        self._initial: Any = None                 # between open() and train()
        self._images: Any = None                  # between open() and train()
        self._run: Any = None                     # until train(), on the first process
        self.exit_code = 0

    def __enter__(self):
        self._stack.enter_context(self.signals)
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        self._stack.enter_context(self.console.hearing(chainer_cpu.CacheWarning))
        self._stack.enter_context(chainer_cpu.before_compiling(
            lambda: self.console.say(words.COMPILING)))
        return self

    def __exit__(self, kind, error, traceback):
        self._stack.close()
        message = error and self._explain(error)
        everywhere = isinstance(error, Diverged) or self.processes.is_everywhere(error)
        if message and (self.processes.number == 0 or not everywhere):
            self.console.error(f"{message}{self.processes.name()}")
        if error and not everywhere:
            self.processes.abort(error if message is None else None, self.exit_code)
        # Nobody leaves before the others: where one process ends badly, all are ended.
        self.processes.wait()
        return message is not None

    def _explain(self, error):
        """Returns the message for error, None for an unforeseen one. Sets exit_code."""
        self.exit_code = 1
        if isinstance(error, Interrupted):
            self.exit_code = 128 + error.number
            if self._run is None or not self._run.is_saved:
                return words.NOT_BEGUN
            command = words.command_to_resume(self.folder, self.processes.command)
            return words.not_begun(command)
        if isinstance(error, (UsageError, chainer_cpu.SettingError)):
            self.exit_code = 2
            return error
        if isinstance(error, MemoryError):
            return words.OUT_OF_MEMORY
        if isinstance(error, (CheckpointError, DataError, Diverged, FolderError, ProcessesError)):
            return error
        if isinstance(error, OSError):
            return words.system_error(error)
        return None

    def open(self) -> None:
        """Claims the folder, or the run in it, and loads the images.

        Every process loads the images; only the first one sees the folder.
        """
        self.processes = processes.join()
        on_first = self.processes.on_first
        plan, self._initial = on_first(self._start.plan)
        images = self.processes.on_every(self._load_images, plan["data"], plan["size"])
        plan["data"] = source.settled(plan["data"], images)
        own = images.of(plan["digit"])
        on_first(_compare_images, self.processes.gather((own.fingerprint, own.source)))
        self.settings = on_first(self._start.take, plan, own, self.processes.size)
        self._images = images.between(*networks.value_range(self.settings))

    def _load_images(self, data, size):
        """Returns the images of all digits, which the figures of quality need."""
        with self.console.hearing(DataWarning):
            try:
                return source.load(data, size)
            except DataPathError as error:
                raise UsageError(error) from None

    def networks(self) -> tuple:
        """Builds the untrained generator and discriminator, from the seed."""
        np.random.seed(self.settings.seed)
        return networks.build(self.settings)

    def train(self, trainer, sample_grid: Callable) -> None:
        """Trains to the last epoch, or until a signal says to stop.

        sample_grid draws the picture after each epoch, as plot.sample_grid does.
        """
        self.processes.on_first(self._begin, trainer, sample_grid)
        initial, images = self._initial, self._images
        self._initial = self._images = None  # frees the other digits
        if self.processes.number == 0:
            initial = images = None
            self.exit_code = self._run.train()
        else:
            self._start.load(trainer, initial)
            images = images.of(self.settings.digit)
            signal = train(images, self.settings, trainer, self.signals)
            self.exit_code = 128 + signal if signal else 0

    def _begin(self, trainer, sample_grid):
        self._run = Run(self.folder, self.settings, self._images, trainer, self.console,
                        self.signals, sample_grid)
        self._start.fill(self._run)


def _compare_images(everywhere):
    """Refuses images that differ. everywhere: (host, (fingerprint, source)) of each process."""
    (host, (mine, source)), *others = everywhere
    for other, (fingerprint, its_source) in others:
        if fingerprint != mine:
            raise UsageError(f"the images are not the same everywhere (--data, {source} on {host}, "
                             f"{its_source} on {other}); give all hosts the same")

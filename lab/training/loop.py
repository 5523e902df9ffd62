"""The training loop, which every process runs."""

import time
from collections.abc import Callable
from typing import Any

import chainer_cpu
from lab.cli.console import Signals
from lab.images.dataset import Images
from lab.runs.settings import Settings


def train(images: Images, settings: Settings, trainer, signals: Signals,
          after_iteration: Callable[[Any], None] = lambda means: None) -> int | None:
    """Trains to the last epoch, or until a signal to any process. Returns the signal, or None.

    after_iteration: takes what trainer.steps() yields. A signal stops the training after the
    iteration that is going on; while that compiles, which takes long, at once. Then this
    iteration's work is lost, and is done again.
    """
    signals.defer()
    with chainer_cpu.before_compiling(signals.stop_at_once):
        for means in trainer.steps(images, settings.epochs, settings.batch_size):
            signals.defer()
            after_iteration(means)
            signal = trainer.processes.agree_on_signal(signals.received)
            if signal and trainer.epoch < settings.epochs:
                return signal
    return None


class Pace:
    """Counts the iterations of this process and measures the seconds of its epochs."""

    def __init__(self, iterations):
        self.iterations = iterations  # per epoch
        self.total = self._done = 0   # in all, and in this epoch
        self._begun = time.perf_counter()

    def count(self):
        self.total, self._done = self.total + 1, self._done + 1

    def end_epoch(self):
        """Returns the seconds of the epoch; one resumed midway counts as if all of it were done."""
        seconds = (time.perf_counter() - self._begun) * self.iterations / self._done
        self._begun, self._done = time.perf_counter(), 0
        return seconds

"""A training run at work in its folder: pictures, log, figures, checkpoints."""

import contextlib
import errno
import functools
import math
import os
import shutil
import time
from dataclasses import replace

import numpy as np

import chainer_cpu
import dcgan
from lab import networks
from lab.judge import figures
from lab.judge.watch import Watch
from lab.look import commands, page, play
from lab.runs import checkpoint, claim, files
from lab.runs.files import FolderError
from lab.runs.networks import write_networks
from lab.runs.opened import OpenedRun
from lab.runs.settings import write_settings
from lab.training import words
from lab.training.best import Best, best_epoch

# Whoever looks at the page of a run sees new epochs about as soon as they are there; writing it
# takes some hundredths of a second.
SECONDS_PER_PAGE = 2

# Of the figures in checkpoints that do not name them.
EARLIER_COLUMNS = ("epoch", "frechet", "precision", "recall", "digit_share", "diversity", "nearest")


class Run:
    """A run and its folder: pictures, log and checkpoints of a Trainer at work."""

    def __init__(self, folder, settings, images, trainer, console, signals, sample_grid):
        """images: of all digits, or pictures. trainer: untrained, of the settings.

        sample_grid draws the picture of an epoch, as plot.sample_grid does.
        """
        self.sample_grid = sample_grid
        self.folder, self.settings, self.trainer = folder, settings, trainer
        self.console, self.signals, self.x = console, signals, images.of(settings.digit)
        self.judge = self._make_judge(images)
        if self.judge:
            # Beside the figures of the samples: what a perfect generator would get.
            real = {name: round(value, 4) for name, value in self.judge.reference_real().items()
                    if math.isfinite(value)}
            self.settings = replace(settings, real_figures=real)
        self.opened = OpenedRun(folder, self.settings)
        # The pictures' own random stream: the training's must not notice them.
        stream = np.random.default_rng(settings.seed)
        self.z = stream.uniform(-1, 1, (9, settings.z_dim)).astype(np.float32)
        self.real = self.x[stream.permutation(len(self.x))[:9]]
        self.losses, self.quality = [], []
        self.other = figures.hidden_distance(settings.weights)
        self.columns = (*figures.columns(settings.digit), self.other)  # of quality.csv
        self.watch, self.best = Watch(), Best(folder)
        self.is_saved = False   # whether there is a checkpoint to resume from
        self.shown = -math.inf  # when the page was last brought up to date

    def _make_judge(self, images):
        if self.settings.quality_every == 0:
            return None
        try:
            return figures.Judge(images, images.labels, self.settings.digit)
        except ValueError as error:
            self.console.warn(f"quality is not measured: {error}")
            return None

    def begin(self):
        """What stands in the folder before the first epoch."""
        self.describe()
        # The checkpoint comes first: from here on the run can be resumed, and a disk too small for
        # it is found now and not after an hour.
        self.save()
        self._check_room()
        self._restore_files()

    def _check_room(self):
        (path,) = checkpoint.paths(self.folder)
        needed = 2 * path.stat().st_size  # the one before, and the one that is being written
        if shutil.disk_usage(self.folder).free < needed:
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, the next checkpoints need "
                          f"{needed / 1e6:.0f} MB", str(self.folder))

    def load(self, arrays, columns):
        """Takes over a checkpoint, all of it checked before anything changes.

        columns: the names of the columns of its tables, {table: names}; None: as EARLIER_COLUMNS.
        """
        columns = columns or {"losses": files.LOSS_COLUMNS, "quality": [
            name for name in EARLIER_COLUMNS if name in self.columns]}
        like = self._arrays(self.trainer.state())
        like["permutation"] = np.empty(arrays.get("permutation", like["permutation"]).shape, int)
        for name in ("losses", "quality"):  # as many rows as the run has got
            rows = arrays.get(name, like[name]).shape[:1]
            like[name] = np.empty((*rows, len(columns[name])))
        like |= self.best.like(arrays, self.trainer.state())
        try:
            checkpoint.check(arrays, like)
            state = {name: arrays[name] for name in self.trainer.state()}
            checkpoint.check_finite(state)
            self.trainer.load_state(state)
        except (checkpoint.CheckpointError, ValueError) as error:
            raise FolderError(f"the checkpoint does not fit this run ({self.folder}, {error}); "
                              "start a new one") from None
        self.describe()
        self.z, self.is_saved = arrays["z"], True
        self.losses = _rows(arrays["losses"], columns["losses"], files.LOSS_COLUMNS)
        self.quality = _rows(arrays["quality"], columns["quality"], self.columns)
        # What was kept of an epoch only because it was the last, and is so no longer.
        if self.trainer.epoch < self.settings.epochs:
            for name in files.NETWORKS:
                (self.folder / name).unlink(missing_ok=True)
        self.quality = [row for row in self.quality if self._is_due("quality_every", row[0])]
        self.best.load(arrays)
        self.best.restore(self.quality, self.trainer.epoch, self.trainer.state(),
                          self._is_regular("quality_every", self.trainer.epoch))
        if not self._is_due("picture_every", self.trainer.epoch):
            files.picture(self.folder, self.trainer.epoch).unlink(missing_ok=True)
        with contextlib.suppress(FolderError):  # there may be none
            for epoch, path in self.opened.pictures().items():
                if epoch > self.settings.epochs:
                    path.unlink()
        self._restore_files()

    def _restore_files(self):
        """Brings the folder to the state of the trainer: what came later is made again."""
        claim.ignore(self.folder, commands.LEFT)
        write_settings(self.folder, self.settings)
        files.write_table(self.folder / files.LOSSES, files.LOSS_COLUMNS, self.losses)
        if self.judge:
            files.write_table(self.folder / files.QUALITY, self.columns, self.quality)
        epoch, iteration = self.trainer.epoch, self.trainer.iteration
        if epoch == iteration == 0 or epoch >= self.settings.epochs:  # as if it had been planned so
            if not files.picture(self.folder, epoch).exists():
                self.draw()
            if not any(row[0] == epoch for row in self.quality):
                self.measure()
        for row in [(0, *[math.nan] * 5), *self.losses]:
            self._look(row)  # what it may say to this has been said
        self.show()

    def train(self):
        """Trains to the last epoch. Returns the exit code.

        A signal stops it after the iteration that is going on; while that has to be compiled, which
        takes long, at once. Then what this iteration has done is lost, and is done again.
        """
        trainer, settings = self.trainer, self.settings
        begun, first = time.perf_counter(), trainer.epoch
        signal = None
        total = done = 0  # iterations of this process, in all and in the epoch
        self.signals.defer()
        with (chainer_cpu.before_compiling(self.signals.stop_at_once),
              self.console.bar(settings.epochs, trainer.epoch, "epoch") as bar):
            epoch_begun = time.perf_counter()
            for means in trainer.steps(self.x, settings.epochs, settings.batch_size):
                self.signals.defer()
                total, done = total + 1, done + 1
                if means:
                    # Resumed within an epoch, it counts as if all of it had been done at this pace.
                    seconds = (time.perf_counter() - epoch_begun) * self.settings.iterations / done
                    epoch_begun, done = time.perf_counter(), 0
                    self.record(means, seconds)
                    rate = self.settings.iterations * settings.batch_size / seconds
                    bar.details = words.progress(means[0], means[1], rate)
                bar.set_description_str(f"epoch {trainer.epoch}/{settings.epochs}",
                                        refresh=False)
                bar.update(trainer.epoch + trainer.iteration / self.settings.iterations - bar.n)
                signal = trainer.processes.agree_on_signal(self.signals.received)
                if signal and trainer.epoch < settings.epochs:
                    break
        if trainer.epoch < settings.epochs:
            return self.stop(signal)
        return self.finish(time.perf_counter() - begun, trainer.epoch - first, total)

    def record(self, means, seconds):
        """Keeps what an epoch has brought: picture, then log, then checkpoint."""
        epoch = self.trainer.epoch
        if self._is_due("picture_every", epoch):
            self.draw()
        loss_gen, loss_dis, prob_real, prob_generated = means
        row = (epoch, loss_gen, loss_dis, round(seconds, 3), prob_real, prob_generated)
        files.append_row(self.folder / files.LOSSES, row)
        self.losses.append(row)
        if self._is_due("quality_every", epoch):
            self.measure()
        for line in self._look(row):
            self.console.warn(line)
        due = self._is_due("checkpoint_every", epoch)
        if due:
            self.save()
        if due or time.monotonic() > self.shown + SECONDS_PER_PAGE:
            self.show()

    def _look(self, row):
        """Shows the watch an epoch's row of losses.csv, and its figures if it was measured."""
        epoch, _, loss_dis, _, prob_real, prob_generated = row
        measured = next((dict(zip(self.columns[1:], values, strict=True)) for number, *values in
                         reversed(self.quality) if number == epoch), None)
        return self.watch.update(epoch, loss_dis, prob_real, prob_generated, measured)

    def _is_due(self, name, epoch):
        """Whether epoch is one of every settings[name], or the last."""
        return epoch == self.settings.epochs or self._is_regular(name, epoch)

    def _is_regular(self, name, epoch):
        """Whether epoch is one of every settings[name]."""
        every = getattr(self.settings, name)
        return every > 0 and epoch % every == 0

    @property
    def _gens(self):
        """The generator that the recipe shows, and the one that it does not."""
        gens = self.trainer.gen, self.trainer.average
        return gens if self.settings.weights == "trained" else gens[::-1]

    def measure(self):
        """Keeps the figures of quality, if there are any."""
        if self.judge:
            shown, other = (self.judge.sample(gen) for gen in self._gens)
            measured = self.judge.measure(shown)
            measured[self.other] = self.judge.measure(other, ["frechet"])["frechet"]
            row = (self.trainer.epoch, *(measured[name] for name in self.columns[1:]))
            files.append_row(self.folder / files.QUALITY, row)
            self.quality.append(row)
            if best_epoch(self.quality) == row[0]:
                self.best.keep(row[0], self.trainer.state(),
                               self._is_regular("quality_every", row[0]))

    def draw(self):
        """The picture of this epoch, and before the first one that of the real images."""
        epoch, caption = self.trainer.epoch, self.settings.caption
        display_range = networks.display_range(self.settings)
        if epoch == 0:
            self.sample_grid(self.real, None, self.folder / files.REAL,
                             title=f"real images, {caption}", display_range=display_range)
        images = dcgan.generate(self._gens[0], self.z)
        self.sample_grid(images, dcgan.probability_of_real(self.trainer.dis, images),
                         files.picture(self.folder, epoch), title=f"epoch {epoch}, {caption}",
                         display_range=display_range)

    def _arrays(self, state):
        return {**state, **self.best.arrays, "z": self.z,
                "losses": _table(self.losses, files.LOSS_COLUMNS),
                "quality": _table(self.quality, self.columns)}

    def save(self):
        """Writes a checkpoint, unless NaN or infinity has got into it."""
        trainer = self.trainer
        state = trainer.state()
        try:
            checkpoint.check_finite(state)
        except checkpoint.CheckpointError as error:
            raise checkpoint.CheckpointError(
                f"{error} after iteration {trainer.iteration or self.settings.iterations} of epoch "
                f"{trainer.epoch + bool(trainer.iteration)} (--alpha, {self.settings.alpha}); "
                "the last good checkpoint stays, start again with a smaller one") from None
        checkpoint.write(self.folder, trainer.epoch, self._arrays(state), {
            "settings": self.settings.to_values(), "epoch": trainer.epoch,
            "iteration": trainer.iteration,
            "columns": {"losses": files.LOSS_COLUMNS, "quality": self.columns}})
        self.is_saved = True

    def show(self, going=True):
        """Brings the page up to date. going: whether the run goes on."""
        self._try(functools.partial(page.write_for, going=going))
        self.shown = time.monotonic()

    def _try(self, write):
        """Writes a page. One that cannot be written, for others are at its files, ends no run."""
        try:
            write(self.opened)
        # Pictures were taken away; or on Windows a browser reads what is to be replaced.
        except (FolderError, PermissionError) as error:
            self.console.warn(error)

    def describe(self):
        """Says what is about to run, before anything that takes a while."""
        for line in words.description(self.settings, self.trainer, self.folder):
            self.console.say(line)

    def stop(self, signal):
        """Saves and says how to go on. Returns the exit code for the signal."""
        self.save()
        self._try(play.write)
        self.show(going=False)
        command = words.command_to_resume(self.folder, self.trainer.processes.command)
        self.console.say(words.stopped(self.folder, self.trainer.epoch, command,
                                       self.trainer.processes.options))
        return 128 + signal

    def finish(self, seconds, epochs, iterations):
        """Leaves the networks in the folder and says what there is to see. Returns 0.

        seconds, epochs, iterations: those of this process.
        """
        write_networks(self.folder, self.trainer.state())
        self._try(play.write)
        if epochs:
            rate = iterations * self.settings.batch_size / seconds
            self.console.say(words.done(epochs, seconds, rate))
        else:
            self.console.say(words.complete(self.trainer.epoch))
        epoch, loss_gen, loss_dis, *_ = self.losses[-1]
        for line in words.results(self.folder, loss_gen, loss_dis,
                                  files.picture(self.folder, epoch), self.quality):
            self.console.say(line)
        return 0


def follow(x, settings, trainer, signals):
    """Trains as Run.train does in a process that is not the first: all that is kept, it keeps.

    Returns the exit code.
    """
    signals.defer()
    with chainer_cpu.before_compiling(signals.stop_at_once):
        for _ in trainer.steps(x, settings.epochs, settings.batch_size):
            signals.defer()
            signal = trainer.processes.agree_on_signal(signals.received)
            if signal and trainer.epoch < settings.epochs:
                return 128 + signal
    return 0


def _rows(table, names, wanted):
    """The rows of a table with such columns, as tuples of the wanted ones; NaN where it has none.

    The first column is the epoch.
    """
    columns = dict(zip(names, table.T, strict=True))
    nothing = np.full(len(table), math.nan)
    return [(int(epoch), *map(float, row)) for epoch, *row in
            zip(*(columns.get(name, nothing) for name in wanted), strict=True)]


def _table(rows, columns):
    return np.array(rows, np.float64).reshape(-1, len(columns))

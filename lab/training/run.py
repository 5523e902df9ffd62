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

import dcgan
from lab import networks
from lab.cli.patience import patiently
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
from lab.training.loop import Pace, train
from lab.training.snapshots import Snapshots

# Those who look at the page see new epochs nearly at once; writing it takes some hundredths of a
# second.
SECONDS_PER_PAGE = 2

# The columns of the figures in checkpoints of earlier versions, which do not name them.
EARLIER_COLUMNS = ("epoch", "frechet", "precision", "recall", "digit_share", "diversity", "nearest")


class Run:
    """A run at work: trains a Trainer and writes pictures, log, figures and checkpoints."""

    def __init__(self, folder, settings, images, trainer, console, signals, sample_grid):
        """images: of all digits, or pictures. trainer: with the untrained networks of settings.

        sample_grid draws the picture of an epoch, as plot.sample_grid does.
        """
        self.sample_grid = sample_grid
        self.folder, self.settings, self.trainer = folder, settings, trainer
        self.console, self.signals = console, signals
        self.images = images.of(settings.digit)
        self.judge = self._make_judge(images)
        if self.judge:
            # To compare with the samples' figures: a perfect generator would get these.
            real = {name: round(value, 4) for name, value in self.judge.reference_real().items()
                    if math.isfinite(value)}
            self.settings = replace(settings, real_figures=real)
        self.opened = OpenedRun(folder, self.settings)
        # Pictures have a random stream of their own, so that they leave the training's alone.
        stream = np.random.default_rng(settings.seed)
        self.z = stream.uniform(-1, 1, (9, settings.z_dim)).astype(np.float32)
        self.real_images = self.images[stream.permutation(len(self.images))[:9]]
        self.losses, self.quality = [], []
        self.hidden_distance = figures.hidden_distance(settings.weights)
        self.columns = (*figures.columns(settings.digit), self.hidden_distance)  # of quality.csv
        self.watch, self.best = Watch(), Best(folder)
        self.snapshots = Snapshots(folder, settings, trainer.state())
        self.is_saved = False          # whether there is a checkpoint to resume from
        self.page_written = -math.inf  # when, by time.monotonic()

    def _make_judge(self, images):
        if self.settings.quality_every == 0:
            return None
        try:
            return figures.Judge(images, images.labels, self.settings.digit)
        except ValueError as error:
            self.console.warn(f"quality is not measured: {error}")
            return None

    def begin(self):
        """Writes what the folder holds before the first epoch."""
        self.describe()
        # The checkpoint comes first: from here on the run can be resumed, and a disk too small for
        # it stops the run now and not after an hour.
        self.save()
        self._check_room()
        self._restore_files()

    def _check_room(self):
        (path,) = checkpoint.paths(self.folder)
        needed = 2 * path.stat().st_size  # one stays while the next is written
        if shutil.disk_usage(self.folder).free < needed:
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, the next checkpoints need "
                          f"{needed / 1e6:.0f} MB", str(self.folder))

    def load(self, arrays, columns):
        """Loads a checkpoint, all of it checked before anything changes.

        columns: {table: names of its columns}; None for EARLIER_COLUMNS.
        """
        columns = columns or {"losses": files.LOSS_COLUMNS, "quality": [
            name for name in EARLIER_COLUMNS if name in self.columns]}
        like = self._arrays(self.trainer.state())
        like["permutation"] = np.empty(arrays.get("permutation", like["permutation"]).shape, int)
        for name in ("losses", "quality"):  # the number of rows is free
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
        # Removes what was kept of an epoch only because it was the last: it no longer is.
        if self.trainer.epoch < self.settings.epochs:
            for name in files.NETWORKS:
                patiently((self.folder / name).unlink, missing_ok=True)
        self.quality = [row for row in self.quality if self._is_due("quality_every", row[0])]
        self.best.load(arrays)
        self.best.restore(self.quality, self.trainer.epoch, self.trainer.state(),
                          self._is_regular("quality_every", self.trainer.epoch))
        self.snapshots.restore(self.trainer.epoch)
        if not self._is_due("picture_every", self.trainer.epoch):
            patiently(files.picture(self.folder, self.trainer.epoch).unlink, missing_ok=True)
        with contextlib.suppress(FolderError):  # no pictures
            for epoch, path in self.opened.pictures().items():
                if epoch > self.settings.epochs:
                    patiently(path.unlink)
        self._restore_files()

    def _restore_files(self):
        """Brings the folder to the state of the trainer; what came later will be made again."""
        claim.ignore(self.folder, commands.LEFT)
        write_settings(self.folder, self.settings)
        files.write_table(self.folder / files.LOSSES, files.LOSS_COLUMNS, self.losses)
        if self.judge:
            files.write_table(self.folder / files.QUALITY, self.columns, self.quality)
        epoch, iteration = self.trainer.epoch, self.trainer.iteration
        if epoch == iteration == 0 or epoch >= self.settings.epochs:  # a run's beginning or end
            if not files.picture(self.folder, epoch).exists():
                self.write_picture()
            if not any(row[0] == epoch for row in self.quality):
                self.measure()
        for row in [(0, *[math.nan] * 5), *self.losses]:
            self._update_watch(row)  # the run has said these warnings before
        self.write_page()

    def train(self):
        """Trains to the last epoch, or until a signal. Returns the exit code."""
        begun, epoch_before = time.perf_counter(), self.trainer.epoch
        with self.console.bar(self.settings.epochs, epoch_before, "epoch") as bar:
            pace = Pace(self.settings.iterations)
            signal = train(self.images, self.settings, self.trainer, self.signals,
                           functools.partial(self._after_iteration, bar, pace))
        if signal:
            return self.stop(signal)
        return self.finish(time.perf_counter() - begun, self.trainer.epoch - epoch_before,
                           pace.total)

    def _after_iteration(self, bar, pace, means):
        """Records an epoch that has ended, and updates the bar. means: as steps() yields them."""
        trainer, settings = self.trainer, self.settings
        pace.count()
        if means:
            seconds = pace.end_epoch()
            self.record(means, seconds)
            rate = settings.iterations * settings.batch_size / seconds
            bar.details = words.progress(means[0], means[1], rate)
        bar.set_description_str(f"epoch {trainer.epoch}/{settings.epochs}", refresh=False)
        bar.update(trainer.epoch + trainer.iteration / settings.iterations - bar.n)

    def record(self, means, seconds):
        """Writes an epoch's picture, then its row of the log, then a checkpoint, as are due."""
        epoch = self.trainer.epoch
        if self._is_due("picture_every", epoch):
            self.write_picture()
        loss_gen, loss_dis, prob_real, prob_generated = means
        row = (epoch, loss_gen, loss_dis, round(seconds, 3), prob_real, prob_generated)
        files.append_row(self.folder / files.LOSSES, row)
        self.losses.append(row)
        if self._is_due("quality_every", epoch):
            self.measure()
        self.snapshots.keep(epoch, self.trainer.state)
        for warning in self._update_watch(row):
            self.console.warn(warning)
        save = self._is_due("checkpoint_every", epoch)
        if save:
            self.save()
        if save or time.monotonic() > self.page_written + SECONDS_PER_PAGE:
            self.write_page()

    def _update_watch(self, row):
        """Passes a row of losses.csv to the watch, with the epoch's figures. Returns warnings."""
        epoch, _, loss_dis, _, prob_real, prob_generated = row
        measured = next((dict(zip(self.columns[1:], values, strict=True)) for number, *values in
                         reversed(self.quality) if number == epoch), None)
        return self.watch.update(epoch, loss_dis, prob_real, prob_generated, measured)

    def _is_due(self, name, epoch):
        """Whether epoch is a multiple of the setting name, or the last epoch."""
        return epoch == self.settings.epochs or self._is_regular(name, epoch)

    def _is_regular(self, name, epoch):
        """Whether epoch is a multiple of the setting name, which is 0 for never."""
        every = getattr(self.settings, name)
        return every > 0 and epoch % every == 0

    @property
    def _generators(self):
        """The generator that the run shows, and the one that it does not."""
        gens = self.trainer.gen, self.trainer.average
        return gens if self.settings.weights == "trained" else gens[::-1]

    def measure(self):
        """Writes the figures of quality, if the run measures any."""
        if self.judge:
            shown, hidden = (self.judge.sample(gen) for gen in self._generators)
            measured = self.judge.measure(shown)
            measured[self.hidden_distance] = self.judge.measure(hidden, ["frechet"])["frechet"]
            row = (self.trainer.epoch, *(measured[name] for name in self.columns[1:]))
            files.append_row(self.folder / files.QUALITY, row)
            self.quality.append(row)
            if best_epoch(self.quality) == row[0]:
                self.best.keep(row[0], self.trainer.state(),
                               self._is_regular("quality_every", row[0]))

    def write_picture(self):
        """Draws the picture of this epoch, and before the first epoch that of real images."""
        epoch, caption = self.trainer.epoch, self.settings.caption
        display_range = networks.display_range(self.settings)
        if epoch == 0:
            self.sample_grid(self.real_images, None, self.folder / files.REAL,
                             title=f"real images, {caption}", display_range=display_range)
        images = dcgan.generate(self._generators[0], self.z)
        self.sample_grid(images, dcgan.probability_of_real(self.trainer.dis, images),
                         files.picture(self.folder, epoch), title=f"epoch {epoch}, {caption}",
                         display_range=display_range)

    def _arrays(self, state):
        return {**state, **self.best.arrays, "z": self.z,
                "losses": _table(self.losses, files.LOSS_COLUMNS),
                "quality": _table(self.quality, self.columns)}

    def save(self):
        """Writes a checkpoint. Raises CheckpointError if the state holds NaN or infinity."""
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

    def write_page(self, going=True):
        """Brings the page up to date. going: whether the run goes on."""
        self._write_or_warn(functools.partial(page.write_for, going=going))
        self.page_written = time.monotonic()

    def _write_or_warn(self, write):
        """Writes a page; warns where its files are in use or missing, which ends no run."""
        try:
            write(self.opened)
        # Somebody has removed pictures; or, on Windows, a browser is reading the page.
        except (FolderError, PermissionError) as error:
            self.console.warn(error)

    def describe(self):
        """Says what is about to run."""
        for line in words.description(self.settings, self.trainer, self.folder):
            self.console.say(line)

    def stop(self, signal):
        """Saves the run and says how to go on. Returns the exit code of signal."""
        self.save()
        self._write_or_warn(play.write)
        self.write_page(going=False)
        command = words.command_to_resume(self.folder, self.trainer.processes.command)
        self.console.say(words.stopped(self.folder, self.trainer.epoch, command,
                                       self.trainer.processes.options))
        return 128 + signal

    def finish(self, seconds, epochs, iterations):
        """Writes the networks and says what there is to see. Returns 0.

        seconds, epochs, iterations: what this process has trained.
        """
        write_networks(self.folder, self.trainer.state())
        self._write_or_warn(play.write)
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


def _rows(table, columns, wanted):
    """Returns the rows of a table as tuples of the wanted columns, NaN for those it lacks.

    The first column is the epoch.
    """
    found = dict(zip(columns, table.T, strict=True))
    missing = np.full(len(table), math.nan)
    return [(int(epoch), *map(float, row)) for epoch, *row in
            zip(*(found.get(name, missing) for name in wanted), strict=True)]


def _table(rows, columns):
    return np.array(rows, np.float64).reshape(-1, len(columns))

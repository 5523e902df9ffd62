"""A training run at work in its folder: pictures, log, figures, checkpoints."""

import errno
import math
import os
import shlex
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import dcgan
from lab import networks
from lab.cli import from_here
from lab.judge import figures
from lab.judge.watch import Watch
from lab.look import page, play
from lab.runs import checkpoint, files
from lab.runs.files import FolderError
from lab.runs.opened import OpenedRun
from lab.runs.settings import write_settings

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
        self.other = figures.distance_of_other(settings.weights)
        self.columns = (*figures.columns(settings.digit), self.other)  # of quality.csv
        self.watch = Watch()
        self.shown = -math.inf  # when the page was last brought up to date

    def _make_judge(self, images):
        if self.settings.quality_every == 0:
            return None
        try:
            return figures.Judge(images, images.labels, self.settings.digit)
        except ValueError as error:
            self.console.warn(f"quality is not measured: {error}")
            return None

    @property
    def iterations(self):
        """Per epoch."""
        return len(self.x) // self.settings.batch_size

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
        try:
            checkpoint.check(arrays, like)
            state = {name: arrays[name] for name in self.trainer.state()}
            checkpoint.check_finite(state)
            self.trainer.load_state(state)
        except (checkpoint.CheckpointError, ValueError) as error:
            raise FolderError(f"the checkpoint does not fit this run ({self.folder}, {error}); "
                              "start a new one") from None
        self.describe()
        self.z = arrays["z"]
        self.losses = _rows(arrays["losses"], columns["losses"], files.LOSS_COLUMNS)
        self.quality = _rows(arrays["quality"], columns["quality"], self.columns)
        # What was kept of an epoch only because it was the last, and is so no longer.
        if self.trainer.epoch < self.settings.epochs:
            for name in files.NETWORKS:
                (self.folder / name).unlink(missing_ok=True)
        self.quality = [row for row in self.quality if self._is_due("quality_every", row[0])]
        if not self._is_due("picture_every", self.trainer.epoch):
            files.picture(self.folder, self.trainer.epoch).unlink(missing_ok=True)
        self._restore_files()

    def _restore_files(self):
        """Brings the folder to the state of the trainer: what came later is made again."""
        files.ignore(self.folder)
        write_settings(self.folder, self.settings)
        files.write_table(self.folder / files.LOSSES, files.LOSS_COLUMNS, self.losses)
        if self.judge:
            files.write_table(self.folder / files.QUALITY, self.columns, self.quality)
        if self.trainer.epoch == 0 and self.trainer.iteration == 0:
            self.draw()
            self.measure()
        for row in [(0, *[math.nan] * 5), *self.losses]:
            self._look(row)  # what it may say to this has been said
        self.show()

    def train(self):
        """Trains to the last epoch. Returns the exit code."""
        self.signals.deferred = True
        trainer, settings = self.trainer, self.settings
        begun, first = time.perf_counter(), trainer.epoch
        signal = None
        total = done = 0  # iterations of this process, in all and in the epoch
        with self.console.bar(settings.epochs, trainer.epoch, "epoch") as bar:
            epoch_begun = time.perf_counter()
            for means in trainer.steps(self.x, settings.epochs, settings.batch_size):
                total, done = total + 1, done + 1
                if means:
                    # Resumed within an epoch, it counts as if all of it had been done at this pace.
                    seconds = (time.perf_counter() - epoch_begun) * self.iterations / done
                    epoch_begun, done = time.perf_counter(), 0
                    self.record(means, seconds)
                    rate = self.iterations * settings.batch_size / seconds
                    bar.details = (f"loss_gen {means[0]:.3f}, loss_dis {means[1]:.4f}, "
                                   f"{rate:,.0f} images/s",
                                   f"loss {means[0]:.3f} {means[1]:.4f}, {rate:,.0f}/s",
                                   f"loss {means[0]:.3f} {means[1]:.4f}")
                bar.set_description_str(f"epoch {trainer.epoch}/{settings.epochs}",
                                        refresh=False)
                bar.update(trainer.epoch + trainer.iteration / self.iterations - bar.n)
                signal = trainer.processes.signal(self.signals.received)
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
        every = getattr(self.settings, name)
        return epoch == self.settings.epochs or (every > 0 and epoch % every == 0)

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
        return {**state, "z": self.z,
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
                f"{error} after iteration {trainer.iteration or self.iterations} of epoch "
                f"{trainer.epoch + bool(trainer.iteration)} (--alpha, {self.settings.alpha}); "
                "the last good checkpoint stays, start again with a smaller one") from None
        checkpoint.write(self.folder, trainer.epoch, self._arrays(state), {
            "settings": self.settings.to_values(), "epoch": trainer.epoch,
            "iteration": trainer.iteration,
            "columns": {"losses": files.LOSS_COLUMNS, "quality": self.columns}})

    def show(self):
        """Brings the page up to date."""
        self._try(page.write)
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
        settings, trainer = self.settings, self.trainer
        say = self.console.say
        maps = "-".join(map(str, networks.map_sizes(settings)))
        what = settings.caption
        if settings.digit is None:
            size = settings.size
            what = (f"{settings.data_source}, {size}x{size} in "
                    f"{'colour' if settings.channels == 3 else 'grey'}")
        say(f"images         {len(self.x):,} of {what}")
        say(f"iterations     {self.iterations} per epoch, batch {settings.batch_size:,}")
        say(f"optimiser      Adam, alpha {settings.alpha:g}, beta1 {settings.beta1:g} "
            f"(recipe {settings.recipe})")
        if settings.weights == "average":
            say("shown          the average of the generator's weights")
        say(f"generator      {trainer.gen.count_params():,} parameters, maps {maps}")
        say(f"discriminator  {trainer.dis.count_params():,} parameters, the mirror")
        say(f"BLAS           {settings.environment['blas']}")
        processes = trainer.processes
        if processes.size > 1:
            say(f"processes      {processes.size} on {processes.hosts} "
                f"host{'s' * (processes.hosts > 1)}, each with its share of every batch")
        say(f"results        {self.folder}{'/' if self.folder.name else ''}")
        if trainer.epoch or trainer.iteration:
            say(f"resumed        after epoch {trainer.epoch}"
                + (f" and {trainer.iteration} iterations" if trainer.iteration else ""))

    def stop(self, signal):
        """Saves and says how to go on. Returns the exit code for the signal."""
        self.save()
        self.show()
        self.console.say(f"stopped after epoch {self.trainer.epoch}; nothing is lost, go on with:\n"
                         f"  {_command_to_resume(self.folder, self.trainer.processes.command)}")
        return 128 + signal

    def finish(self, seconds, epochs, iterations):
        """Leaves the networks in the folder and says what there is to see. Returns 0.

        seconds, epochs, iterations: those of this process.
        """
        state = self.trainer.state()
        for name in files.NETWORKS:
            prefix = name.removesuffix(".npz") + "/"
            arrays = {key.removeprefix(prefix): state[key] for key in sorted(state)
                      if key.startswith(prefix)}
            files.replace_file(self.folder / name,
                               lambda file, arrays=arrays: np.savez(file, **arrays))
        self._try(play.write)
        say = self.console.say
        if epochs:
            rate = iterations * self.settings.batch_size / seconds
            say(f"done           {epochs:,} epoch{'s' * (epochs != 1)} in {_duration(seconds)}, "
                f"{rate:,.0f} images/s")
        else:
            say(f"done           already complete, {self.trainer.epoch:,} epochs; --epochs N adds "
                "more")
        say(f"last losses    loss_gen {self.losses[-1][1]:.4f}, loss_dis {self.losses[-1][2]:.4f} "
            "(at balance 0.693, 1.386)")
        say(f"pictures       {files.picture(self.folder, self.losses[-1][0])} and those before")
        say(f"page           {self.folder / files.PAGE}, to scrub through the epochs")
        say(f"to draw with   {self.folder / files.PLAY}, in any browser")
        say(f"networks       {self.folder / files.GENERATOR}, {files.AVERAGE}, "
            f"{files.DISCRIMINATOR}")
        return 0


def follow(x, settings, trainer, signals):
    """Trains as Run.train does in a process that is not the first: all that is kept, it keeps.

    Returns the exit code.
    """
    signals.deferred = True
    for _ in trainer.steps(x, settings.epochs, settings.batch_size):
        signal = trainer.processes.signal(signals.received)
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


def _command_to_resume(folder, starter):
    """What to type, where the user is, to go on: make's command if make has started us."""
    flags = shlex.join(["--resume", *([] if str(folder) == "result" else ["--out", str(folder)])])
    if "MAKELEVEL" in os.environ:
        # make -C leaves the shell's own folder in PWD.
        here, there = os.getcwd(), os.environ.get("PWD", os.getcwd())
        elsewhere = [] if os.path.realpath(there) == os.path.realpath(here) else ["-C", here]
        return shlex.join(["make", *elsewhere, "train", "ARGS=" + flags.replace("$", "$$")])
    script = Path(__file__).parents[2] / "trainer.py"
    return shlex.join([*starter, from_here(sys.executable), from_here(script)]) + " " + flags


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"

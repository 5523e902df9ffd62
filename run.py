"""A training run as the command line makes it: settings, images, the loop, and what is kept of it."""

import errno
import hashlib
import os
import shlex
import shutil
import time
import warnings
from pathlib import Path

import numpy as np

import options
import runfolder
from console import Console, Interrupted, Signals
from runfolder import FolderError


class UsageError(Exception):
    """What was asked cannot be done; a line for the user, exit code 2."""


def main(argv=None):
    """Runs trainer.py's command line. Returns the exit code: 0, 1, 2, or 128 + a signal's number."""
    console = Console("trainer.py")
    given = options.parse(argv)
    folder = Path(given.get("out", "result"))
    signals = Signals()
    with signals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            go_on = _resume if given.get("resume") else _start
            return go_on(given, folder, console, signals)
        except Interrupted:
            console.error("interrupted before the training began; nothing was lost")
            return 128 + signals.received
        except UsageError as error:
            console.error(error)
            return 2
        except MemoryError:
            console.error("out of memory; close other programs and go on with --resume, or start "
                          "again with a smaller --batch-size")
        except _failures() as error:
            console.error(error)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            console.error(f"{error.strerror or error}{where}; mend that, then go on with --resume "
                          "if the run had begun")
        return 1


def _failures():
    from checkpoint import CheckpointError
    from mnist import DataError
    from trainer import Diverged

    return CheckpointError, DataError, Diverged, FolderError


def _start(given, folder, console, signals):
    """A new run."""
    try:
        runfolder.check_new(folder, given.get("overwrite", False))
    except FolderError as error:
        raise UsageError(error) from None
    settings = options.complete(given)
    images = _load_images(settings, console)
    n = len(images.x)
    if settings["batch_size"] > n:
        if "batch_size" in given:
            raise UsageError(f"a batch larger than the {n:,} images there are (--batch-size, "
                             f"{given['batch_size']}); give at most that many")
        console.say(f"there are only {n:,} images: the batch is all of them")
        settings["batch_size"] = n
    folder.mkdir(exist_ok=True)
    with runfolder.locked(folder):
        runfolder.discard(folder)
        runfolder.remove_leftovers(folder)
        run = Run(folder, settings, images, console, signals)
        run.begin()
        return run.train()


def _resume(given, folder, console, signals):
    """The run that is in folder, from its newest checkpoint."""
    import checkpoint

    if not checkpoint.paths(folder):
        raise FolderError(f"no checkpoint to resume from (--out, {folder}); start the run without "
                          "--resume")
    with runfolder.locked(folder):
        runfolder.remove_leftovers(folder)
        arrays, meta = checkpoint.read_newest(folder, console.warn)
        settings = _settings_to_resume(given, meta["settings"])
        images = _load_images(settings, console)
        if _fingerprint(images.x) != settings["fingerprint"]:
            raise UsageError(
                f"the images are not those of the run (--data, {settings['data']}): it used "
                f"{settings['images']:,} of {settings['data_source']}, these are {len(images.x):,} "
                f"of {images.source}; name the same images with --data")
        run = Run(folder, settings, images, console, signals)
        run.load(arrays)
        changed = [f"{name} was {before}, is {run.settings['environment'].get(name)}"
                   for name, before in meta["settings"]["environment"].items()
                   if run.settings["environment"].get(name) != before]
        if changed:
            console.warn("not bit-exact from here on: " + "; ".join(changed))
        return run.train()


def _settings_to_resume(given, settings):
    """The run's settings, with a larger epochs if given. Anything else that differs is refused."""
    changes = {name: value for name, value in given.items()
               if name in settings and value != settings[name]
               # Other words for the same images are fine: their fingerprint decides.
               and name != "data"}
    if changes.get("epochs", 0) > settings["epochs"]:
        del changes["epochs"]
    if changes:
        listed = ", ".join(f"--{name.replace('_', '-')} {settings[name]} -> {value}"
                           for name, value in changes.items())
        raise UsageError(f"a resumed run keeps its settings ({listed}); leave that out, only a "
                         "larger --epochs may be given")
    return {**settings, **{name: given[name] for name in ("epochs", "data") if name in given}}


def _load_images(settings, console):
    import mnist

    with warnings.catch_warnings():
        warnings.simplefilter("always", mnist.DataWarning)
        warnings.showwarning = lambda message, *_, **__: console.warn(message)
        try:
            return mnist.load(settings["digit"], settings["data"])
        except mnist.DataPathError as error:
            raise UsageError(error) from None


def _fingerprint(x):
    return hashlib.sha256(x.tobytes()).hexdigest()


class Run:
    """A run and its folder: pictures, log and checkpoints of a Trainer at work."""

    def __init__(self, folder, settings, images, console, signals):
        import checkpoint
        import dcgan
        from trainer import Trainer

        self.folder, self.console, self.signals, self.x = folder, console, signals, images.x
        self.settings = {
            **settings, "images": len(images.x), "channels": images.x.shape[1],
            "data_source": images.source, "fingerprint": _fingerprint(images.x),
            "environment": checkpoint.environment()}
        sizes = dcgan.SIZES[settings["sizes"]]
        np.random.seed(settings["seed"])
        gen = dcgan.Generator(settings["z_dim"], images.x.shape[1], sizes)
        dis = dcgan.Discriminator(images.x.shape[1], sizes)
        self.trainer = Trainer(gen, dis, settings["alpha"], settings["beta1"])
        # The pictures' own random stream: the training's must not notice them.
        stream = np.random.default_rng(settings["seed"])
        self.z = stream.uniform(-1, 1, (9, settings["z_dim"])).astype(np.float32)
        self.real = images.x[stream.permutation(len(images.x))[:9]]
        self.losses = []

    @property
    def iterations(self):
        """Per epoch."""
        return len(self.x) // self.settings["batch_size"]

    def begin(self):
        """What stands in the folder before the first epoch."""
        # The checkpoint comes first: from here on the run can be resumed, and a disk too small for
        # it is found now and not after an hour.
        self.save()
        self._check_room()
        self._restore_files()

    def _check_room(self):
        import checkpoint

        (path,) = checkpoint.paths(self.folder)
        needed = 2 * path.stat().st_size  # the one before, and the one that is being written
        if shutil.disk_usage(self.folder).free < needed:
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, the next checkpoints need "
                          f"{needed / 1e6:.0f} MB", str(self.folder))

    def load(self, arrays):
        """Takes over a checkpoint, all of it checked before anything changes."""
        import checkpoint

        like = self._arrays()
        for name in ("permutation", "losses"):  # as long as the run has got
            like[name] = np.empty(arrays.get(name, like[name]).shape, like[name].dtype)
        try:
            checkpoint.check(arrays, like)
            self.trainer.load_state({name: array for name, array in arrays.items()
                                     if name not in ("losses", "z")})
        except (checkpoint.CheckpointError, ValueError) as error:
            raise FolderError(f"the checkpoint does not fit this run ({self.folder}, {error}); "
                              "start a new one") from None
        self.z = arrays["z"]
        self.losses = [(int(row[0]), *row[1:].tolist()) for row in arrays["losses"]]
        self._restore_files()

    def _restore_files(self):
        """Brings the folder to the state of the trainer: what came later is made again."""
        runfolder.write_settings(self.folder, self.settings)
        runfolder.write_table(self.folder / runfolder.LOSSES, runfolder.LOSS_COLUMNS, self.losses)
        if self.trainer.epoch == 0 and self.trainer.iteration == 0:
            self.draw()

    def train(self):
        """Trains to the last epoch. Returns the exit code."""
        self.describe()
        self.signals.deferred = True
        trainer, settings = self.trainer, self.settings
        begun, first = time.perf_counter(), trainer.epoch
        with self.console.bar(settings["epochs"], trainer.epoch, "epoch") as bar:
            epoch_begun = time.perf_counter()
            for means in trainer.steps(self.x, settings["epochs"], settings["batch_size"]):
                if means:
                    seconds = time.perf_counter() - epoch_begun
                    epoch_begun = time.perf_counter()
                    self.record(means, seconds)
                    rate = self.iterations * settings["batch_size"] / seconds
                    bar.set_postfix_str(f"loss_gen {means[0]:.3f}, loss_dis {means[1]:.4f}, "
                                        f"{rate:,.0f} images/s", refresh=False)
                bar.set_description_str(f"epoch {trainer.epoch}/{settings['epochs']}", refresh=False)
                bar.update(trainer.epoch + trainer.iteration / self.iterations - bar.n)
                if self.signals.received and trainer.epoch < settings["epochs"]:
                    return self.stop()
        return self.finish(time.perf_counter() - begun, trainer.epoch - first)

    def record(self, means, seconds):
        """Keeps what an epoch has brought: picture, then log, then checkpoint."""
        epoch, settings = self.trainer.epoch, self.settings
        if epoch % settings["picture_every"] == 0 or epoch == settings["epochs"]:
            self.draw()
        loss_gen, loss_dis, prob_real, prob_generated = means
        row = (epoch, loss_gen, loss_dis, round(seconds, 3), prob_real, prob_generated)
        runfolder.append_row(self.folder / runfolder.LOSSES, row)
        self.losses.append(row)
        if epoch % settings["checkpoint_every"] == 0 or epoch == settings["epochs"]:
            self.save()

    def draw(self):
        """The picture of this epoch, and before the first one that of the real images."""
        import dcgan
        import plot

        epoch, settings = self.trainer.epoch, self.settings
        what = "all digits" if settings["digit"] == "all" else f"digit {settings['digit']}"
        caption = f"{what}, {settings['data_source']}"
        if epoch == 0:
            plot.sample_grid(self.real, None, self.folder / runfolder.REAL,
                             title=f"real images, {caption}")
        images = dcgan.draw(self.trainer.gen, self.z)
        plot.sample_grid(images, dcgan.prob_real(self.trainer.dis, images),
                         runfolder.picture(self.folder, epoch), title=f"epoch {epoch}, {caption}")

    def _arrays(self):
        losses = np.array(self.losses, np.float64).reshape(-1, len(runfolder.LOSS_COLUMNS))
        return {**self.trainer.state(), "losses": losses, "z": self.z}

    def save(self):
        """Writes a checkpoint, unless NaN or infinity has got into it."""
        import checkpoint

        trainer, arrays = self.trainer, self._arrays()
        try:
            checkpoint.check(arrays, like=arrays)
        except checkpoint.CheckpointError as error:
            raise checkpoint.CheckpointError(
                f"{error} after iteration {trainer.iteration or self.iterations} of epoch "
                f"{trainer.epoch + bool(trainer.iteration)} (--alpha, {self.settings['alpha']}); "
                "the last good checkpoint stays, start again with a smaller one") from None
        checkpoint.write(self.folder, trainer.epoch, arrays, {
            "settings": self.settings, "epoch": trainer.epoch, "iteration": trainer.iteration})

    def describe(self):
        """Says what is about to run."""
        settings, trainer = self.settings, self.trainer
        say = self.console.say
        what = "all digits" if settings["digit"] == "all" else f"digit {settings['digit']}"
        maps = {"listing": "3-4-6-10-28", "comment": "3-4-5-10-28"}[settings["sizes"]]
        say(f"images         {len(self.x):,} of {what}, {settings['data_source']}")
        say(f"iterations     {self.iterations} per epoch, batch {settings['batch_size']:,}")
        say(f"optimiser      Adam, alpha {settings['alpha']:g}, beta1 {settings['beta1']:g} "
            f"(recipe {settings['recipe']})")
        say(f"generator      {trainer.gen.count_params():,} parameters, maps {maps}")
        say(f"discriminator  {trainer.dis.count_params():,} parameters, the mirror")
        say(f"BLAS           {settings['environment']['blas']}")
        say(f"results        {self.folder}{'/' if self.folder.name else ''}")
        if trainer.epoch or trainer.iteration:
            say(f"resumed        after epoch {trainer.epoch}"
                + (f" and {trainer.iteration} iterations" if trainer.iteration else ""))

    def stop(self):
        """Saves and says how to go on. Returns the exit code for the signal."""
        self.save()
        out = "" if str(self.folder) == "result" else f" --out {shlex.quote(str(self.folder))}"
        self.console.say(f"stopped after epoch {self.trainer.epoch}; nothing is lost, go on with:\n"
                         f"  python trainer.py --resume{out}")
        return 128 + self.signals.received

    def finish(self, seconds, epochs):
        """Leaves the networks in the folder and says what there is to see. Returns 0."""
        state = self.trainer.state()
        for name in (runfolder.GENERATOR, runfolder.DISCRIMINATOR):
            prefix = name.removesuffix(".npz") + "/"
            arrays = {key.removeprefix(prefix): state[key] for key in sorted(state)
                      if key.startswith(prefix)}
            runfolder.replace_file(self.folder / name, lambda file: np.savez(file, **arrays))
        say = self.console.say
        if epochs:
            rate = epochs * self.iterations * self.settings["batch_size"] / seconds
            say(f"done           {epochs:,} epochs in {_duration(seconds)}, {rate:,.0f} images/s")
        else:
            say(f"done           already complete, {self.trainer.epoch:,} epochs; --epochs N adds "
                "more")
        say(f"last losses    loss_gen {self.losses[-1][1]:.4f}, loss_dis {self.losses[-1][2]:.4f} "
            "(at balance 0.693, 1.386)")
        say(f"pictures       {runfolder.picture(self.folder, self.losses[-1][0])} and those before")
        say(f"networks       {self.folder / runfolder.GENERATOR}, {runfolder.DISCRIMINATOR}")
        return 0


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"

"""One call of trainer.py: a new run or one that goes on, and what to say when neither can be."""

import contextlib
import warnings
from pathlib import Path

import numpy as np

import chainer_cpu
from chainer_cpu import SettingError
from lab import networks
from lab.cli.console import Console, Interrupted, Signals
from lab.images import source
from lab.images.errors import DataError, DataPathError, DataWarning
from lab.look import commands
from lab.runs import checkpoint, files
from lab.runs.checkpoint import CheckpointError
from lab.runs.files import FolderError
from lab.runs.settings import Settings
from lab.training import options, processes
from lab.training.processes import ProcessesError
from lab.training.run import Run, follow


class UsageError(Exception):
    """What was asked cannot be done; a line for the user, exit code 2."""


class Session:
    """Within ``with``: settings and images of the run, its untrained networks, and the training.

    given: the flags, as options.parse returns them. failures: exceptions of the loop whose message
    is a line for the user. Errors and signals become a line and ``exit_code``, 0, 1, 2 or 128 + a
    signal's number; they do not leave the with-block.
    """

    def __init__(self, given, failures=()):
        self.given, self.failures = given, failures
        self.folder = Path(given.get("out", "result"))
        self.console, self.signals = Console("trainer.py", processes.is_first()), Signals()
        self.processes = processes.ALONE  # until open()
        self.settings = self.arrays = self.images = None
        self.exit_code = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._stack.enter_context(self.signals)
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        self._stack.enter_context(self.console.hearing(chainer_cpu.CacheWarning))
        self._stack.enter_context(chainer_cpu.before_compiling(
            lambda: self.console.say("compiling, once: about half a minute")))
        return self

    def __exit__(self, kind, error, traceback):
        self._stack.close()
        line = error and self._explain(error)
        everywhere = isinstance(error, self.failures) or self.processes.is_everywhere(error)
        if line and (self.processes.number == 0 or not everywhere):
            self.console.error(f"{line}{self.processes.name()}")
        if error and not everywhere:
            self.processes.abort(error if line is None else None, self.exit_code)
        # The first has the last word: when one process ends badly, all are ended.
        self.processes.wait()
        return line is not None

    def _explain(self, error):
        """The line for an error, or None for one that nobody foresaw. Sets the exit code."""
        self.exit_code = 1
        if isinstance(error, Interrupted):
            self.exit_code = 128 + error.number
            return "interrupted before the training began; nothing was lost"
        if isinstance(error, (UsageError, SettingError)):
            self.exit_code = 2
            return error
        if isinstance(error, MemoryError):
            return ("out of memory; close other programs and go on with --resume, or start again "
                    "with a smaller --batch-size")
        if isinstance(error, (CheckpointError, DataError, FolderError, ProcessesError,
                              self.failures)):
            return error
        if isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            return (f"{error.strerror or error}{where}; mend that, then go on with --resume if the "
                    "run had begun")
        return None

    def open(self):
        """Takes the folder for a new run, or the run that is in it, and loads the images.

        Of several processes, all load the images, and the first alone sees the folder.
        """
        self.processes = processes.join()
        first, resume = self.processes.first, self.given.get("resume", False)
        settings, self.arrays = first(self._read if resume else self._plan)
        own = self.processes.each(self._load_images, settings)
        fingerprint = own.fingerprint
        first(_compare_images, self.processes.gather((fingerprint, own.source)))
        first(self._compare_with_run if resume else self._take_folder, settings, own, fingerprint)
        self.settings = first(self._settle, settings, own, fingerprint)
        self.images = self.images.between(*networks.value_range(self.settings))

    def networks(self):
        """The untrained generator and discriminator of the settings, from the seed."""
        np.random.seed(self.settings.seed)
        return networks.build(self.settings)

    def train(self, trainer, sample_grid):
        """Trains to the last epoch, or until a signal says to stop.

        sample_grid draws the picture after each epoch, as plot.sample_grid does.
        """
        self.processes.first(self._begin, trainer, sample_grid)
        images, self.images = self.images, None  # the training has no use for other digits
        if self.processes.number == 0:
            images = self.arrays = None
            self.exit_code = self._run.train()
        else:
            if self.arrays is not None:
                trainer.load_state({name: self.arrays[name] for name in trainer.state()})
            images = images.of(self.settings.digit)
            self.exit_code = follow(images, self.settings, trainer, self.signals)

    def _begin(self, trainer, sample_grid):
        self._run = Run(self.folder, self.settings, self.images, trainer, self.console,
                        self.signals, sample_grid)
        if self.arrays is None:
            # Not sooner: what the folder holds stays until there is something to put in its place.
            files.discard(self.folder, commands.LEFT)
            files.remove_leftovers(self.folder, commands.LEFT)
            self._run.begin()
        else:
            self._run.load(self.arrays, self._columns)
            self._compare_environment()

    def _plan(self):
        """The settings of a new run, as far as they are known without its images; no arrays."""
        self._check_new()
        return options.complete(self.given, self._is_pictures()), None

    def _check_new(self):
        try:
            files.check_new(self.folder, self.given.get("overwrite", False), commands.LEFT)
        except FolderError as error:
            raise UsageError(error) from None

    def _take_folder(self, settings, own, _):
        n = len(own)
        if settings["batch_size"] > n:
            if "batch_size" in self.given:
                raise UsageError(f"a batch larger than the {n:,} images there are (--batch-size, "
                                 f"{self.given['batch_size']}); give at most that many")
            self.console.say(f"there are only {n:,} images: the batch is all of them")
            settings["batch_size"] = n
        self._check_shares(settings)
        self.folder.mkdir(exist_ok=True)
        self._stack.enter_context(files.locked(self.folder))
        self._check_new()  # once more: another run may have come and gone while images were loaded

    def _read(self):
        """The settings and the arrays of the newest checkpoint."""
        if not checkpoint.paths(self.folder):
            raise FolderError(f"no checkpoint to resume from (--out, {self.folder}); start the run "
                              "without --resume")
        self._stack.enter_context(files.locked(self.folder))
        files.remove_leftovers(self.folder, commands.LEFT)
        arrays, meta = checkpoint.read_newest(self.folder, self.console.warn)
        before = Settings.from_values(meta["settings"], self.folder).to_values()
        self._before, self._columns = before["environment"], meta.get("columns")
        return _settings_to_resume(self.given, before), arrays

    def _compare_with_run(self, settings, own, fingerprint):
        if fingerprint != settings["fingerprint"]:
            raise UsageError(
                f"the images are not those of the run (--data, {settings['data']}): it used "
                f"{settings['images']:,} of {settings['data_source']}, these are {len(own):,} "
                f"of {own.source}; name the same images with --data")
        self._check_shares(settings)

    def _check_shares(self, settings):
        if settings["batch_size"] < self.processes.size:
            raise UsageError(f"a batch smaller than the {self.processes.size} processes "
                             f"(--batch-size, {settings['batch_size']}); start fewer of them")

    def _is_pictures(self):
        """Whether a folder of pictures is asked for. Refuses flags that mean nothing there."""
        given, data = self.given, self.given.get("data", options.DEFAULTS["data"])
        try:
            pictures = source.is_pictures(data)
        except DataPathError as error:
            raise UsageError(error) from None
        if pictures and "digit" in given:
            raise UsageError(f"pictures are no digits (--digit, {given['digit']}, with --data "
                             f"{data}); leave it out, or name a sub-folder to learn only what is "
                             "in it")
        if not pictures and "size" in given:
            raise UsageError(f"MNIST is 28x28 (--size, {given['size']}); leave it out, or name a "
                             "folder of pictures with --data")
        size = given.get("size", networks.POST_SIZE)
        if "sizes" in given and not networks.TABLE[networks.named(size)].maps:
            raise UsageError(f"the maps' sizes are to be chosen at 28x28 alone (--maps, "
                             f"{given['sizes']}, with --size {size}); leave it out")
        return pictures

    def _load_images(self, settings):
        """The images to train on; those of all digits are kept for the figures of quality."""
        with self.console.hearing(DataWarning):
            try:
                images = source.load(settings["data"], settings["size"])
                settings["data"] = source.settled(settings["data"], images)
            except DataPathError as error:
                raise UsageError(error) from None
        self.images = images
        return images.of(settings["digit"])

    def _settle(self, settings, own, fingerprint):
        """What the run says of itself, for good."""
        return Settings(**{
            **settings, "images": len(own), "channels": own.pixels.shape[1],
            "data_source": own.source, "fingerprint": fingerprint,
            "environment": {**checkpoint.environment(), "processes": self.processes.size}})

    def _compare_environment(self):
        now = self.settings.environment
        changed = [f"{name} was {before}, is {now.get(name)}"
                   for name, before in self._before.items()
                   if now.get(name) != before]
        if changed:
            self.console.warn("not bit-exact from here on: " + "; ".join(changed))


def _compare_images(everywhere):
    """Refuses images that differ between hosts: of each process, host, fingerprint and source."""
    (host, (mine, source)), *others = everywhere
    for other, (fingerprint, its_source) in others:
        if fingerprint != mine:
            raise UsageError(f"the images are not the same everywhere (--data, {source} on {host}, "
                             f"{its_source} on {other}); give all hosts the same")


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

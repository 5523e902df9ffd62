"""One call of trainer.py: a new run or one that goes on, and what to say when neither can be."""

import contextlib
import warnings
from pathlib import Path

import numpy as np

import networks
from cli.console import Console, Interrupted, Signals
from images import mnist, source
from images.errors import DataError, DataPathError, DataWarning
from runs import checkpoint, files
from runs.checkpoint import CheckpointError
from runs.files import FolderError
from training import options
from training.run import Run


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
        self.console, self.signals = Console("trainer.py"), Signals()
        self.settings = self.arrays = self.images = None
        self.exit_code = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._stack.enter_context(self.signals)
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        return self

    def __exit__(self, kind, error, traceback):
        self._stack.close()
        if error is None:
            return False
        self.exit_code = 1
        if isinstance(error, Interrupted):
            self.console.error("interrupted before the training began; nothing was lost")
            self.exit_code = 128 + self.signals.received
        elif isinstance(error, UsageError):
            self.console.error(error)
            self.exit_code = 2
        elif isinstance(error, MemoryError):
            self.console.error("out of memory; close other programs and go on with --resume, or "
                               "start again with a smaller --batch-size")
        elif isinstance(error, (CheckpointError, DataError, FolderError, self.failures)):
            self.console.error(error)
        elif isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            self.console.error(f"{error.strerror or error}{where}; mend that, then go on with "
                               "--resume if the run had begun")
        else:
            return False
        return True

    def open(self):
        """Takes the folder for a new run, or the run that is in it, and loads the images."""
        if self.given.get("resume"):
            self._resume()
        else:
            self._start()

    def networks(self):
        """The untrained generator and discriminator of the settings, from the seed."""
        np.random.seed(self.settings["seed"])
        return networks.build(self.settings)

    def train(self, trainer):
        """Trains to the last epoch, or until a signal says to stop."""
        run = Run(self.folder, self.settings, self.images, trainer, self.console, self.signals)
        self.images = None  # those of the other digits: the training has no use for them
        if self.arrays is None:
            run.begin()
        else:
            run.load(self.arrays)
            self.arrays = None
            self._compare_environment()
        self.exit_code = run.train()

    def _start(self):
        try:
            files.check_new(self.folder, self.given.get("overwrite", False))
        except FolderError as error:
            raise UsageError(error) from None
        settings = options.complete(self.given, self._is_pictures())
        own = self._load_images(settings)
        n = len(own)
        if settings["batch_size"] > n:
            if "batch_size" in self.given:
                raise UsageError(f"a batch larger than the {n:,} images there are (--batch-size, "
                                 f"{self.given['batch_size']}); give at most that many")
            self.console.say(f"there are only {n:,} images: the batch is all of them")
            settings["batch_size"] = n
        self.folder.mkdir(exist_ok=True)
        self._stack.enter_context(files.locked(self.folder))
        files.discard(self.folder)
        files.remove_leftovers(self.folder)
        self._settle(settings, own)

    def _resume(self):
        if not checkpoint.paths(self.folder):
            raise FolderError(f"no checkpoint to resume from (--out, {self.folder}); start the run "
                              "without --resume")
        self._stack.enter_context(files.locked(self.folder))
        files.remove_leftovers(self.folder)
        self.arrays, meta = checkpoint.read_newest(self.folder, self.console.warn)
        self._before = meta["settings"]["environment"]
        settings = _settings_to_resume(self.given, meta["settings"])
        own = self._load_images(settings)
        if own.fingerprint != settings["fingerprint"]:
            raise UsageError(
                f"the images are not those of the run (--data, {settings['data']}): it used "
                f"{settings['images']:,} of {settings['data_source']}, these are {len(own):,} "
                f"of {own.source}; name the same images with --data")
        self._settle(settings, own)

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
        if "sizes" in given and given.get("size", networks.POST_SIZE) != networks.POST_SIZE:
            raise UsageError(f"the maps' sizes are to be chosen at 28x28 alone (--sizes, "
                             f"{given['sizes']}, with --size {given['size']}); leave it out")
        return pictures

    def _load_images(self, settings):
        """The images to train on; those of all digits are kept for the figures of quality."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = lambda message, *_, **__: self.console.warn(message)
            try:
                images = source.load(settings["data"], settings.get("size", networks.POST_SIZE))
                settings["data"] = mnist.settled(settings["data"], images)
            except DataPathError as error:
                raise UsageError(error) from None
        self.images = images.between(*networks.value_range(settings))
        return self.images.of(settings["digit"])

    def _settle(self, settings, own):
        """What the run says of itself, for good."""
        self.settings = {
            **settings, "images": len(own), "channels": own.pixels.shape[1],
            "data_source": own.source, "fingerprint": own.fingerprint,
            "environment": checkpoint.environment()}

    def _compare_environment(self):
        now = self.settings["environment"]
        changed = [f"{name} was {before}, is {now.get(name)}"
                   for name, before in self._before.items() if now.get(name) != before]
        if changed:
            self.console.warn("not bit-exact from here on: " + "; ".join(changed))


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

"""Starts a new run, or resumes one, in the same three steps.

    plan()                           returns the settings wanted, before any image is loaded
    take(plan, images, processes)    claims the folder and returns the final Settings
    fill(run)                        brings the folder to the state of the run's trainer

Only the first process takes them. The other processes call load(trainer, initial).
"""

import contextlib
import dataclasses
from pathlib import Path

from lab import networks
from lab.cli.console import Console
from lab.images import source
from lab.images.dataset import Images
from lab.images.errors import DataPathError
from lab.look import commands
from lab.runs import checkpoint, claim
from lab.runs.files import FolderError
from lab.runs.settings import DEFAULTS, Settings
from lab.training import options, origin, words
from lab.training.errors import UsageError


class NewRun:
    """Starts a new run.

    given: the flags, as options.parse returns them. stack: holds the lock of the folder until the
    stack is closed.
    """

    def __init__(self, given: dict, folder: Path, console: Console, stack: contextlib.ExitStack):
        self.given, self.folder, self.console, self.stack = given, folder, console, stack
        self._origin = None  # of --start-from, after plan()

    def plan(self):
        """Returns (settings wanted, as a dict; the Origin of the networks, or None)."""
        self._check_folder()
        pictures = self._is_pictures()
        plan = options.complete(self.given, pictures)
        if "start_from" in self.given:
            self._origin = origin.read(plan["start_from"], self.given.get("epoch", "newest"))
            plan |= origin.fit(self._origin, self.given, pictures)
        return plan, self._origin

    def take(self, plan: dict, images: Images, processes: int) -> Settings:
        """Refuses a batch larger than the images, and claims the folder."""
        if self._origin:
            origin.check_channels(self._origin, images.pixels.shape[1])
        if self._is_makeshift(plan):
            plan = {**options.complete({**self.given, **options.FEW}), "data": plan["data"]}
            self.console.say(words.few(len(images), **options.FEW))
        settings = Settings(**{
            **plan, "batch_size": self._batch_size(plan["batch_size"], len(images)),
            "images": len(images), "channels": images.pixels.shape[1],
            "data_source": images.source, "fingerprint": images.fingerprint,
            "environment": environment(processes)})
        check_shares(settings, processes)
        is_new = not self.folder.exists()
        self.folder.mkdir(exist_ok=True)
        self.stack.enter_context(claim.locked(self.folder))
        # Once more: another run may have come and gone while images were loaded.
        self._check_folder()
        if is_new:
            claim.ignore(self.folder, whole=True)
        return settings

    def fill(self, run):
        """Discards the run that the folder holds, as late as possible, and begins this one."""
        self.load(run.trainer, self._origin)
        claim.discard(self.folder, commands.LEFT)
        claim.remove_leftovers(self.folder, commands.LEFT)
        run.begin()

    @staticmethod
    def load(trainer, initial):
        """Brings a trainer to where the run begins. initial: the Origin, or None."""
        if initial:
            origin.load(initial, trainer.gen, trainer.dis, trainer.average)

    def _check_folder(self):
        try:
            claim.check_new(self.folder, self.given.get("overwrite", False), commands.LEFT)
        except FolderError as error:
            raise UsageError(error) from None

    def _is_makeshift(self, plan):
        """Whether auto has found only the small digits, and no flag says how to learn them."""
        said = {*self.given} & {"recipe", "epochs", "batch_size", "alpha", "beta1", "start_from"}
        return (self.given.get("data", DEFAULTS["data"]) == "auto" and plan["data"] == "digits"
                and plan["digit"] != "all" and not said)

    def _batch_size(self, wanted, images):
        if wanted <= images:
            return wanted
        if "batch_size" in self.given:
            raise UsageError(f"a batch larger than the {images:,} images there are (--batch-size, "
                             f"{wanted}); give at most that many")
        self.console.say(f"there are only {images:,} images: the batch is all of them")
        return images

    def _is_pictures(self):
        """Whether --data names a folder of pictures. Refuses flags that mean nothing there."""
        given, data = self.given, self.given.get("data", DEFAULTS["data"])
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
        maps = networks.TABLE[networks.named(size)].maps
        if given.get("sizes", maps[0]) not in maps:
            raise UsageError(f"images of {size}x{size} have other maps (--maps, {given['sizes']}); "
                             f"choose {' or '.join(maps)}, or leave it out")
        return pictures


class ResumedRun:
    """Resumes a run from its newest checkpoint. The parameters are NewRun's."""

    def __init__(self, given: dict, folder: Path, console: Console, stack: contextlib.ExitStack):
        self.given, self.folder, self.console, self.stack = given, folder, console, stack
        # The checkpoint's, after plan().
        self._arrays, self._columns, self._environment = {}, None, {}

    def plan(self):
        """Returns (the run's settings, as a dict; the arrays of its newest checkpoint)."""
        if not checkpoint.paths(self.folder):
            empty = not self.folder.is_dir() or not any(self.folder.iterdir())
            advice = "start the run without --resume" if empty else "name the folder of a run"
            raise FolderError(f"no checkpoint to resume from (--out, {self.folder}); {advice}")
        self.stack.enter_context(claim.locked(self.folder))
        claim.remove_leftovers(self.folder, commands.LEFT)
        self._arrays, meta = checkpoint.read_newest(self.folder, self.console.warn)
        settings = Settings.from_values(meta["settings"], self.folder)
        self._environment, self._columns = settings.environment, meta.get("columns")
        return _settings_to_resume(self.given, settings.to_values(), meta["epoch"]), self._arrays

    def take(self, plan: dict, images: Images, processes: int) -> Settings:
        """Refuses images that are not the run's."""
        settings = Settings(**plan)
        if images.fingerprint != settings.fingerprint:
            raise UsageError(
                f"the images are not those of the run (--data, {settings.data}): it used "
                f"{settings.images:,} of {settings.data_source}, these are {len(images):,} "
                f"of {images.source}; name the same images with --data")
        check_shares(settings, processes)
        return dataclasses.replace(settings, data_source=images.source,
                                   environment=environment(processes))

    def fill(self, run):
        """Brings trainer and folder to the checkpoint, and warns if bits may differ from here."""
        run.load(self._arrays, self._columns)
        self._arrays = {}  # no longer needed, and large
        now = run.settings.environment
        changed = [f"{name} was {before}, is {now.get(name)}"
                   for name, before in self._environment.items() if now.get(name) != before]
        if changed:
            self.console.warn("not bit-exact from here on: " + "; ".join(changed))

    @staticmethod
    def load(trainer, initial):
        """Brings a trainer to where the run goes on. initial: the arrays of the checkpoint."""
        trainer.load_state({name: initial[name] for name in trainer.state()})


def environment(processes):
    return {**checkpoint.environment(), "processes": processes}


def check_shares(settings, processes):
    if settings.batch_size < processes:
        raise UsageError(f"a batch smaller than the {processes} processes (--batch-size, "
                         f"{settings.batch_size}); start fewer of them")


def _settings_to_resume(given, settings, done):
    """Returns the run's settings with the flags given. Refuses all but more epochs than done."""
    if given.get("epochs", done) < done:
        raise UsageError(f"the run has done more epochs already (--epochs, {given['epochs']}; "
                         f"done, {done}); --epochs {done} ends it there")
    changes = {name: value for name, value in given.items()
               if name in settings and value != settings[name]
               # Other words for the same images are fine: their fingerprint decides.
               and name != "data"}
    changes.pop("epochs", None)
    if changes:
        flags = {name: name.replace("_", "-") for name in changes} | {"sizes": "maps"}
        listed = ", ".join(f"--{flags[name]} {settings[name]} -> {value}"
                           for name, value in changes.items())
        raise UsageError(f"a resumed run keeps its settings ({listed}); leave that out, only "
                         "--epochs may be given anew")
    return {**settings, **{name: given[name] for name in ("epochs", "data") if name in given}}

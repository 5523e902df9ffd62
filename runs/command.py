"""The command line of trainer.py: what to run, on which images, and what to say when it cannot."""

import warnings
from pathlib import Path

from runs import options, runfolder
from runs.console import Console, Interrupted, Signals
from runs.run import Run
from runs.runfolder import FolderError


class UsageError(Exception):
    """What was asked cannot be done; a line for the user, exit code 2."""


def main(argv=None):
    """Runs trainer.py's command line. Returns the exit code: 0, 1, 2 or 128 + a signal's number."""
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
    n = len(images.of(settings["digit"]).x)
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
        del images  # 220 MB that the training has no use for
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
        own = images.of(settings["digit"])
        if own.fingerprint != settings["fingerprint"]:
            raise UsageError(
                f"the images are not those of the run (--data, {settings['data']}): it used "
                f"{settings['images']:,} of {settings['data_source']}, these are {len(own.x):,} "
                f"of {own.source}; name the same images with --data")
        run = Run(folder, settings, images, console, signals)
        del images, own  # 220 MB that the training has no use for
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
    """The images of all digits: the quality figures need the others, too."""
    import mnist

    with warnings.catch_warnings():
        warnings.simplefilter("always", mnist.DataWarning)
        warnings.showwarning = lambda message, *_, **__: console.warn(message)
        try:
            return mnist.load("all", settings["data"])
        except mnist.DataPathError as error:
            raise UsageError(error) from None



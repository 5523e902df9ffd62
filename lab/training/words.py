"""The messages of a training."""

import os
import shlex
import sys
from pathlib import Path

from lab import networks
from lab.cli import from_here
from lab.runs import files

HOME = Path(__file__).parents[2]

LOADING = "loading        Chainer, some seconds"
COMPILING = "compiling      once on this machine: half a minute"
NOT_BEGUN = "interrupted before the training began; nothing was lost"
OUT_OF_MEMORY = ("out of memory; close other programs and go on with --resume, or start again with "
                 "a smaller --batch-size")


def not_begun(command):
    return f"interrupted before the first iteration; nothing is lost, go on with: {command}"


def system_error(error: OSError) -> str:
    """Returns the error message for an OSError."""
    where = f" ({error.filename})" if error.filename else ""
    return (f"{error.strerror or error}{where}; mend that, then go on with --resume if the run had "
            "begun")


def description(settings, trainer, folder):
    """Returns the lines that describe a run before it trains. trainer: holds its networks."""
    what = settings.caption
    if settings.digit is None:
        what = (f"{settings.data_source}, {settings.size}x{settings.size} in "
                f"{'colour' if settings.channels == 3 else 'grey'}")
    maps = "-".join(map(str, networks.map_sizes(settings)))
    lines = [
        f"images         {settings.images:,} of {what}",
        f"iterations     {settings.iterations} per epoch, batch {settings.batch_size:,}",
        f"optimiser      Adam, alpha {settings.alpha:g}, beta1 {settings.beta1:g} "
        f"(recipe {settings.recipe})",
        *(["shown          the average of the generator's weights"]
          if settings.weights == "average" else []),
        f"generator      {trainer.gen.count_params():,} parameters, maps {maps}",
        f"discriminator  {trainer.dis.count_params():,} parameters, the mirror",
        f"BLAS           {settings.environment['blas']}"]
    processes = trainer.processes
    if processes.size > 1:
        lines.append(f"processes      {processes.size} on {processes.hosts} "
                     f"host{'s' * (processes.hosts > 1)}, each with its share of every batch")
    if settings.start_from:
        lines.append(f"starts from    {settings.start_from}, epoch {settings.start_epoch}")
    lines.append(f"results        {folder}{'/' if folder.name else ''}")
    if trainer.epoch or trainer.iteration:
        lines.append(f"resumed        after epoch {trainer.epoch}" + (
            f" and {trainer.iteration} iterations" if trainer.iteration else ""))
    return lines


def few(images, recipe, epochs):
    return (f"there are only {images:,} small images: recipe {recipe} and {epochs} epochs, which\n"
            "suit them; --recipe post --epochs 1000 is the post's run")


def progress(loss_gen, loss_dis, rate):
    """Returns texts for the bar, the longest first. rate: images per second."""
    return (f"loss_gen {loss_gen:.3f}, loss_dis {loss_dis:.4f}, {rate:,.0f} images/s",
            f"loss G {loss_gen:.3f} D {loss_dis:.4f}, {rate:,.0f}/s",
            f"loss G {loss_gen:.3f} D {loss_dis:.4f}")


def stopped(folder, epoch, command, options=""):
    """Returns the message after a signal.

    command: the command that goes on; options: what it leaves out, in words.
    """
    lines = f"stopped after epoch {epoch}; nothing is lost, go on with:\n  {command}\n"
    if options:
        lines += f"  ({options})\n"
    if epoch:
        lines += f"or end it there, adding --epochs {epoch}; "
    play = shlex.join([from_here(sys.executable), from_here(HOME / "plot.py"), "play", str(folder)])
    return f"{lines}meanwhile its checkpoint draws:\n  {play}"


def done(epochs, seconds, rate):
    """Returns the last line of a training. epochs: of this call; rate: images per second."""
    return (f"done           {epochs:,} epoch{'s' * (epochs != 1)} in {_duration(seconds)}, "
            f"{rate:,.0f} images/s")


def complete(epochs):
    return f"done           already complete, {epochs:,} epochs; --epochs N adds more"


def results(folder, loss_gen, loss_dis, picture, quality):
    """Returns the lines that say what there is to see. quality: the rows of quality.csv."""
    best = []
    if quality:
        epoch, distance, *_ = min(quality, key=lambda row: row[1])
        best.append(f"best epoch     {epoch}, distance {distance:.3f}, lowest of {len(quality)}: "
                    "plot.py's --epoch best")
    return [
        f"last losses    loss_gen {loss_gen:.4f}, loss_dis {loss_dis:.4f} "
        "(at equilibrium 0.693, 1.386)",
        *best,
        f"pictures       {picture} and those before",
        f"page           {folder / files.PAGE}, to scrub through the epochs",
        f"to draw with   {folder / files.PLAY}, in any browser",
        f"networks       {folder / files.GENERATOR}, {files.AVERAGE}, {files.DISCRIMINATOR}"]


def command_to_resume(folder, starter=()):
    """Returns the command to type in the current folder: make's, if make has started us.

    starter: the words before the program that start several processes.
    """
    flags = shlex.join(["--resume", *([] if str(folder) == "result" else ["--out", str(folder)])])
    if "MAKELEVEL" in os.environ:
        # make -C leaves the shell's own folder in PWD.
        here, there = os.getcwd(), os.environ.get("PWD", os.getcwd())
        elsewhere = [] if os.path.realpath(there) == os.path.realpath(here) else ["-C", here]
        return shlex.join(["make", *elsewhere, "train", "ARGS=" + flags.replace("$", "$$")])
    program = [from_here(sys.executable), from_here(HOME / "trainer.py")]
    return shlex.join([*starter, *program]) + " " + flags


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"

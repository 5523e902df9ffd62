"""A command of plot.py: a function with its words and flags.

@command(...) stands before the function, and commands.py has a row for it. Neither Chainer nor
matplotlib is loaded here or there, so that --help and a bad flag are answered at once.
"""

import argparse
import functools
import inspect
import os
import textwrap
from pathlib import Path

from lab.cli.flags import EPOCH, WEIGHTS, whole


def flag(words, metavar="N", **more):
    """What argparse's add_argument is told of a flag. --help adds the default of its parameter."""
    return {"help": words, "metavar": metavar, **more}


SEED = flag("of the latent vectors z, the first of which are the same for any number",
            type=whole(0, 2**32 - 1))


# Which of the run's networks a command draws with.
NETWORKS = {"weights": {"help": WEIGHTS.words, "choices": WEIGHTS.choices},
            "epoch": {"help": EPOCH.words, "choices": EPOCH.choices}}


def command(file, what, more, example, left=None, **flags):
    """Makes a function of (run, its flags...) a Command.

    file: what it writes in the run's folder; with a parameter out, where --out says. left: the
    patterns of all that it leaves there, if that is not file. what and more: what --help says, in a
    phrase and in sentences. example: a call's arguments. flags: for each further parameter a flag.
    """
    def decorate(function):
        return functools.update_wrapper(Command(function, file, what, more, example,
                                                left or (file,), flags), function)
    return decorate


class Command:
    """A command; called with an opened run and values of its flags, it returns a path."""

    def __init__(self, function, file, what, more, example, left, flags):
        self.function, self.file, self.what, self.more = function, file, what, more
        self.example, self.left, self.flags = example, left, flags
        _, *self.parameters = inspect.signature(function).parameters.values()
        self.has_out = "out" in inspect.signature(function).parameters

    def __call__(self, run, out=None, **given):
        if self.has_out:
            given["out"] = Path(out or run.path(self.file))
        return self.function(run, **given)

    def add_to(self, commands, name):
        """Adds the command to argparse's commands."""
        parser = commands.add_parser(
            name, help=self.what, allow_abbrev=False, argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            description=textwrap.fill(f"{self.what[0].upper()}{self.what[1:]}. {self.more}", 78),
            epilog=f"example:\n  python plot.py {name} {self.example}")
        parser.add_argument("run", metavar="RUN", help="the run's folder, --out of trainer.py")
        for parameter in self.parameters:
            if parameter.name != "out":
                _add_flag(parser, parameter, self.flags[parameter.name])
        if self.has_out:
            suffix = Path(self.file).suffix
            parser.add_argument(
                "--out", type=_new(suffix), metavar="FILE" if suffix else "FOLDER",
                help=f"where {'it goes' if suffix else 'they go'} "
                     f"(default: RUN/{self.file})")


def _add_flag(parser, parameter, settings):
    settings = dict(settings)
    if parameter.default is False:
        del settings["metavar"]
        settings["action"] = "store_true"
    elif parameter.default is not None:
        settings["help"] += f" (default: {parameter.default})"
    parser.add_argument(f"--{parameter.name.replace('_', '-')}", **settings)


def _new(suffix):
    """The type of --out: a file that ends in suffix, or a folder if suffix is empty."""
    def parse(text):
        text = os.path.expanduser(text)
        path = Path(text)
        if not text.endswith(suffix):
            raise argparse.ArgumentTypeError(f"'{text}' does not end in {suffix}")
        if not path.absolute().parent.is_dir():
            raise argparse.ArgumentTypeError(f"'{text}' is in a folder that does not exist")
        if suffix and path.is_dir():
            raise argparse.ArgumentTypeError(f"'{text}' is a folder")
        return text
    return parse

"""What our command lines share: a parser, flags of several commands, types of flags."""

import argparse
import math
import re
import sys
from collections.abc import Callable
from typing import NamedTuple

from lab.cli.version import version


class Choice(NamedTuple):
    """A flag that several commands have."""

    choices: tuple
    words: str  # for --help


# They choose the networks of a run to draw with, or to measure.
WEIGHTS = Choice(("trained", "average"),
                 "the generator's, as they were trained or their average over the last iterations "
                 "(default: what the run's recipe shows)")
EPOCH = Choice(("newest", "best"),
               "the newest, or the best of those measured while training")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one error message, without argparse's usage before it.

    speaks: whether it prints and sets the exit code; another process does so if not. Once a Parser
    exists, stdout and stderr write "?" for a letter that the terminal's encoding lacks.
    """

    speaks = True

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")

    def add_version(self):
        self.add_argument("--version", action=_Version, nargs=0, dest=argparse.SUPPRESS,
                          help="print the version of this project and exit")

    def exit(self, status=0, message=None):
        super().exit(status if self.speaks else 0, message)

    def _print_message(self, message, file=None):
        if self.speaks:
            super()._print_message(message, file)

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} ({self.prog} --help explains the flags)\n")


class _Version(argparse.Action):
    def __call__(self, parser, *_):
        parser._print_message(f"{version()}\n", sys.stdout)
        parser.exit()


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Returns the type of a flag that takes whole numbers from low to high."""
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+", text) or int(text) < low or (
                high is not None and int(text) > high):
            allowed = f"{low} to {high}" if high is not None else f"{low} or more"
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number, {allowed}")
        return int(text)
    return parse


def number(allowed: str, accept: Callable[[float], bool]) -> Callable[[str], float]:
    """Returns the type of a flag that takes finite numbers that accept() accepts.

    allowed: these numbers, in words for the error message.
    """
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and accept(value)):
            raise argparse.ArgumentTypeError(f"'{text}' is not {allowed}")
        return value
    return parse

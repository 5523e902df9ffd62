"""What all our command lines have in common: one line for a bad flag, and types of flags."""

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
    words: str


# Which of a run's networks are drawn with, or measured.
WEIGHTS = Choice(("trained", "average"),
                 "the generator's, as they were trained or their average over the last iterations "
                 "(default: what the run's recipe shows)")
EPOCH = Choice(("newest", "best"),
               "the newest, or the best of those measured while training")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where argparse prints the usage first.

    One that does not speak leaves words and exit code to another process. From its construction on,
    stdout and stderr write "?" for a letter that the terminal's encoding lacks.
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
    """The type of a flag that takes whole numbers from low to high."""
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+", text) or int(text) < low or (
                high is not None and int(text) > high):
            allowed = f"{low} to {high}" if high is not None else f"{low} or more"
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number, {allowed}")
        return int(text)
    return parse


def number(allowed: str, accept: Callable[[float], bool]) -> Callable[[str], float]:
    """The type of a flag that takes finite numbers for which accept says yes; allowed in words."""
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and accept(value)):
            raise argparse.ArgumentTypeError(f"'{text}' is not {allowed}")
        return value
    return parse

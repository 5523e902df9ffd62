"""How good the samples of a run are.

    python quality.py result

Every figure (lab/judge/figures.py) compares samples with real images of the run's own data, so the
table has two reference rows: real images that the judge holds out (the ceiling), and the untrained
generator, epoch 0 (the floor).
"""

from lab import cli  # noqa: F401, I001 (first: it names a missing package)

import argparse
import sys

from lab.cli.console import Console
from lab.cli.flags import EPOCH, WEIGHTS, Parser
from lab.images.errors import DataError, DataWarning
from lab.runs.files import FolderError
from lab.runs.opened import open_run


def main(argv=None):
    """Runs the command line. Returns the exit code: 0, 1, or 130; a bad flag exits with 2."""
    parser = Parser(
        prog="quality.py", allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Says how good the samples of a run are, and which of its epochs was best: of\n"
                    "those that trainer.py has measured (--quality-every), and the newest.",
        epilog="example:\n  python quality.py result    the run that trainer.py has left there\n")
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("--data", metavar="WHERE",
                        help="the run's images, if they are not where they were (as --data of "
                             "trainer.py)")
    parser.add_argument("--weights", choices=WEIGHTS.choices, help=WEIGHTS.words)
    parser.add_argument("--epoch", choices=EPOCH.choices, default="newest",
                        help=f"{EPOCH.words} (default: newest)")
    given = parser.parse_args(argv)
    # Loads Chainer and scikit-learn, which --help does not wait for.
    from lab.judge import measured  # noqa: PLC0415

    console = Console(parser.prog)
    try:
        with console.hearing(DataWarning):
            run = open_run(given.run)
            judge, rows = measured.measure_run(run, given.data, given.weights,
                                               given.epoch)
    except (FolderError, DataError, ValueError) as error:
        console.error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    for line in measured.format_table(judge, rows, "start" if run.settings.start_from else "floor"):
        console.say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The picture after each epoch, and more pictures of a run by command.

    python plot.py samples result --n 25 --seed 3

lab/look/commands.py has the others; --help explains them.
"""

from lab import cli  # noqa: F401, I001 (first: it names the environment that is missing)

import sys
import warnings

from chainer_cpu import SettingError
from lab.cli.console import Console
from lab.cli.flags import Parser
from lab.images.errors import DataError, DataWarning
from lab.look.commands import COMMANDS
from lab.look.tiles import draw_tiles, real_labels, save_png
from lab.runs.files import FolderError
from lab.runs.opened import open_run


def sample_grid(images, probabilities, path=None, title="", display_range=None):
    """Draws images as a grid of tiles, above each "real 0.312". Returns a Pillow image.

    images: float (n, 1, h, w), drawn in grey, or (n, 3, h, w), drawn in colour; values unbounded.
    The grid is nearly square: nine images are 3x3. As in the post, each pixel of an image is a
    square (nearest-neighbour), and every image has a scale of its own, its lowest value black and
    its highest white (in colour, but for a hundredth of its values). The post's "black and white
    are more distinct at 1000 than at 500" is seen on that scale: overshoot leaves the background
    grey. Cut to [0, 1], it would not show.
    probabilities: n of them, or None for no text.
    display_range: the two values that are black and white in every image, instead of scales of
    their own.
    path: of a PNG, if it is to be written. The same arguments give the same bytes. It is written
    whole or not at all: OSError leaves an older picture as it was.
    """
    labels = real_labels(probabilities)
    picture = draw_tiles(images, labels, title, display_range=display_range)
    if path is not None:
        save_png(picture, path)
    return picture


def _parse(argv):
    """Returns the command and its arguments, a dict. Exits with 2 on a bad one."""
    if argv[:1] == ["samples"] and "--single" in argv:  # the old name of singles
        argv = ["singles", *(word for word in argv[1:] if word != "--single")]
    parser = Parser(
        prog="plot.py", allow_abbrev=False,
        description="Pictures of a run that trainer.py has made or is making.",
        epilog="plot.py COMMAND --help explains a command and shows an example.")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND",
                                     required=True)
    for name, command in COMMANDS.items():
        command.add_to(commands, name)
    arguments = vars(parser.parse_args(argv))
    return COMMANDS[arguments.pop("command")], arguments


def main(argv=None):
    """Runs the command line. Returns the exit code: 0, 1, 2 or 130."""
    command, arguments = _parse(sys.argv[1:] if argv is None else list(argv))
    console = Console("plot.py")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with console.hearing(DataWarning):
                run = open_run(arguments.pop("run"))
                console.say(str(command(run, **arguments)))
        return 0
    except (FolderError, DataError, SettingError) as error:
        console.error(error)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        console.error(f"{error.strerror or error}{where}; mend that or choose another --out")
    except KeyboardInterrupt:
        console.error("interrupted; what was there before is unchanged")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())

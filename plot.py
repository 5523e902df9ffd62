"""The picture after each epoch, and more pictures of a run by command.

    python plot.py samples result --n 25 --seed 3

and losses, animate, strip, walk, nearest, page, play; --help explains them.
"""

from lab import cli  # noqa: F401, I001 (first: it says in a line which environment is missing)

import argparse
import sys
import textwrap
import warnings
from pathlib import Path

from lab.cli.console import Console
from lab.cli.flags import Parser, whole
from lab.images.errors import DataError, DataWarning
from lab.look.tiles import draw_tiles, real_labels, save_png
from lab.runs.files import FolderError


def sample_grid(images, prob_real, path, title="", shown=None):
    """Writes images as a grid of tiles, above each "real 0.312", as a PNG.

    images: float (n, 1, h, w), drawn in grey, or (n, 3, h, w), drawn in colour; values unbounded.
    The grid is nearly square: nine images are 3x3. As in the post, each pixel of an image is a
    square (nearest-neighbour), and every image has a scale of its own, its lowest value black and
    its highest white (in colour, but for a hundredth of its values). The post's "black and white
    are more distinct at 1000 than at 500" is seen on that scale: overshoot leaves the background
    grey. Cut to [0, 1], it would not show.
    prob_real: n probabilities, or None for no text.
    shown: the two values that are black and white in every image, instead of scales of their own.
    path: of the PNG. The same arguments give the same bytes. It is written whole or not at all:
    OSError leaves an older picture as it was.
    """
    save_png(draw_tiles(images, real_labels(prob_real), title, shown=shown), path)


def _parse(argv):
    """Returns the name of the command and its arguments, a dict. Exits with 2 on a bad one."""
    parser = Parser(
        prog="plot.py", allow_abbrev=False,
        description="Pictures of a run that trainer.py has made or is making.",
        epilog="plot.py COMMAND --help explains a command and shows an example.")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND",
                                     required=True)

    def command(name, what, more, example):
        """Adds a command; returns the function that adds a flag to it."""
        sub = commands.add_parser(
            name, help=what, allow_abbrev=False, argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            description=textwrap.fill(f"{what[0].upper()}{what[1:]}. {more}", 78),
            epilog=f"example:\n  python plot.py {name} {example}")
        sub.add_argument("run", metavar="RUN", help="the run's folder, --out of trainer.py")
        return sub.add_argument

    def add_out(add, name):
        add("--out", type=_new_file(Path(name).suffix), metavar="FILE",
            help=f"where the picture goes (default: RUN/{name})")

    def add_seed(add):
        add("--seed", type=whole(0, 2**32 - 1), metavar="N",
            help="of the latent vectors z, the first of which are the same for any number "
                 "(default: 0)")

    add = command(
        "samples", "images from the run's generator, as many as you like",
        "Batch normalization runs on its running averages, so an image does not depend on the "
        'others drawn with it. Above each stands the discriminator\'s probability of "real", '
        "judged as in training by batch statistics, here always those of the same 256 generated "
        "images, so that it too depends on the image alone. (In the pictures after each "
        "epoch they are those of the nine images.) While the run is not finished, its newest "
        "checkpoint is used.",
        "result --n 25 --seed 3 --sort-by-real")
    add("--n", type=whole(1, 5000), metavar="N", help="how many (default: 25)")
    add_seed(add)
    add("--sort-by-real", action="store_true", help="those of the highest probability first")
    add("--single", action="store_true",
        help="instead of a grid a PNG for each image, pixel by pixel, in the folder --out")
    add("--out", type=_new_file(""), metavar="FILE",
        help="where the picture goes (default: RUN/samples.png; with --single the folder "
             "RUN/samples)")

    add = command(
        "losses", "both losses and the discriminator's probabilities over the epochs",
        "Losses are means per iteration, on a logarithmic scale. Dashed: the values at "
        "equilibrium, ln 2 = 0.693 for the generator, 2 ln 2 = 1.386 for the discriminator, "
        "probability 0.5. From 100 epochs on, a running median stands before the single epochs.",
        "result")
    add_out(add, "losses.png")

    add = command(
        "animate", "a GIF of the pictures after each epoch",
        "At most 10 MB by default, however long the run: a few pictures less, evenly chosen, "
        "in a few greys or colours.",
        "result --fps 20 --every 10")
    add("--fps", type=whole(1, 50), metavar="N", help="pictures per second (default: 15)")
    add("--every", type=whole(1), metavar="N",
        help="take those whose epoch is a multiple of N; the size then has no limit")
    add_out(add, "animation.gif")

    add = command(
        "strip", "the pictures of a few epochs side by side",
        "Made for a README.",
        "result --epochs 1,100,500,1000")
    add("--epochs", type=_epochs, metavar="N,N,...",
        help="which (default: 1,100,500,1000 as in the post; in a shorter run the nearest to the "
             "same shares of it)")
    add_out(add, "strip.png")

    add = command(
        "walk", "walks from one latent vector z to the next, in images",
        "Three walks, two rows each: straight, where z gets shorter on the way than those of the "
        "training, and along a great circle, where it keeps its length.",
        "result --seed 3 --steps 9")
    add_seed(add)
    add("--steps", type=whole(2, 50), metavar="N", help="images in a row (default: 9)")
    add_out(add, "walk.png")

    add = command(
        "nearest", "samples, each beside the training image nearest to it",
        "The distance is Euclidean, between images of mean 0 and norm 1, so brightness and "
        "contrast do not count; the smallest come first. Copies of training images have distances "
        "near 0; compare those from one training image to the next, in the title (median).",
        "result --n 12 --seed 3")
    add("--n", type=whole(1, 1000), metavar="N", help="how many (default: 12)")
    add_seed(add)
    add("--data", metavar="WHERE",
        help="the run's images, if they are not where they were (as --data of trainer.py)")
    add_out(add, "nearest.png")

    command(
        "page", "a page to look at the run, RUN/index.html",
        "It opens in any browser, without a server or a network, and while the run goes on it "
        "takes in new epochs by itself. trainer.py writes it too.",
        "result")

    command(
        "play", "a page that draws with the run's generator, RUN/play.html",
        "One file, with the networks in it, for any browser, without a server or a network: nine "
        "images of any seed, the same as those of samples, variations of one, the way from one to "
        "another, and each to be saved. While the run is not finished, its newest checkpoint is "
        "used. trainer.py writes it at the end.",
        "result")

    arguments = vars(parser.parse_args(argv))
    if arguments["command"] == "samples" and "single" not in arguments:
        out = arguments.get("out", ".png")
        if not out.endswith(".png"):
            parser.error(f"argument --out: '{out}' does not end in .png")
    return arguments.pop("command"), arguments


def _new_file(suffix):
    def parse(text):
        path = Path(text)
        if not text.endswith(suffix):
            raise argparse.ArgumentTypeError(f"'{text}' does not end in {suffix}")
        if not path.absolute().parent.is_dir():
            raise argparse.ArgumentTypeError(f"'{text}' is in a folder that does not exist")
        if suffix and path.is_dir():
            raise argparse.ArgumentTypeError(f"'{text}' is a folder")
        return text
    return parse


def _epochs(text):
    return [whole(0)(part.strip()) for part in text.split(",")]


def main(argv=None):
    """Runs the command line. Returns the exit code: 0, 1, 2 or 130."""
    command, arguments = _parse(argv)
    # Loads Chainer and matplotlib, which --help does not wait for.
    from lab.look import curves, film, generated, page, play  # noqa: PLC0415
    from lab.runs.opened import open_run  # noqa: PLC0415

    draw = {"samples": generated.samples, "losses": curves.losses, "animate": film.animate,
            "strip": film.strip, "walk": generated.walk, "nearest": generated.nearest,
            "page": page.write, "play": play.write}[command]
    console = Console("plot.py")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with console.hearing(DataWarning):
                run = open_run(arguments.pop("run"))
                console.say(str(draw(run, **arguments)))
        return 0
    except (FolderError, DataError) as error:
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

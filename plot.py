"""Pictures of a run: the one after each epoch, and more by command.

    python plot.py samples result --n 25 --seed 3

and losses, animate, strip, walk, nearest, page; --help explains them.
"""

import argparse
import io
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from look import generated, page
from look.tiles import MARGIN, TITLE, draw_title, sample_grid, save_png  # noqa: F401 (for trainer.py)
from mnist import DataError, DataWarning
from runs import options, saved
from runs.console import Console
from runs.runfolder import FolderError, replace_file

LN2 = float(np.log(2))
POST_EPOCHS = (1, 100, 500, 1000)

# A frame of noise, the worst case, takes 50 KB in 16 greys.
MOST_FRAMES = 190
GREYS = 16


def losses(run, out=None):
    """Draws both losses and D's mean probabilities over the epochs. Returns the picture's path."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    caption = saved.caption(saved.read_settings(run))
    table = saved.read_losses(run)
    epoch = table["epoch"]
    figure = Figure(figsize=(9, 7), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    above.set_title(caption, loc="left", fontsize=11)
    for axes, name, color, label in (
            (above, "loss_gen", "C0", "generator"), (above, "loss_dis", "C1", "discriminator"),
            (below, "prob_generated", "C0", "generated images"),
            (below, "prob_real", "C1", "real images")):
        value = table[name]
        if len(epoch) > 100:  # single epochs in the background, their trend before it
            axes.plot(epoch, value, color=color, alpha=0.25, linewidth=0.8)
            value = running_median(value, len(epoch) // 40 * 2 + 1)
        axes.plot(epoch, value, color=color, label=label, linewidth=1.6,
                  marker="o" if len(epoch) <= 30 else "", markersize=4)
    for axes, balance, color, text in (
            (above, LN2, "C0", "ln 2 = 0.693"), (above, 2 * LN2, "C1", "2 ln 2 = 1.386"),
            (below, 0.5, "0.4", "0.5")):
        axes.axhline(balance, color=color, linestyle="--", linewidth=1)
        axes.annotate(text, (1, balance), (4, 0), xycoords=("axes fraction", "data"), color=color,
                      textcoords="offset points", va="center", fontsize=9, annotation_clip=False)
    above.set(yscale="log", ylabel="loss, mean per iteration")
    below.set(ylim=(-0.03, 1.03), ylabel='D\'s mean probability\nof "real"',
              xlabel="epoch (dashed: the values at equilibrium)")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=10)
    path = Path(out or Path(run) / "losses.png")
    replace_file(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))
    return path


def running_median(values, width):
    """Over width values around each, width odd; over the fewer that there are at the ends."""
    half = width // 2
    padded = np.pad(values, half, constant_values=np.nan)
    return np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)


def animate(run, fps=15, every=None, out=None):
    """Makes a GIF of the run's pictures, every so many epochs. Returns its path.

    Without every it is below 10 MB: at most MOST_FRAMES pictures, evenly chosen, in GREYS greys.
    The last one stays for two seconds.
    """
    found = saved.pictures(run)
    epochs = list(found)
    if every is None:
        chosen = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), MOST_FRAMES)).round())
        epochs = [epochs[int(i)] for i in chosen]
    else:
        epochs = [epoch for epoch in epochs if epoch % every == 0 or epoch == epochs[-1]]
    path = Path(out or Path(run) / "animation.gif")
    with Console("plot.py").bar(len(epochs), 0, "picture") as bar:
        def frames():
            for i, epoch in enumerate(epochs):
                yield _few_colors(_open(found[epoch]))
                bar.set_description_str(f"picture {i + 1}/{len(epochs)}", refresh=False)
                bar.update()

        rest = frames()
        first = next(rest)
        duration = [round(100 / fps) * 10] * (len(epochs) - 1) + [2000]
        gif = io.BytesIO()
        first.save(gif, "GIF", save_all=True, append_images=rest, duration=duration, loop=0)
    replace_file(path, lambda file: file.write(gif.getbuffer()))
    return path


def _few_colors(picture):
    if picture.mode == "L":
        step = 255 / (GREYS - 1)
        return picture.point([round(round(v / step) * step) for v in range(256)])
    return picture.quantize(64)


def strip(run, epochs=None, out=None):
    """Puts the pictures of a few epochs side by side. Returns the path of the picture.

    Without epochs, the post's: 1, 100, 500 and 1000; in a shorter run those that are nearest to the
    same shares of it.
    """
    found = saved.pictures(run)
    if epochs is None:
        last = max(found)
        wanted = POST_EPOCHS if set(POST_EPOCHS) <= set(found) else (1, last / 10, last / 2, last)
        epochs = sorted({min(found, key=lambda epoch: abs(epoch - want)) for want in wanted})
    for epoch in epochs:
        if epoch not in found:
            raise FolderError(f"the run has no picture of that epoch (--epochs, {epoch}); it has "
                              f"{len(found)} from {min(found)} to {max(found)}")
    tiles = [_open(found[epoch]) for epoch in epochs]
    width, height = tiles[0].size
    # In a README the strip is shrunk to a third: the epoch in letters that survive it.
    top, head = MARGIN + TITLE, 72
    picture = Image.new(tiles[0].mode, (width * len(tiles), height - top + head), "white")
    for i, (epoch, tile) in enumerate(zip(epochs, tiles)):
        heading = Image.new(tile.mode, (width, head), "white")
        draw_title(ImageDraw.Draw(heading), f"epoch {epoch}", width, size=44, baseline=44)
        picture.paste(heading, (i * width, 0))
        picture.paste(tile.crop((0, top, width, height)), (i * width, head))
    path = Path(out or Path(run) / "strip.png")
    save_png(picture, path)
    return path


def _open(path):
    try:
        with Image.open(path) as picture:
            picture.load()
        return picture
    except (OSError, SyntaxError) as error:
        raise FolderError(f"the picture cannot be read ({path}, {error}); remove it") from None


def _parse(argv):
    """Returns the function of the command and its arguments, a dict. Exits with 2 on a bad one."""
    parser = options.Parser(
        prog="plot.py", allow_abbrev=False,
        description="Pictures of a run that trainer.py has made or is making.",
        epilog="plot.py COMMAND --help explains a command and shows an example.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name, function, what, more, example):
        """Adds a command; returns the function that adds a flag to it."""
        sub = commands.add_parser(
            name, help=what, allow_abbrev=False, argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            description=textwrap.fill(f"{what[0].upper()}{what[1:]}. {more}", 78),
            epilog=f"example:\n  python plot.py {name} {example}")
        sub.set_defaults(function=function)
        sub.add_argument("run", metavar="RUN", help="the run's folder, --out of trainer.py")
        return sub.add_argument

    def add_out(add, name):
        add("--out", type=_new_file(Path(name).suffix), metavar="FILE",
            help=f"where the picture goes (default: RUN/{name})")

    def add_seed(add):
        add("--seed", type=options.whole(0, 2**32 - 1), metavar="N",
            help="of the latent vectors z, the first of which are the same for any number "
                 "(default: 0)")

    add = command(
        "samples", generated.samples, "images from the run's generator, as many as you like",
        "Batch normalization runs on its running averages, so an image does not depend on the "
        'others drawn with it. Above each stands the discriminator\'s probability of "real", '
        "judged as in training by batch statistics, here always those of the same 256 generated "
        "images, so that it too depends on the image alone. (In the pictures after each "
        "epoch they are those of the nine images.) While the run is not finished, its newest "
        "checkpoint is used.",
        "result --n 25 --seed 3 --sort-by-real")
    add("--n", type=options.whole(1, 5000), metavar="N", help="how many (default: 25)")
    add_seed(add)
    add("--sort-by-real", action="store_true", help="those of the highest probability first")
    add("--single", action="store_true",
        help="instead of a grid a PNG of 28x28 pixels for each image, in the folder --out")
    add("--out", type=_new_file(""), metavar="FILE",
        help="where the picture goes (default: RUN/samples.png; with --single the folder "
             "RUN/samples)")

    add = command(
        "losses", losses, "both losses and the discriminator's probabilities over the epochs",
        "Losses are means per iteration, on a logarithmic scale. Dashed: the values at "
        "equilibrium, ln 2 = 0.693 for the generator, 2 ln 2 = 1.386 for the discriminator, "
        "probability 0.5. From 100 epochs on, a running median stands before the single epochs.",
        "result")
    add_out(add, "losses.png")

    add = command(
        "animate", animate, "a GIF of the pictures after each epoch",
        f"At most 10 MB by default, however long the run: {MOST_FRAMES} pictures, evenly chosen, "
        f"in {GREYS} greys.",
        "result --fps 20 --every 10")
    add("--fps", type=options.whole(1, 50), metavar="N", help="pictures per second (default: 15)")
    add("--every", type=options.whole(1), metavar="N",
        help="take those whose epoch is a multiple of N; the size then has no limit")
    add_out(add, "animation.gif")

    add = command(
        "strip", strip, "the pictures of a few epochs side by side",
        "Made for a README.",
        "result --epochs 1,100,500,1000")
    add("--epochs", type=_epochs, metavar="N,N,...",
        help="which (default: 1,100,500,1000 as in the post; in a shorter run the nearest to the "
             "same shares of it)")
    add_out(add, "strip.png")

    add = command(
        "walk", generated.walk, "walks from one latent vector z to the next, in images",
        "Three walks, two rows each: straight, where z gets shorter on the way than those of the "
        "training, and along a great circle, where it keeps its length.",
        "result --seed 3 --steps 9")
    add_seed(add)
    add("--steps", type=options.whole(2, 50), metavar="N", help="images in a row (default: 9)")
    add_out(add, "walk.png")

    add = command(
        "nearest", generated.nearest, "samples, each beside the training image nearest to it",
        "The distance is Euclidean, between images of mean 0 and norm 1, so brightness and "
        "contrast do not count; the smallest come first. Copies of training images have distances "
        "near 0; compare those from one training image to the next, in the title (median).",
        "result --n 12 --seed 3")
    add("--n", type=options.whole(1, 1000), metavar="N", help="how many (default: 12)")
    add_seed(add)
    add("--data", metavar="WHERE",
        help="the run's images, if they are not where they were (as --data of trainer.py)")
    add_out(add, "nearest.png")

    command(
        "page", page.write, "a page to look at the run, RUN/index.html",
        "It opens in any browser, without a server or a network. trainer.py writes it too.",
        "result")

    arguments = vars(parser.parse_args(argv))
    if arguments.get("function") is generated.samples and "single" not in arguments:
        out = arguments.get("out", ".png")
        if not out.endswith(".png"):
            parser.error(f"argument --out: '{out}' does not end in .png")
    return arguments.pop("function"), arguments


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
    return [options.whole(0)(part.strip()) for part in text.split(",")]


def main(argv=None):
    """Runs the command line. Returns the exit code: 0, 1, 2 or 130."""
    function, arguments = _parse(argv)
    console = Console("plot.py")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = lambda message, *_, **__: console.warn(message)
            console.say(str(function(**arguments)))
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

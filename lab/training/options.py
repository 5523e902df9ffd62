"""The flags of trainer.py: names, allowed values, defaults, help."""

import argparse
import re

from lab import networks
from lab.cli.flags import EPOCH, Parser, number, whole
from lab.images import source
from lab.runs.settings import DEFAULTS
from lab.training import processes

# post: Chainer's defaults of Adam, which the post's author used. paper: Radford et al. 2015,
# section 4. steady: the best figures at equal numbers of images (docs/decisions.md).
RECIPES: dict[str, dict] = {
    "post": {"alpha": 0.001, "beta1": 0.9, "order": "generator-first", "real_label": 1.0,
             "blur": 0.0, "weights": "trained"},
    "paper": {"alpha": 0.0002, "beta1": 0.5, "order": "generator-first", "real_label": 1.0,
              "blur": 0.0, "weights": "trained"},
    "steady": {"alpha": 0.0002, "beta1": 0.5, "order": "discriminator-first", "real_label": 0.9,
               "blur": 0.1, "weights": "average", "batch_size": 64},
}
MAPS = [maps for row in networks.TABLE.values() for maps in row.maps]
# For a folder of pictures; docs/decisions.md has the figures of both recipes.
PICTURES = {"digit": None, "recipe": "steady"}
# For the 180 small images of a digit that replace MNIST where it cannot be had: these epochs give
# plain zeros in a minute or two, the post's run gives broken shapes.
FEW = {"recipe": "steady", "epochs": 400}


def _digit(text):
    if text == "all":
        return text
    if not re.fullmatch(r"[0-9]", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a digit, 0 to 9, or all")
    return int(text)


def _size(text):
    sizes = [str(size) for size in sorted(networks.SIZES)]
    if text not in sizes:
        raise argparse.ArgumentTypeError(f"'{text}' is not {in_words(sizes, 'or')}")
    return int(text)


def in_words(values, last):
    *others, end = map(str, values)
    return f"{', '.join(others)} {last} {end}" if others else end


def parse(argv: list[str] | None) -> dict:
    """Returns the flags in argv as a dict, without those not given. Exits with 2 on a bad one."""
    parser = Parser(
        prog="trainer.py", allow_abbrev=False, argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Trains the DCGAN of the post \"DCGANをChainerで実装\" on MNIST or on\n"
                    "pictures of your own, on the CPU, and writes a picture after every epoch.",
        epilog="examples:\n"
               "  python trainer.py --digit 0 --epochs 1000     the post's run\n"
               "  python trainer.py --recipe steady --epochs 20 zeros in minutes\n"
               "  python trainer.py --data my-pictures          pictures of your own\n"
               "  python trainer.py --resume                    go on after an interruption\n")
    parser.speaks = processes.is_first()
    parser.add_version()
    post, paper = RECIPES["post"], RECIPES["paper"]

    def by_recipe(name):
        return f"(default: {post[name]}; {paper[name]} with recipes paper and steady)"

    add = parser.add_argument_group("what to learn").add_argument
    add("--digit", type=_digit, metavar="D",
        help="the digit to learn, 0 to 9, or all (default: 0); not with pictures, where a "
             "sub-folder is a class: name it")
    add("--data", metavar="WHERE",
        help=f"where images come from: {source.words()} (default: auto)")
    add("--size", type=_size, metavar="N",
        help="width and height of pictures: " + ", ".join(
            f"{in_words(sizes, 'and')} {'have' if sizes[1:] else 'has'} {row.label}"
            for name, row in networks.TABLE.items()
            if (sizes := [size for size in row.sizes if networks.SIZES[size] == name])
            ) + "; time grows with the square (default: 28)")

    add = parser.add_argument_group("how to learn").add_argument
    add("--epochs", type=whole(1), metavar="N",
        help="passes over the images (default: 1000)")
    add("--batch-size", type=whole(2), metavar="N",
        help="images per iteration (default: 100, 64 with recipe steady, or all images if there "
             "are fewer); the author's last script has 1000")
    add("--recipe", choices=RECIPES,
        help="post: Adam's settings in the post's code; paper: those of the DCGAN paper, better "
             "pictures sooner; steady: the best pictures soonest, by the paper's Adam, D that "
             "moves before G and never is too sure, and an average of the generator's weights. "
             "--alpha, --beta1 and --batch-size win over it "
             "(default: post; with pictures steady)")
    add("--start-from", metavar="RUN",
        help="begin with the networks of another run, and with their size and z; data, recipe and "
             "seed may be others (default: networks that know nothing, from the seed)")
    add("--epoch", choices=EPOCH.choices,
        help=f"of that run: {EPOCH.words} (default: newest)")
    add("--alpha", type=number("a number above 0", lambda x: x > 0), metavar="X",
        help=f"Adam's step size {by_recipe('alpha')}")
    add("--beta1", type=number("a number from 0 to below 1", lambda x: 0 <= x < 1), metavar="X",
        help=f"Adam's decay rate of the mean gradient {by_recipe('beta1')}")
    add("--z-dim", type=whole(1, 10_000), metavar="N",
        help="length of the latent vector z (default: 100)")
    add("--maps", dest="sizes", choices=MAPS,
        help="at 28x28, the maps' sizes: as the post's listing computes them, 3-4-6-10-28, or as "
             "its comments say, 3-4-5-10-28 (default: listing); at other sizes, how many maps "
             "there are at first: 256, or 512 as in the post, at least twice as slow (default: "
             "256)")
    add("--sizes", choices=MAPS, help=argparse.SUPPRESS)  # its earlier name
    add("--seed", type=whole(0, 2**32 - 1), metavar="N",
        help="the same seed gives the same run (default: 0)")

    add = parser.add_argument_group("what to keep").add_argument
    add("--out", metavar="FOLDER",
        help="folder for the results (default: result)")
    add("--picture-every", type=whole(1), metavar="N",
        help="epochs from picture to picture (default: 1)")
    add("--quality-every", type=whole(0), metavar="N",
        help="epochs from one measurement of the samples' quality to the next; 0 for none "
             "(default: 10)")
    add("--checkpoint-every", type=whole(1), metavar="N",
        help="epochs from checkpoint to checkpoint; one is also written at the end and when the "
             "run is interrupted (default: 10)")
    add("--snapshots", action=argparse.BooleanOptionalAction,
        help="whether the generator is kept after epochs 1, 2, 5, 10, 20, 50 ..., for the page "
             "that draws; at most 25 MB in all (default: yes)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--overwrite", action="store_true",
                       help="discard the run that FOLDER holds")
    group.add_argument("--resume", action="store_true",
                       help="go on with the run in FOLDER, with its settings; only --epochs may be "
                            "given anew: more of them, or fewer, down to those done, to end the "
                            "run there")
    given = vars(parser.parse_args(argv))
    if "epoch" in given and "start_from" not in given:
        parser.error(f"argument --epoch: '{given['epoch']}' of which run? name it with "
                     "--start-from; the number of epochs is --epochs")
    return given


def complete(given: dict, pictures: bool = False) -> dict:
    """Returns the settings of a new run: the flags given, else the recipe's, else the defaults.

    pictures: whether the images are pictures, whose defaults are others.
    """
    defaults = {**DEFAULTS, **PICTURES} if pictures else DEFAULTS
    recipe = RECIPES[given.get("recipe", defaults["recipe"])]
    own = networks.TABLE[networks.named(given.get("size", defaults["size"]))]
    defaults = {**defaults, **recipe, "sizes": own.maps[0], "blur": recipe["blur"] * own.blurs}
    return {**defaults, **{key: value for key, value in given.items() if key in defaults}}

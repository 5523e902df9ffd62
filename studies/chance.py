"""How likely is the post's picture, of which its author wrote "about 0.3"? Tries candidates.

    python -m studies.chance train chance/batch100-0 --candidate batch100 --seed 0 --data PATH
    python -m studies.chance tell chance/*

train draws nine images after every epoch as the author did (a new z each time, the generator in
test mode, the discriminator in training mode) and writes D's nine probabilities of "real" to
probabilities.csv. Called again, it goes on from its last checkpoint. It writes the pictures of the
post's epochs, and each with a probability of 0.25 or more. tell prints, per folder, in how many
epochs one of nine reaches 0.25, in all and in the last third, and how long such times last.
"""

import itertools
import sys
from pathlib import Path

import numpy as np

import dcgan
import plot
from lab.cli.console import Console
from lab.cli.flags import Parser, whole
from lab.images import source
from lab.images.errors import DataError
from lab.runs import checkpoint, files, opened
from trainer import Trainer

# (batch size, initial weights as before Chainer 1.9). All have Chainer's defaults of Adam.
CANDIDATES = {
    "batch1000": (1000, False),    # the author's main script of 17 November 2016
    "batch100": (100, False),      # that of 11 November
    "chainer1.8": (1000, True),    # a Chainer older than May 2016
    "chainer1.8-100": (100, True),  # both changes at once
}
POST_EPOCHS = (1, 100, 500, 1000)
NOTABLE = 0.25
COLUMNS = ("epoch", "loss_gen", "loss_dis", *(f"prob{i}" for i in range(1, 10)))


def networks(old_weights):
    """Builds the post's networks.

    old_weights: initial weights as before Chainer 1.9, scaled by the number of input maps of a
    deconvolution, not of output maps.
    """
    gen, dis = dcgan.Generator(), dcgan.Discriminator()
    if old_weights:
        for layer in (gen.dc1, gen.dc2, gen.dc3, gen.dc4):
            maps_in, maps_out = layer.W.shape[:2]
            layer.W.array *= np.sqrt(maps_out / maps_in)
    return gen, dis


def generate(trainer, seed):
    """Returns nine images of new z's, and D's probabilities. Uses a random stream of its own."""
    stream = np.random.RandomState([seed, trainer.epoch])
    z = stream.uniform(-1, 1, (9, trainer.gen.z_dim)).astype(np.float32)
    images = dcgan.generate(trainer.gen, z)
    return images, dcgan.probability_of_real(trainer.dis, images)


def train(folder, candidate, seed, epochs, data):
    batch, old_weights = CANDIDATES[candidate]
    X = source.load(data).of(0).x
    np.random.seed(seed)
    trainer, rows = Trainer(*networks(old_weights)), []
    folder.mkdir(parents=True, exist_ok=True)
    console = Console("chance.py")
    if checkpoint.paths(folder):
        arrays, meta = checkpoint.read_newest(folder, console.warn)
        if meta != {**meta, "candidate": candidate, "seed": seed}:
            raise files.FolderError(f"the folder holds another course ({folder}); choose another")
        rows = [(int(row[0]), *row[1:].tolist()) for row in arrays.pop("rows")]
        trainer.load_state(arrays)
    files.write_table(folder / "probabilities.csv", COLUMNS, rows)
    with console.bar(epochs, trainer.epoch, "epoch") as bar:
        for means in trainer.steps(X, epochs, min(batch, len(X))):
            if means is None:
                continue
            images, prob = generate(trainer, seed)
            rows.append((trainer.epoch, *means[:2], *prob.tolist()))
            files.append_row(folder / "probabilities.csv", rows[-1])
            if trainer.epoch in POST_EPOCHS or prob.max() >= NOTABLE:
                plot.sample_grid(images, prob, files.picture(folder, trainer.epoch),
                                 title=f"epoch {trainer.epoch}, {candidate}, seed {seed}")
            if trainer.epoch % 10 == 0 or trainer.epoch == epochs:
                checkpoint.write(folder, trainer.epoch, {**trainer.state(), "rows": np.array(rows)},
                                 {"candidate": candidate, "seed": seed, "epoch": trainer.epoch,
                                  "iteration": trainer.iteration})
            bar.details = (f"highest probability {prob.max():.3f}",)
            bar.set_description_str(f"epoch {trainer.epoch}/{epochs}", refresh=False)
            bar.update()


def tell(folder):
    """Returns the folder's row of the report's table."""
    table = opened.read_table(folder / "probabilities.csv")
    highest = np.max([table[f"prob{i}"] for i in range(1, 10)], axis=0)
    late = table["epoch"] > table["epoch"].max() * 2 / 3
    seen = highest >= NOTABLE
    lasted = [len(list(times)) for there, times in itertools.groupby(seen) if there]
    return (f"| {folder.name} | {seen.sum()} of {len(seen)} | {seen[late].sum()} of {late.sum()} | "
            f"{np.mean(lasted) if lasted else 0:.1f}, {max(lasted, default=0)} | "
            f"{highest[late].max():.3f} |")


def main(argv=None):
    parser = Parser(prog="chance.py", allow_abbrev=False, description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sub = commands.add_parser("train", help="one candidate, one seed", allow_abbrev=False)
    sub.add_argument("folder", type=Path, metavar="FOLDER")
    sub.add_argument("--candidate", choices=CANDIDATES, default="batch1000",
                     help="(default: batch1000)")
    sub.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, help="(default: 0)")
    sub.add_argument("--epochs", type=whole(1), default=600, help="(default: 600)")
    sub.add_argument("--data", default="auto", help="as --data of trainer.py (default: auto)")
    sub = commands.add_parser("tell", help="what was seen, as a table", allow_abbrev=False)
    sub.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    given = vars(parser.parse_args(argv))
    try:
        if given.pop("command") == "train":
            train(**given)
        else:
            print(f"| course | epochs with one of nine at {NOTABLE} or more | of the last third | "
                  "in a row: mean, most | highest in the last third |\n|---|---|---|---|---|")
            print("\n".join(map(tell, given["folders"])))
    except (files.FolderError, DataError, checkpoint.CheckpointError) as error:
        print(f"chance.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How soon are the pictures good? Times our recipe steady beside PyTorch's DCGAN example.

    python -m studies.time_to_picture train times/32 --data PATH --size 32
    python -m studies.time_to_picture train times/32 --data PATH --size 32 --torch PYTHON
    python -m studies.time_to_picture tell times/32 times/64

train lets the contenders take turns on the same pictures, each turn in a process of its own, until
each has seen --images of them (PYTHON has PyTorch: .venv-bench/bin/python after ``make bench``;
without --torch ours trains alone). After every turn the judge measures 1000 samples; neither that
nor the start of a process is counted. FOLDER keeps the states, the figures (figures.csv) and the
last samples (NAME.png): stopped anywhere and called again, train goes on from the last turn that
was finished. tell prints, from those figures, the seconds and the images until the distance was
first as low as 0.8, 0.7, 0.6 and 0.5.
"""

import contextlib
import csv
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lab import networks
from lab.cli.console import Console
from lab.cli.flags import Parser, whole
from lab.images import source
from lab.images.errors import DataError
from lab.judge.figures import Judge
from lab.runs import claim, files

HERE = Path(__file__).resolve().parent
DISTANCES = 0.8, 0.7, 0.6, 0.5
BATCH = 64
COLUMNS = "contender", "images", "seconds", "distance", "precision", "diversity"
FIGURES = "figures.csv"


class Contender:
    """One of the two trainings: the turns that figures.csv has, and the next one."""

    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder
        rows = [row for row in read(folder) if row["contender"] == name]
        self.images = int(rows[-1]["images"]) if rows else 0
        self.seconds = float(rows[-1]["seconds"]) if rows else 0.0

    def state(self, images):
        return self.folder / f"{self.name}-{images}.state"

    def turn(self, judge, steps, **settings):
        """Trains for steps and measures. A row in figures.csv says that the turn is done."""
        after, drawn = self.images + steps * BATCH, self.folder / f"{self.name}.npy"
        settings |= {"before": str(self.state(self.images)) if self.images else None,
                     "after": str(self.state(after)), "samples": str(drawn), "steps": steps,
                     "n_samples": judge.n_samples, "batch_size": BATCH}
        done = subprocess.run([*self.command, json.dumps(settings)], stdout=subprocess.PIPE,
                              text=True, env={**os.environ, "PYTHONPATH": str(HERE.parent)})
        if done.returncode:
            raise files.FolderError(f"a turn broke off ({self.name}); see above")
        samples = np.load(drawn)
        figures = judge.measure(samples)
        self.seconds += json.loads(done.stdout)
        with open(self.folder / FIGURES, "a", newline="") as file:
            csv.writer(file).writerow((self.name, after, f"{self.seconds:.1f}", *(
                f"{figures[name]:.3f}" for name in ("frechet", "precision", "diversity"))))
        drawn.unlink()
        draw(samples, self.folder / f"{self.name}.png")
        if self.images:
            self.state(self.images).unlink(missing_ok=True)
        self.images = after
        return figures["frechet"]


def draw(samples, path):
    """Writes the first samples, values from -1 to 1, as a square of at most six by six."""
    n = min(6, math.isqrt(len(samples)))
    pixels = ((samples[:n * n].clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
    side = n * pixels.shape[-1]
    rows = pixels.reshape(n, n, *pixels.shape[1:]).transpose(0, 3, 1, 4, 2)
    Image.fromarray(rows.reshape(side, side, -1).squeeze()).save(path)


def read(folder):
    with contextlib.suppress(FileNotFoundError), open(folder / FIGURES, newline="") as file:
        return list(csv.DictReader(file))
    return []


def train(folder, data, size, images, turn, seed, torch):
    if torch and shutil.which(torch) is None:
        raise files.FolderError(f"no such program (--torch, {torch}); make bench makes .venv-bench")
    pictures = source.load(data, size).between(-1, 1)
    if len(pictures) < BATCH:
        raise DataError(f"a batch has {BATCH} pictures, the folder {len(pictures)} (--data, "
                        f"{data}); choose another")
    about = {"size": size, "seed": seed, "pictures": pictures.fingerprint}
    folder.mkdir(parents=True, exist_ok=True)
    with claim.locked(folder):
        with contextlib.suppress(FileNotFoundError):
            if json.loads((folder / files.SETTINGS).read_text()) != about:
                raise files.FolderError(f"the folder holds another study ({folder}: other "
                                        "pictures, --size or --seed); choose another")
        (folder / files.SETTINGS).write_text(json.dumps(about))
        if not read(folder):
            (folder / FIGURES).write_text(",".join(COLUMNS) + "\n")
        given = folder / "pictures.npy"
        np.save(given, pictures.x)
        judge = Judge(pictures, None, None)
        contenders = [Contender("ours", [sys.executable, "-m", "studies.pictures_ours"], folder)]
        if torch:
            contenders.append(Contender("pytorch", [torch, HERE / "pictures_pytorch.py"], folder))
        total = len(contenders) * images
        with Console("time_to_picture.py").bar(
                total, sum(min(one.images, images) for one in contenders), "image") as bar:
            while waiting := [one for one in contenders if one.images < images]:
                one = min(waiting, key=lambda one: one.images)
                before, steps = one.images, max(1, min(turn, images - one.images) // BATCH)
                distance = one.turn(judge, steps, images=str(given), seed=seed)
                bar.details = (f"{one.name} {one.images:,}: distance {distance:.3f}",)
                bar.set_description_str(f"image {bar.n + one.images - before}/{total}")
                bar.update(one.images - before)
        given.unlink()


def tell(folder):
    """Yields a row per contender: when its distance was first as low as each of DISTANCES."""
    for name, rows in itertools.groupby(sorted(read(folder), key=lambda row: row["contender"]),
                                        key=lambda row: row["contender"]):
        rows = list(rows)
        cells = []
        for distance in DISTANCES:
            first = next((row for row in rows if float(row["distance"]) <= distance), None)
            cells.append(f"{float(first['seconds']):,.0f} s, {int(first['images']):,}" if first
                         else f"not in {int(rows[-1]['images']):,}")
        yield f"| {folder.name} | {name} | {' | '.join(cells)} |"


def main(argv=None):
    parser = Parser(prog="time_to_picture.py", allow_abbrev=False,
                    description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sub = commands.add_parser("train", help="train by turns and measure, or go on",
                              allow_abbrev=False)
    sub.add_argument("folder", type=Path, metavar="FOLDER", help="where all that is kept")
    sub.add_argument("--data", required=True, metavar="PATH", help="a folder of pictures")
    sub.add_argument("--size", type=int, choices=networks.TABLE["paper"].sizes, default=32,
                     metavar="PIXELS", help="32 to 128, a multiple of 16 (default: 32)")
    sub.add_argument("--images", type=whole(BATCH), default=120_000, metavar="N",
                     help="how many each contender sees (default: 120000)")
    sub.add_argument("--turn", type=whole(BATCH), default=6000, metavar="N",
                     help="images from one measurement to the next (default: 6000)")
    sub.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, help="(default: 0)")
    sub.add_argument("--torch", metavar="PYTHON",
                     help="a Python with PyTorch; without it, ours trains alone")
    sub = commands.add_parser("tell", help="print the table of what was measured",
                              allow_abbrev=False)
    sub.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    given = vars(parser.parse_args(argv))
    try:
        if given.pop("command") == "train":
            train(**given)
        else:
            print(f"| study | contender | {' | '.join(f'distance {d}' for d in DISTANCES)} |\n"
                  f"|---|---|{len(DISTANCES) * '---|'}")
            print("\n".join(row for folder in given["folders"] for row in tell(folder)))
    except (files.FolderError, DataError, ValueError) as error:
        print(f"time_to_picture.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

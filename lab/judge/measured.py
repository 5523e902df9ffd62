"""A run's figures of quality: those it has in its folder, and those of its newest generator."""

from pathlib import Path

import numpy as np

from lab import networks
from lab.judge.figures import FIGURES, Judge, best, columns, explain
from lab.runs import files, saved
from lab.runs.files import FolderError


def measure_run(folder, data=None):
    """Measures what a run has in its folder. Returns (judge, {epoch: figures}).

    The epochs are those in quality.csv, the untrained generator's 0, and the newest generator's.
    data says where the images are now, if they have moved since. Raises as saved.load_images and
    saved.load_networks do, and ValueError as Judge does.
    """
    gen, _, epoch = saved.load_networks(folder)
    settings = saved.read_settings(folder)
    rows = read_rows(Path(folder) / files.QUALITY, settings["digit"])
    images, _ = saved.load_images(folder, data)
    judge = Judge(images, images.labels, settings["digit"])
    rows[epoch] = judge.measure(judge.sample(gen))
    if 0 not in rows:
        np.random.seed(settings["seed"])
        untrained, _ = networks.build(settings)
        rows[0] = judge.measure(judge.sample(untrained))
    return judge, dict(sorted(rows.items()))


def read_rows(path, digit):
    """A quality.csv as {epoch: figures}; empty if there is none. FolderError if it is not one.

    digit: as in the settings; it says which figures there are.
    """
    if not path.exists():
        return {}
    table = saved.read_table(path)
    if tuple(table) != columns(digit):
        raise FolderError(f"these are not the columns of the quality figures ({path}); remove it")
    _, *names = table
    return {int(epoch): dict(zip(names, map(float, figures), strict=True))
            for epoch, *figures in zip(*table.values(), strict=True)}


def format_table(judge, rows):
    """What quality.py prints, as lines of at most 80 characters."""
    remarks = {"real": "ceiling", 0: "floor", best(rows): "best"}
    names = columns(judge.digit)
    lines = ["".join(f"{name:>{len(name) + 2}}" for name in names)]
    for epoch, figures in {"real": judge.reference_real(), **rows}.items():
        cells = (f"{figures[name]:{len(name) + 2}.{FIGURES[name].decimals}f}"
                 for name in names[1:])
        lines.append(f"{epoch:>7}{''.join(cells)}  {remarks.get(epoch, '')}".rstrip())
    explained = {
        "real": f"{judge.n_samples} real images, held out: what a perfect generator would get",
        **{name: explain(name, judge.digit) for name in names[1:]}}
    return [
        *lines, "",
        f"best: epoch {best(rows)} of the {len(rows)} measured, by the lowest Fréchet distance", "",
        *(f"{name:<13}{words}" for name, words in explained.items())]

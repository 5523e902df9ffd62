"""Figures of quality of an opened run: read from its folder, and measured anew."""

import numpy as np

from lab.judge.figures import FIGURES, Judge, best, columns, explain, hidden_distance
from lab.runs import files
from lab.runs.files import FolderError


def measure_run(run, data: str | None = None,
                weights: str | None = None, epoch: str = "newest",
                ) -> tuple[Judge, dict[int, dict[str, float]]]:
    """Returns (judge, {epoch: figures}) of an opened run.

    The epochs are those in quality.csv, 0 (the untrained generator), and epoch, "newest" or "best",
    measured anew. weights: the generator's, "trained" or "average"; None: those that the run shows.
    Of the other ones quality.csv has the Fréchet distance alone. data: where the images are now, if
    they have moved. Raises what OpenedRun.images, OpenedRun.networks and Judge raise.
    """
    gen, _, number = run.networks(weights, epoch)
    rows = read_rows(run, weights)
    images, _ = run.images(data)
    judge = Judge(images, images.labels, run.settings.digit)
    rows[number] = judge.measure(judge.sample(gen))
    if 0 not in rows and run.settings.start_from is None:
        np.random.seed(run.settings.seed)
        untrained, _ = run.untrained_networks()
        rows[0] = judge.measure(judge.sample(untrained))
    return judge, dict(sorted(rows.items()))


def read_rows(run, weights: str | None = None) -> dict[int, dict[str, float]]:
    """Returns quality.csv of an opened run as {epoch: figures}; {} if there is none.

    weights: as of measure_run; epochs without a measurement of these are left out. Figures that the
    run's version did not have are missing. Raises FolderError if the Fréchet distance is missing,
    by which epochs are compared, and for figures that this run cannot have.
    """
    table = run.quality()
    if not table:
        return {}
    epochs = table.pop("epoch")
    hidden = table.pop(hidden_distance(run.settings.weights), np.full(len(epochs), np.nan))
    if "frechet" not in table or not set(table) <= set(columns(run.settings.digit)):
        raise FolderError("these are not the columns of the quality figures "
                          f"({run.path(files.QUALITY)}); remove it")
    if weights not in (None, run.settings.weights):
        return {int(epoch): {"frechet": float(distance)}
                for epoch, distance in zip(epochs, hidden, strict=True) if np.isfinite(distance)}
    return {int(epoch): dict(zip(table, map(float, figures), strict=True))
            for epoch, *figures in zip(epochs, *table.values(), strict=True)}


def format_table(judge: Judge, rows: dict[int, dict[str, float]],
                 epoch_0: str = "floor") -> list[str]:
    """Returns the lines that quality.py prints, of at most 80 characters.

    rows: as of measure_run; epoch_0: the remark beside epoch 0.
    """
    remarks = {"real": "ceiling", 0: epoch_0, best(rows): "best"}
    names = columns(judge.digit)
    lines = ["".join(f"{name:>{len(name) + 2}}" for name in names)]
    for epoch, figures in [("real", judge.reference_real()), *rows.items()]:
        cells = (f"{figures[name]:{len(name) + 2}.{FIGURES[name].decimals}f}"
                 if name in figures else f"{'-':>{len(name) + 2}}" for name in names[1:])
        lines.append(f"{epoch:>7}{''.join(cells)}  {remarks.get(epoch, '')}".rstrip())
    explained = {
        "real": f"{judge.n_samples} real images, held out: what a perfect generator would get",
        **{name: explain(name, judge.digit) for name in names[1:]}}
    return [
        *lines, "",
        f"best: epoch {best(rows)}, with the lowest Fréchet distance of {len(rows)} measured", "",
        *(f"{name:<13}{words}" for name, words in explained.items())]

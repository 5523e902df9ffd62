"""The page of a run: static files that open from the disk, without a server or a network."""

import json
import math
import operator
import re
import shutil
import time
from pathlib import Path

from lab.judge import watch
from lab.look.command import command
from lab.runs import claim, files
from lab.runs.files import replace_file
from lab.runs.opened import OpenedRun, read_table

WEB = Path(__file__).with_name("web")
PART = 1 << 16  # characters


@command(
    files.PAGE, "a page to look at the run, RUN/index.html",
    "It opens in any browser, without a server or a network, and while the run goes on it takes in "
    "new epochs by itself. trainer.py writes it too.",
    "result", left=(files.PAGE, files.PAGE_DATA))
def write(run: OpenedRun, out: Path) -> Path:
    """Writes index.html and index.js of a run, finished or not. Returns the first, the path out.

    Like write_for; the folder's lock tells whether the run goes on.
    """
    return write_for(run, claim.is_locked(run.folder), out)


def write_for(run: OpenedRun, going: bool, out: Path | None = None) -> Path:
    """Writes the page of a run that goes on, or does not. Returns the path of index.html.

    out: that path, in the run's folder unless given; elsewhere the pictures are copied beside it.
    The tables and the settings are in index.js, which the page loads again and again while the run
    goes on; the pictures are named relative to it. It takes a fraction of a second for 1000 epochs.
    FolderError if the run has drawn no picture.
    """
    out = out or run.path(files.PAGE)
    losses, quality = _table(run.path(files.LOSSES)), _table(run.path(files.QUALITY))
    finished = (run.path(files.GENERATOR).exists()
                and run.settings.epochs in losses.get("epoch", ()))
    data = json.dumps({
        "settings": run.settings.to_values(),
        "losses": losses,
        "quality": quality,
        "story": [{"epoch": epoch, "event": event} for epoch, event in _story(losses, quality)],
        "pictures": list(run.pictures()),
        "real": run.path(files.REAL).exists(),
        "draws": run.path(files.PLAY).exists(),
        "best": run.best_epoch(),
        "going": going and not finished,
        "written": round(time.time()),
    }, allow_nan=False)
    if not out.parent.samefile(run.folder):
        for path in *run.pictures().values(), run.path(files.REAL), run.path(files.PLAY):
            if path.exists():
                shutil.copy(path, out.parent)
    data = f"take({data});\n"
    for target, text in (out.with_name(files.PAGE_DATA), data), (out, fill("page.html")):
        replace_file(target, operator.methodcaller("write", text.encode("utf-8")))
    return out


def _story(losses, quality):
    """Returns watch.story of two tables, as _table returns them."""
    def rows(table, names):
        columns = [table.get(name, []) for name in names]
        return {epoch: [math.nan if value is None else value for value in row]
                for epoch, *row in zip(table.get("epoch", []), *columns, strict=False)}

    names = [name for name in quality if name != "epoch"]
    return watch.story(
        rows(losses, ("loss_dis", "prob_real", "prob_generated")),
        {epoch: dict(zip(names, row, strict=True)) for epoch, row in rows(quality, names).items()})


def fill(template: str, data: str = "") -> str:
    """Returns a template of web/ with data, JSON, and the files that it names between {{ }}."""
    # "<" is the one thing that could end a script element early.
    data = data.replace("<", "\\u003c")

    def part(match):
        if match[1] == "data":
            # In parts: WebKit copies a script's whole text whenever it has read a little more.
            return "\n".join(f'<script type="application/json" class="data">{data[i:i + PART]}'
                             "</script>" for i in range(0, len(data), PART))
        return fill(match[1], data).rstrip()

    return re.sub(r"{{([\w.-]+)}}", part, (WEB / template).read_text(encoding="utf-8"))


def _table(path):
    """Returns the columns of a .csv as lists of numbers, None for NaN; none without a file."""
    if not path.exists():
        return {}
    return {name: [_short(value) for value in column.tolist()]
            for name, column in read_table(path).items()}


def _short(value):
    """Rounds to five digits, more than a curve shows."""
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else float(f"{value:.5g}")

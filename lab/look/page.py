"""The page of a run: static files that open from the disk, without a server or a network."""

import json
import math
import re
from pathlib import Path

from lab.runs import files, saved
from lab.runs.files import replace_file

WEB = Path(__file__).with_name("web")


def write(run):
    """Writes index.html and index.js into the folder of a run, finished or not. Returns the first.

    The tables and the settings are in index.js, which the page loads again and again while the run
    goes on; the pictures stay beside it and are named relative to it. It takes a fraction of a
    second for 1000 epochs. FolderError if there is no run, or none that has drawn a picture.
    """
    run = Path(run)
    settings, losses = saved.read_settings(run), _table(run / files.LOSSES)
    finished = (run / files.GENERATOR).exists() and settings["epochs"] in losses.get("epoch", ())
    data = json.dumps({
        "settings": settings,
        "losses": losses,
        "quality": _table(run / files.QUALITY),
        "pictures": list(saved.pictures(run)),
        "real": (run / files.REAL).exists(),
        "draws": (run / files.PLAY).exists(),
        "going": not finished,
    }, allow_nan=False)
    path = run / files.PAGE
    for target, text in (run / files.PAGE_DATA, f"take({data});\n"), (path, fill("page.html")):
        replace_file(target, lambda file, text=text: file.write(text.encode("utf-8")))
    return path


def fill(template, data=""):
    """A template of web/ with the files in it that it names between {{ }}, and data, JSON."""
    def part(match):
        if match[1] == "data":
            # The one thing that could end a script element early.
            return data.replace("<", "\\u003c")
        return fill(match[1], data).rstrip()

    return re.sub(r"{{([\w.-]+)}}", part, (WEB / template).read_text(encoding="utf-8"))


def _table(path):
    """The columns of a .csv as lists of numbers, None for NaN. No columns if there is no file."""
    if not path.exists():
        return {}
    return {name: [_short(value) for value in column.tolist()]
            for name, column in saved.read_table(path).items()}


def _short(value):
    """Five digits are more than a curve shows."""
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else float(f"{value:.5g}")

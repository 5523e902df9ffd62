"""The page of a run: one static file that opens from disk, without a server or a network."""

import json
import math
from pathlib import Path

from runs import files, saved
from runs.files import replace_file

TEMPLATE = Path(__file__).with_name("page.html")


def write(run):
    """Writes index.html into the folder of a run, finished or not. Returns its path.

    The tables and the settings are in the page, the pictures stay beside it and are named relative
    to it. It takes a fraction of a second for 1000 epochs. FolderError if there is no run, or none
    that has drawn a picture.
    """
    run = Path(run)
    text = json.dumps({
        "settings": saved.read_settings(run),
        "losses": _table(run / files.LOSSES),
        "quality": _table(run / files.QUALITY),
        "pictures": list(saved.pictures(run)),
        "real": (run / files.REAL).exists(),
    }, allow_nan=False)
    # The one thing that could end the script element early.
    html = TEMPLATE.read_text(encoding="utf-8").replace("{{RUN}}", text.replace("<", "\\u003c"))
    path = run / files.PAGE
    replace_file(path, lambda file: file.write(html.encode("utf-8")))
    return path


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

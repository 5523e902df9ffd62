"""Opens a run from Python: its networks, tables and pictures.

    run = lab.open_run("result")
    run.plot.samples(n=25)            a picture, which a notebook shows
    pandas.DataFrame(run.losses())    a table
"""

import functools
import inspect
import io
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

from PIL import Image

from lab.look.commands import COMMANDS
from lab.runs.files import GENERATORS, FolderError
from lab.runs.opened import OpenedRun
from lab.runs.settings import read_settings

PICTURES = {name: command for name, command in COMMANDS.items()
            if Path(command.file).suffix in (".png", ".gif")}


def open_run(folder: str | os.PathLike = "result") -> "Run":
    """Opens the run in folder, finished or not. FolderError if there is none."""
    return Run(folder, read_settings(folder))


class Run(OpenedRun):
    """A run. networks(), images(), losses() and quality() read its folder as it is now.

    plot has the commands of plot.py that draw, with their names, and their flags as keywords. Each
    returns a Pillow image and writes nothing to the folder.
    """

    def __init__(self, folder, settings):
        super().__init__(folder, settings)
        self.plot = SimpleNamespace(**{name: _drawing(command, self)
                                       for name, command in PICTURES.items()})

    def __repr__(self):
        settings = self.settings
        try:
            done = len(self.losses()["epoch"])
        except FolderError:  # no losses.csv, as in pretrained/, or no finished epoch yet
            done = None
        epochs = f"{done or 0} of {settings.epochs} epochs"
        if done is None and any(self.path(file).exists() for file in GENERATORS.values()):
            epochs = f"{settings.epochs} epochs"
        return f"<run {self.folder}: {self.caption}; recipe {settings.recipe}; {epochs}>"

    def _repr_png_(self):
        """Returns the PNG that a notebook shows: the newest picture, or some samples."""
        try:
            return list(self.pictures().values())[-1].read_bytes()
        except FolderError:
            picture = io.BytesIO()
            self.plot.samples(n=9).save(picture, "PNG")
            return picture.getvalue()


def _drawing(command, run):
    @functools.wraps(command.function)
    def draw(**flags):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / command.file
            command(run, out=path, **flags)
            return Image.open(io.BytesIO(path.read_bytes()))

    signature = inspect.signature(command.function)
    draw.__signature__ = signature.replace(  # for help()
        parameters=[parameter for name, parameter in signature.parameters.items()
                    if name not in ("run", "out")])
    return draw

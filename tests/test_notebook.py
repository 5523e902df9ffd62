"""lab.open_run, from Python, and the post as a notebook."""

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

import lab
import trainer
from lab.notebook import PICTURES
from lab.runs.files import FolderError

HOME = Path(__file__).resolve().parents[1]
NOTEBOOKS = [HOME / "docs" / "post.ipynb", HOME / "docs" / "post.ja.ipynb"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Returns the folder of a run of two epochs."""
    folder = tmp_path_factory.mktemp("run") / "result"
    assert trainer.main(["--data", "digits", "--epochs", "2", "--z-dim", "4", "--out",
                         str(folder)]) == 0
    return folder


def test_a_run_says_what_it_is_and_shows_its_newest_picture(folder):
    run = lab.open_run(folder)
    assert repr(run) == f"<run {folder}: {run.caption}; recipe post; 2 of 2 epochs>"
    assert run._repr_png_() == (folder / "epoch-0002.png").read_bytes()


def test_its_tables_are_columns_of_one_length_as_a_dataframe_wants_them(folder):
    run = lab.open_run(folder)
    assert [len(column) for column in run.losses().values()] == [2] * len(run.losses())
    assert len({len(column) for column in run.quality().values()}) == 1


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_a_function_that_returns_it_and_writes_nothing(folder, name):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    picture = getattr(lab.open_run(folder).plot, name)()
    assert isinstance(picture, Image.Image) and picture.width > 28
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_folder_without_a_run_is_an_error_that_says_so(tmp_path):
    with pytest.raises(FolderError, match="no run in this folder"):
        lab.open_run(tmp_path)


def test_the_trained_generator_of_the_project_shows_samples():
    run = lab.open_run(HOME / "pretrained")
    assert "; 40 epochs>" in repr(run) and run._repr_png_().startswith(b"\x89PNG")


def write_mnist(folder, zeros):
    """Writes MNIST's four files, of random images that are all labelled 0."""
    for name, array in (("images", np.zeros((zeros, 28, 28))), ("labels", np.zeros(zeros))):
        for part in ("train", "t10k"):
            header = struct.pack(f">{array.ndim + 1}I", 0x0800 + array.ndim, *array.shape)
            noise = np.random.RandomState(0).randint(0, 256, array.shape) * (array.ndim > 1)
            (folder / f"{part}-{name}-idx{array.ndim}-ubyte").write_bytes(
                header + noise.astype(np.uint8).tobytes())


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """Runs one notebook of the two: both have the same code."""
    path = NOTEBOOKS[0]
    write_mnist(tmp_path, 40)
    monkeypatch.setenv("MNIST_DIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("(5, 20, 60, 120)", "(1, 2)")
    NotebookClient(notebook, timeout=240, kernel_name="python3",
                   resources={"metadata": {"path": str(path.parent)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_notebook_is_kept_with_its_outputs(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) >= 8
    assert not re.search(r"/root|/home/|/Users/|site-packages", path.read_text(encoding="utf-8"))


def test_both_notebooks_have_the_same_code():
    def code(path):
        cells = nbformat.read(path, as_version=4).cells
        return [cell.source for cell in cells if cell.cell_type == "code"]
    english, japanese = map(code, NOTEBOOKS)
    assert english == japanese


def test_where_the_project_is_not_there_the_first_cell_clones_and_installs_it(
        tmp_path, monkeypatch):
    """Colab begins so. The commands are only recorded, so that nothing reaches the network."""
    calls = []

    def run(command, check):
        calls.append(command)
        if command[0] == "git":
            shutil.copytree(HOME / "lab" / "cli", command[-1])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("sys.path", [])
    (first, *_) = [cell.source for cell in nbformat.read(NOTEBOOKS[0], as_version=4).cells
                   if cell.cell_type == "code"]
    exec(first.replace('REPOSITORY = ""', 'REPOSITORY = "https://example.org/x.git"'), {})
    assert Path(os.getcwd()) == tmp_path / "dcgan"
    assert calls[0] == ["git", "clone", "--quiet", "https://example.org/x.git", "dcgan"]
    assert ["setuptools<81", "wheel"] == calls[1][-2:]
    assert calls[2][-3:] == ["--no-build-isolation", "-r", "dcgan/requirements.txt"]

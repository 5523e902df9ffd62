"""The house: which room may import which, as drawn here, and where imports may stand."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each floor may import those behind it. Rooms that share a floor do not know each other.
HOUSE = "trainer.py > plot.py quality.py > lab > dcgan.py > chainer_cpu > chainer"
LAB = "notebook > training > look > judge > runs > images networks"
EVERYBODY = "cli"                        # imports none of the others
GUESTS = "tests", "benchmarks", "studies"  # may import everything; nothing imports them

# Imports inside functions: what a program loads once its flags are parsed, Chainer after its shims,
# and what takes seconds (scikit-learn, matplotlib).
LATE = {
    ("trainer.py", "lab.training.session"),
    ("trainer.py", "tqdm.auto"),  # the bar of a notebook, for which --help does not wait
    ("lab/__init__.py", "lab.notebook"),
    ("quality.py", "lab.judge"),
    ("chainer_cpu/_compat.py", "chainer"),
    ("lab/images/digits.py", "sklearn.datasets"),
    ("lab/images/openml.py", "sklearn.datasets"),
    ("lab/judge/figures.py", "dcgan"),  # plot.py --help does not wait for Chainer
    ("lab/judge/space.py", "sklearn"),  # this and matplotlib take seconds
    ("lab/look/curves.py", "matplotlib"),
    ("lab/training/processes.py", "chainer_cpu"),  # Chainer with its shims, before chainermn
    ("lab/training/processes.py", "chainermn"),  # asked for by mpiexec alone
    ("lab/training/processes.py", "mpi4py"),
}


def floors():
    """Returns the drawing as a list of sets of rooms, the highest floor first."""
    drawn = HOUSE.replace("lab", LAB).split(" > ")
    return [{name.removesuffix(".py") for name in floor.split()} for floor in drawn]


OURS = set().union(*floors(), {EVERYBODY}) - {"chainer"}


def files():
    """Returns the files of all rooms."""
    found = [*ROOT.glob("*.py"), *ROOT.glob("lab/*.py"), *ROOT.glob("lab/*/*.py"),
             *ROOT.glob("chainer_cpu/*.py")]
    return sorted(found)


def room(path):
    inside = path.relative_to(ROOT).with_suffix("").parts
    if inside == ("lab", "__init__"):
        return "notebook"  # lab/__init__.py is the door to it
    return inside[1] if inside[0] == "lab" else inside[0]


def floor(name):
    return next(i for i, rooms in enumerate(floors()) if name in rooms)


def imports(path):
    """Yields (module, whether inside a function) of each import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {node for function in ast.walk(tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: names its room"
            if node.module == "lab":
                yield from ((f"lab.{alias.name}", node in late) for alias in node.names)
            else:
                yield node.module, node in late


def wrong(path):
    """Yields the imports of a file that go against the arrows."""
    here = room(path)
    for module, _ in imports(path):
        there = module.removeprefix("lab.").partition(".")[0]
        if there not in OURS | {"chainer", *GUESTS} or there in (here, EVERYBODY):
            continue
        if there in GUESTS or here == EVERYBODY or floor(there) <= floor(here):
            yield f"{path.relative_to(ROOT)} imports {module}"
        elif there == "chainer" and here != "chainer_cpu":
            yield f"{path.relative_to(ROOT)} imports {module}, not from chainer_cpu"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_goes_against_the_arrows(path):
    assert list(wrong(path)) == []


@pytest.mark.parametrize("file, line", [
    ("lab/runs/turned.py", "from lab.look import page"), ("lab/look/turned.py", "import trainer"),
    ("lab/training/turned.py", "from plot import sample_grid"),
    ("lab/images/turned.py", "from lab import runs"), ("lab/images/turned.py", "import lab.runs"),
    ("lab/networks/turned.py", "from lab.images import mnist"),
    ("lab/cli/turned.py", "from lab.runs import files"), ("plot.py", "import quality"),
    ("lab/judge/turned.py", "import quality"), ("lab/look/turned.py", "import chainer"),
    ("chainer_cpu/turned.py", "import dcgan"), ("dcgan.py", "from lab.networks import paper"),
    ("lab/runs/turned.py", "from studies import chance")])
def test_an_arrow_turned_round_is_noticed(tmp_path, monkeypatch, file, line):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"def f():\n    {line}\n")
    assert list(wrong(path))


def test_the_drawing_in_the_document_is_this_one():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (drawing,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    house, lab = drawing.replace(" ─▶ ", " > ").replace(", ", " ").splitlines()
    assert house == HOUSE
    assert re.split(r"  +", lab) == ["lab:", LAB, f"{EVERYBODY}: everyone may"]


def test_every_room_is_drawn():
    assert {room(path) for path in files()} == OURS


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stand_at_the_top_but_for_the_named_ones(path):
    late = [module for module, inside in imports(path) if inside]
    named = {module for file, module in LATE if file == path.relative_to(ROOT).as_posix()}
    assert {name if name in named else name.rpartition(".")[0] for name in late} == named


def test_at_the_top_stand_four_scripts():
    assert {path.name for path in ROOT.glob("*.py")} == {"dcgan.py", "trainer.py", "plot.py",
                                                         "quality.py"}


def test_no_file_changes_the_path_of_modules():
    assert not [path for path in (*files(), *ROOT.glob("benchmarks/*.py"),
                                  *ROOT.glob("studies/*.py"))
                if "sys.path" in path.read_text(encoding="utf-8")]


def test_the_training_script_loads_its_own_file_once():
    program = ("import runpy, sys\nsys.argv = ['trainer.py', '--data', 'no-such-folder']\n"
               "try:\n    runpy.run_path('trainer.py', run_name='__main__')\n"
               "except SystemExit as stop:\n    print(stop.code, 'trainer' in sys.modules)\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("\n2 False\n"), done.stderr


def test_only_the_images_reach_the_network_and_only_the_shims_know_versions():
    network = {"urllib", "http", "socketserver", "ssl", "ftplib", "requests"}
    for path in files():
        modules = {module.partition(".")[0] for module, _ in imports(path)}
        if room(path) != "images":
            assert not modules & network, path
        if path.name != "_compat.py":
            assert "sys.version_info" not in path.read_text(encoding="utf-8"), path


def test_only_the_processes_know_of_mpi():
    named = [path.relative_to(ROOT).as_posix() for path in files()
             if re.search(r"\b(mpi|mpi4py|mpiexec|openmpi|chainermn)\b",
                          path.read_text(encoding="utf-8"), re.IGNORECASE)]
    # What takes a communicator names the kind that it takes.
    assert named == ["chainer_cpu/_normalization.py", "chainer_cpu/functions.py",
                     "chainer_cpu/links.py", "lab/training/processes.py"]

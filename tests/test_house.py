"""The house: which room may import which, as drawn here, and where imports may stand."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each floor may import those behind it. Rooms that share a floor do not know each other.
ARROWS = ("trainer.py > training > plot.py > look > judge > runs > images networks"
          " > dcgan.py > chainer_cpu > chainer")
QUALITY = "quality.py > judge"  # and what is behind it
EVERYBODY = "cli"               # imports none of the others

# Inside functions: one import per program, after its flags are parsed, and Chainer behind shims.
LATE = {
    ("trainer.py", "training.session"),
    ("plot.py", "look"),
    ("quality.py", "judge"),
    ("chainer_cpu/_compat.py", "chainer"),
    ("training/processes.py", "chainermn"),  # asked for by mpiexec alone
}

FLOORS = [floor.split() for floor in ARROWS.split(" > ")]
OURS = {name.removesuffix(".py") for floor in FLOORS for name in floor} | {"quality", "cli"}


def files():
    found = [path for path in ROOT.glob("*.py")]
    found += [path for path in ROOT.glob("*/*.py") if path.parent.name in OURS]
    return sorted(found)


def room(path):
    return path.parent.name if path.parent != ROOT else path.stem


def floor(name):
    if name == "quality":
        return floor(QUALITY.removeprefix("quality.py > ")) - 1
    return next(i for i, rooms in enumerate(FLOORS) if name in (r.removesuffix(".py")
                                                                for r in rooms))


def imports(path):
    """Of a file: (module, whether inside a function) of each import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {node for function in ast.walk(tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: names its room"
            yield node.module, node in late


def wrong(path):
    """The imports of a file that go against the arrows."""
    here = room(path)
    for module, _ in imports(path):
        there = module.partition(".")[0]
        if there not in OURS | {"chainer"} or there == here or there == EVERYBODY:
            continue
        if here == EVERYBODY or there == "quality" or floor(there) <= floor(here):
            yield f"{path.relative_to(ROOT)} imports {module}"
        elif there == "chainer" and here != "chainer_cpu":
            yield f"{path.relative_to(ROOT)} imports {module}, not from chainer_cpu"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_goes_against_the_arrows(path):
    assert list(wrong(path)) == []


def test_an_import_turned_round_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    for room_, line in (("runs", "from look import page"), ("look", "import trainer"),
                        ("chainer_cpu", "import dcgan"), ("images", "from runs import files"),
                        ("cli", "from runs import files"), ("training", "import quality"),
                        ("judge", "import plot"), ("look", "import chainer")):
        (tmp_path / room_).mkdir(exist_ok=True)
        path = tmp_path / room_ / "turned.py"
        path.write_text(f"def f():\n    {line}\n")
        assert list(wrong(path)), line


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stand_at_the_top_but_for_the_named_ones(path):
    late = [module for module, inside in imports(path) if inside]
    named = [module for file, module in LATE if file == path.relative_to(ROOT).as_posix()]
    assert late == named


def test_at_the_top_stand_four_scripts():
    assert {path.name for path in ROOT.glob("*.py")} == {"dcgan.py", "trainer.py", "plot.py",
                                                         "quality.py"}


def test_the_training_script_loads_its_own_file_once():
    program = ("import runpy, sys\nsys.argv = ['trainer.py', '--data', 'no-such-folder']\n"
               "try:\n    runpy.run_path('trainer.py', run_name='__main__')\n"
               "except SystemExit as stop:\n    print(stop.code, 'trainer' in sys.modules)\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "2 False\n", done.stderr


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
                     "chainer_cpu/links.py", "training/processes.py"]

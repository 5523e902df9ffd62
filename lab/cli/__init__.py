"""Command lines: flags, messages, progress bars, signals. Imports none of the other rooms.

Every script imports it first: on a Python without a package that we need, it ends the program with
an error message that names the package, before NumPy's traceback would.
"""

import importlib.util
import os
import sys
from pathlib import Path

NEEDED = ("numpy", "PIL", "tqdm", "chainer", "numba", "scipy", "sklearn", "matplotlib", "filelock",
          "platformdirs", "threadpoolctl", "joblib")


def from_here(path: str | os.PathLike) -> str:
    """Returns path relative to the current folder, or as it is if that is shorter."""
    try:
        return min(os.path.relpath(path), str(path), key=len)
    except ValueError:  # Windows: on another drive
        return str(path)


def _check_variables():
    """Ends the program if Numba must not compile (in plain Python a step takes hours), or if
    Chainer would end it with a traceback.
    """
    script = os.path.basename(sys.argv[0]) or "python"
    value = os.environ.get("NUMBA_DISABLE_JIT", "").strip()
    if value not in ("", "0"):
        sys.exit(f"{script}: error: nothing can be compiled (NUMBA_DISABLE_JIT, {value}); unset it")
    value = os.environ.get("CHAINER_DTYPE", "float32")
    if value not in ("float16", "float32", "float64", "mixed16"):
        sys.exit(f"{script}: error: Chainer has no such dtype (CHAINER_DTYPE, {value}); unset it")


def _check_environment():
    """Ends the program if a package is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return
    home = Path(__file__).resolve().parents[2]
    script = os.path.basename(sys.argv[0]) or "python"
    python = home / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    advice = (f"use {from_here(python)} {from_here(home / script)}" if python.exists()
              else f"set up the environment with make train in {home}, or see requirements.txt")
    sys.exit(f"{script}: error: {missing[0]} is not installed here (Python, {sys.executable}); "
             f"{advice}")


_check_environment()
_check_variables()

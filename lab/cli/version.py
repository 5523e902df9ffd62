"""The version of this project, which every run records."""

import functools
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def version() -> str:
    """Returns the number in pyproject.toml, in a git checkout with the commit.

    For example "1.0.0+38bae8123.dirty", where "dirty" says that files differ from the commit.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (number,) = re.findall(r'^version = "(.+)"$', text, re.MULTILINE)
    commit = _commit()
    return f"{number}+{commit}" if commit else number


def _commit():
    """Returns the commit as git describes it, or "" without git or a checkout."""
    if not (ROOT / ".git").exists():  # git would search the folders above
        return ""
    try:
        found = subprocess.run(
            ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--exclude", "*",
             "--abbrev=9"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip().replace("-", ".")

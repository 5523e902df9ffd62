"""The version of this project, which every run records."""

import functools
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def version():
    """The number in pyproject.toml, with the commit in a git checkout: "1.0.0+38bae8123.dirty".

    "dirty" says that files differ from the commit.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    number = re.search(r'^version = "(.+)"$', text, re.MULTILINE)[1]
    commit = _commit()
    return f"{number}+{commit}" if commit else number


def _commit():
    """What git calls the files here, or an empty string where nobody can say."""
    if not (ROOT / ".git").exists():  # git itself would go on to look in the folders above
        return ""
    try:
        found = subprocess.run(
            ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--exclude", "*",
             "--abbrev=9"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip().replace("-", ".")

"""What pip install answers, and what make check runs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("how", [[], ["--editable"]], ids=["plain", "editable"])
def test_pip_install_ends_with_what_to_type_instead(tmp_path, how):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "lab" / "cli", tmp_path / "lab" / "cli")
    command = [sys.executable, "-m", "pip", "install", "--no-index", *how, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "type `make train`" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) < 20


def test_what_make_check_asks_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^  (test_\w+\.py)::(\w+)", makefile, re.MULTILINE)
    assert len(named) > 5
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")

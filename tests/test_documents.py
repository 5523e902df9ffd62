"""What the documents promise: files that exist, links that lead somewhere, two READMEs alike."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", ROOT / "README.ja.md"]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCUMENTS = [*READMES, CONTRIBUTING, ROOT / "CHANGES.md",
             *sorted((ROOT / "docs").glob("*.md")), ROOT / "pretrained" / "README.md"]
# All but the tests.
FILES = [path for folder in (".", "lab/*", "chainer_cpu", "benchmarks", "studies")
         for path in sorted(ROOT.glob(f"{folder}/*"))
         if path.suffix == ".py" and path.name != "__init__.py"]


def anchors(document):
    """Returns the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_has_its_words():
    text = CONTRIBUTING.read_text(encoding="utf-8")
    assert not [path.name for path in FILES if f"`{path.name}`" not in text]


def test_every_file_that_has_words_is_there():
    table = CONTRIBUTING.read_text(encoding="utf-8").split("## Every file")[1]
    named = set(re.findall(r"`([\w./-]+\.(?:py|js|css|html|md|mjs|sh|txt|toml|json|cff))`", table))
    there = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts}
    assert len(named) > 60 and named <= there


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_a_readme_is_read_in_five_minutes(readme):
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 160


def test_no_line_of_the_japanese_readme_breaks_between_two_words():
    """GitHub shows a line's end as a blank, which Japanese does not have."""
    text = re.sub(r"```.*?```", "", READMES[1].read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.findall(r"[^\x00-\xff]\n[^\x00-\xff\n]", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(document):
    # Links into the web are not tried: tests reach no network.
    for target in re.findall(r"\]\((?!https://)([^)]+)\)", document.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_both_readmes_have_the_same_commands_and_figures():
    def facts(readme):
        text = readme.read_text(encoding="utf-8")
        commands = [re.split(r"\s{3,}", line.strip())[0] for line in text.splitlines()
                    if line.startswith("    ")]
        # Only numbers with a decimal point: a whole number may be a word in the other language.
        figures = [re.findall(r"\d+[.,]\d+", line) for line in text.splitlines()
                   if line.startswith("|")]
        return commands, [row for row in figures if row]

    english, japanese = map(facts, READMES)
    assert japanese == english


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_every_command_can_be_pasted_into_a_shell(readme):
    lines = [line[4:] for line in readme.read_text(encoding="utf-8").splitlines()
             if line.startswith("    ")]
    assert len(lines) > 10
    subprocess.run(["sh", "-n"], input="\n".join(lines), text=True, check=True)
    # Every line begins with one of these commands.
    words = {"make", "python", ".venv/bin/python", "source", "git", "pip", "mpiexec"}
    assert {line.split()[0] for line in lines} <= words


def test_the_lines_from_python_train_and_leave_a_picture(tmp_path):
    lines, japanese = (re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"),
                                  re.DOTALL)[0] for readme in READMES)
    assert len(lines.splitlines()) <= 10 and lines == japanese
    for name, array in (("images", np.zeros((120, 28, 28))), ("labels", np.zeros(120))):
        for part in ("train", "t10k"):
            header = struct.pack(f">{array.ndim + 1}I", 0x0800 + array.ndim, *array.shape)
            noise = np.random.RandomState(0).randint(0, 256, array.shape) * (array.ndim > 1)
            (tmp_path / f"{part}-{name}-idx{array.ndim}-ubyte").write_bytes(
                header + noise.astype(np.uint8).tobytes())
    done = subprocess.run(
        [sys.executable, "-c", lines.replace("epochs=20", "epochs=1")], cwd=tmp_path, text=True,
        capture_output=True,
        env={**os.environ, "MNIST_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "zeros.png") as picture:
        assert picture.width > 3 * 28


def test_every_fault_of_the_table_names_tests_that_exist():
    rows = [line for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
            if re.match(r"\| \d", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        cell = row.split("|")[4]
        # "`test_a.py`: name, another; long: `test_b.py`: name". A file alone: all its tests.
        _, *parts = re.split(r"`(test_\w+\.py)`", cell)
        assert parts or re.fullmatch(r" as \d+ ", cell), row
        for file, words in zip(parts[::2], parts[1::2], strict=True):
            text = (ROOT / "tests" / file).read_text(encoding="utf-8")
            names = re.findall(r"[a-z]+(?:_[a-z]+)+", words)
            assert names or not words.strip(), row
            assert not [name for name in names if not re.search(rf"def test_\w*{name}", text)], row


def test_the_citation_has_the_version_of_the_project_and_what_it_follows():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert f"\nversion: {version[1]}\n" in citation
    assert "DCGANをChainerで実装" in citation and "1511.06434" in citation


def test_the_newest_changes_are_those_of_this_version():
    version = re.search(r'^version = "([\d.]+\d)', (ROOT / "pyproject.toml").read_text(),
                        re.MULTILINE)
    first = re.search(r"^## (.*)$", (ROOT / "CHANGES.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first[1].startswith(version[1])


def test_what_one_touches_stands_where_the_document_says():
    text = CONTRIBUTING.read_text(encoding="utf-8").split("## What one touches")[1]
    table = text.partition("## ")[0]
    for path in re.findall(r"`([\w/]+(?:\.py|/))`", table):
        assert (ROOT / path).exists(), path
    rows = re.findall(r"`(\w+)(?:\(\.\.\.\))?` (?:in|of) `([\w/]+\.py)`", table)
    assert len(rows) >= 6
    for name, file in rows:
        code = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *(def )?{name}\b", code, re.MULTILINE), (name, file)

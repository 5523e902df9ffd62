"""The measuring of the report: what benchmarks/chance.py keeps, and that it can be stopped."""

import subprocess
import sys
from pathlib import Path

CHANCE = Path(__file__).resolve().parents[1] / "benchmarks" / "chance.py"


def chance(*argv):
    done = subprocess.run([sys.executable, CHANCE, *map(str, argv)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_course_that_was_stopped_goes_on_to_the_same_probabilities(tmp_path):
    common = "--candidate", "chainer1.8", "--data", "digits", "--epochs"
    chance("train", tmp_path / "whole", *common, 3)
    chance("train", tmp_path / "parts", *common, 2)
    chance("train", tmp_path / "parts", *common, 3)
    whole, parts = ((tmp_path / name / "probabilities.csv").read_text() for name in
                    ("whole", "parts"))
    assert whole == parts and len(whole.splitlines()) == 4
    table = chance("tell", tmp_path / "whole", tmp_path / "parts").splitlines()
    assert [row.split(" | ")[1:3] for row in table[2:]] == 2 * [["3", "0 of 1"]]

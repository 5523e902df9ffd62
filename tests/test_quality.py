"""quality.py as a user types it."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import change_settings

import quality
from lab.images import source
from lab.judge import figures, measured
from lab.judge.figures import Judge
from lab.runs import files
from lab.runs.opened import open_run

HERE = Path(__file__).resolve().parents[1]
COLUMNS = figures.columns(0)
FIGURES = COLUMNS[1:]


@pytest.fixture
def command(capsys):
    """Returns a function: command("RUN") runs quality.py, returns (exit code, stdout, stderr)."""
    def call(*argv):
        try:
            code = quality.main([str(a) for a in argv])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()
    return call


def copy_run(tiny_run, folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes((tiny_run / name).read_bytes())
    return folder


def test_a_run_is_measured_beside_the_real_images_and_the_untrained_generator(
        command, tiny_run, tmp_path):
    run = copy_run(tiny_run, tmp_path / "run", "settings.json", "generator.npz")
    code, out, err = command(run)
    assert code == 0 and err == ""
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == list(COLUMNS)
    assert [line.split()[0] for line in lines[1:4]] == ["real", "0", "3"]
    assert lines[1].endswith("ceiling")
    images = source.load("digits")
    judge = Judge(images.x, images.labels, 0)
    real = judge.reference_real()
    assert [float(cell) for cell in lines[1].split()[1:7]] == pytest.approx(
        [real[name] for name in FIGURES], abs=0.006)


def test_epochs_measured_while_training_stand_in_the_table_and_can_be_the_best(
        command, tiny_run, tmp_path):
    run = copy_run(tiny_run, tmp_path / "run", "settings.json", "generator.npz", "losses.csv")
    rows = [(0, 9.5, 0, 0, 0.1, 0.4, 4.1), (2, 0.123, 0.61, 0.52, 0.98, 0.87, 1.05)]
    files.write_table(run / "quality.csv", COLUMNS, rows)
    code, out, _ = command(run)
    assert code == 0
    lines = out.splitlines()
    assert lines[2].split() == "0 9.500 0.00 0.00 0.10 0.40 4.10 floor".split()
    assert lines[3].split() == "2 0.123 0.61 0.52 0.98 0.87 1.05 best".split()
    assert lines[4].split()[0] == "3"
    assert "best: epoch 2, with the lowest Fréchet distance of 3 measured" in out


def test_the_other_weights_are_measured_when_asked_for(command, steady_run):
    """quality.csv has all figures of the average, which the run shows, and the distance of both."""
    shown, trained = (command(steady_run, *flags)[1].splitlines()
                      for flags in ((), ("--weights", "trained")))
    with open(steady_run / "quality.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*COLUMNS, "frechet_trained"]
    for i, row in enumerate(rows):
        assert shown[i + 2].split()[1] == f"{float(row['frechet']):.3f}"
        assert trained[i + 2].split()[1] == f"{float(row['frechet_trained']):.3f}"
    assert rows[2]["frechet"] != rows[2]["frechet_trained"]
    assert shown[3].count(" -") == 0 and trained[3].count(" -") == len(FIGURES) - 1


def test_an_older_quality_csv_with_fewer_figures_is_read(command, tiny_run, tmp_path):
    run = copy_run(tiny_run, tmp_path / "run", "settings.json", "generator.npz")
    (run / "quality.csv").write_text("epoch,frechet,precision\n0,9.5,0.0\n2,0.123,0.61\n")
    code, out, _ = command(run)
    assert code == 0
    assert out.splitlines()[3].split() == "2 0.123 0.61 - - - - best".split()


def test_the_saved_generator_is_measured_as_it_was_in_training(tiny_run):
    in_training = measured.read_rows(open_run(tiny_run))
    _, rows = measured.measure_run(open_run(tiny_run))
    assert list(rows) == list(in_training) == [0, 3]
    for epoch in rows:
        assert rows[epoch] == pytest.approx(in_training[epoch], rel=1e-4, abs=1e-6)


def test_a_folder_without_a_run_or_with_a_damaged_one_is_one_line(command, tiny_run, tmp_path):
    def fails(run, *flags):
        code, out, err = command(run, *flags)
        assert (code, out) == (1, "")
        assert err.startswith("quality.py: error: ") and err.count("\n") == 1
        return err

    assert "settings.json" in fails(tmp_path)
    assert "nowhere" in fails(tmp_path / "nowhere")
    assert "generator.npz" in fails(copy_run(tiny_run, tmp_path / "a", "settings.json"))
    run = copy_run(tiny_run, tmp_path / "b", "settings.json", "generator.npz")
    assert "no-mnist-here" in fails(run, "--data", tmp_path / "no-mnist-here")
    for header, row in ("epoch,recall", "0,1.0"), ("frechet", "1.0"), ("epoch,frechet,x", "0,1,1"):
        (run / "quality.csv").write_text(f"{header}\n{row}\n")
        assert "quality.csv" in fails(run)
    (run / "quality.csv").unlink()
    settings = (run / "settings.json").read_bytes()
    change_settings(run, fingerprint=None)
    assert "settings.json" in fails(run)
    (run / "settings.json").write_bytes(settings)
    (run / "generator.npz").write_bytes((tiny_run / "generator.npz").read_bytes()[:5000])
    assert "generator.npz" in fails(run)


def test_other_images_than_those_of_the_run_are_refused(command, tiny_run, tmp_path):
    run = copy_run(tiny_run, tmp_path / "run", "settings.json", "generator.npz")
    change_settings(run, digit=3)
    code, _, err = command(run)
    assert code == 1 and "not those that the run was trained on" in err and "--data" in err


def test_a_bad_flag_is_one_line(command):
    for argv in ([], ["a", "b"], ["a", "--dat", "x"]):
        code, out, err = command(*argv)
        assert code == 2 and out == ""
        assert err.startswith("quality.py: error: ") and err.count("\n") == 1


def test_help_shows_an_example_and_imports_no_slow_library():
    program = ("import sys, runpy\nsys.argv = ['quality.py', '--help']\n"
               "try:\n    runpy.run_path('quality.py', run_name='__main__')\n"
               "except SystemExit as stop:\n    assert stop.code == 0\n"
               "assert not {'chainer', 'sklearn'} & set(sys.modules)\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "python quality.py result" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80

"""studies/chance.py, which measures for the report, can be stopped and goes on."""

from studies.chance import main


def test_a_course_that_was_stopped_goes_on_to_the_same_probabilities(tmp_path, capsys):
    def chance(*argv):
        assert main([str(word) for word in argv]) == 0
        return capsys.readouterr().out

    common = "--candidate", "chainer1.8", "--data", "digits", "--epochs"
    chance("train", tmp_path / "whole", *common, 3)
    chance("train", tmp_path / "parts", *common, 2)
    chance("train", tmp_path / "parts", *common, 3)
    whole, parts = ((tmp_path / name / "probabilities.csv").read_text() for name in
                    ("whole", "parts"))
    assert whole == parts and len(whole.splitlines()) == 4
    table = chance("tell", tmp_path / "whole", tmp_path / "parts").splitlines()
    assert [row.split(" | ")[1:3] for row in table[2:]] == 2 * [["0 of 3", "0 of 1"]]

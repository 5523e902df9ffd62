"""The warnings while training: when they come, and when they must not."""

import pytest

from lab.judge.watch import Watch


def warnings_of(frechet, diversity=0.7, loss_dis=0.5, prob=(0.7, 0.3), epochs=300, every=10):
    """Returns {epoch: warnings} of a run. Each figure is a constant or a function of the epoch."""
    def at(figure, epoch):
        return figure(epoch) if callable(figure) else figure

    watch, nan, told = Watch(), float("nan"), {}
    for epoch in range(epochs + 1):
        figures = {"frechet": at(frechet, epoch), "diversity": at(diversity, epoch)}
        means = (at(loss_dis, epoch), *at(prob, epoch)) if epoch else (nan, nan, nan)
        lines = watch.update(epoch, *means, figures if epoch % every == 0 else None)
        if lines:
            told[epoch] = lines
    return told


def better(epoch):
    return 2 * 0.5 ** (epoch / 100)


def worse_after_100(epoch):
    return 1 if epoch == 100 else 3


def test_samples_that_stay_nearly_identical_are_told_once():
    told = warnings_of(frechet=1.5, diversity=0.03)
    assert list(told) == [50]
    (line,) = told[50]
    assert "nearly identical" in line and "\n" not in line


def test_the_discriminator_that_has_won_is_told_once():
    told = warnings_of(frechet=1.5, loss_dis=lambda epoch: 0.5 if epoch <= 60 else 5e-4)
    assert list(told) == [160]
    (line,) = told[160]
    assert "loss" in line and "0.001" in line


@pytest.mark.parametrize("prob", [(0.999, 0.001), (0.001, 0.999), (1.0, 1.0), (0.0, 0.0)])
def test_probabilities_stuck_at_0_or_1_while_the_samples_get_worse_are_told_once(prob):
    told = warnings_of(frechet=worse_after_100, prob=prob)
    assert list(told) == [200]
    (line,) = told[200]
    assert "sure" in line and "best: epoch 100" in line


def test_the_posts_own_course_is_no_cause_for_a_warning():
    """Its samples get better, with little diversity, D's loss near 1e-4 and a D that is sure."""
    assert warnings_of(frechet=better, diversity=0.03, loss_dis=1e-4, prob=(0.9999, 0.0001)) == {}


def test_getting_worse_alone_is_no_cause_for_a_warning():
    assert warnings_of(frechet=worse_after_100) == {}


def test_a_cause_that_comes_and_goes_is_none():
    def now_and_then(epoch):
        return 0.5 if epoch % 90 == 0 else 1e-4

    def sometimes(epoch):
        return (0.7, 0.3) if epoch % 90 == 0 else (1, 0)

    assert warnings_of(frechet=worse_after_100, loss_dis=now_and_then, prob=sometimes,
                       diversity=lambda epoch: 0.5 if epoch % 40 == 0 else 0.01) == {}


def test_without_measurements_nothing_is_told():
    watch = Watch()
    for epoch in range(1, 400):
        assert watch.update(epoch, 1e-9, 1.0, 0.0) == []


def test_samples_that_differed_at_the_measurement_before_are_not_told():
    """One measurement in a hundred epochs finds them nearly identical: that may have been brief."""
    def once(epoch):
        return 0.03 if epoch == 200 else 0.6

    assert warnings_of(frechet=1.5, diversity=once, epochs=400, every=100) == {}


def test_one_measurement_in_a_hundred_epochs_is_enough():
    told = warnings_of(frechet=1.5, diversity=0.03, loss_dis=1e-4, epochs=400, every=100)
    assert sorted(told) == [100] and len(told[100]) == 2

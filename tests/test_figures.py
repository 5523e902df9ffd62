"""The figures of quality, of samples for which one knows what they should be."""

import itertools
import time

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info

from dcgan import Generator, generate
from lab.images import source
from lab.judge import figures as of_quality
from lab.judge.figures import Judge, best, explain
from lab.judge.space import frechet_distance

FIGURES = of_quality.columns(0)[1:]


def rings(n, seed):
    """Returns images of n rings of random widths, heights and strokes, which pass for zeros."""
    random = np.random.RandomState(seed)
    rx, ry, width, x, y = random.uniform(
        [4, 6, 1, 12, 12], [8, 10, 2.5, 15, 15], (n, 5)).T[:, :, None, None]
    rows, columns = np.mgrid[:28, :28]
    radius = np.hypot((columns - x) / rx, (rows - y) / ry)
    return np.exp(-((radius - 1) * (rx + ry) / 2 / width) ** 2)[:, None].astype(np.float32)


def noise(n):
    return np.random.RandomState(5).normal(0.5, 0.5, (n, 1, 28, 28)).astype(np.float32)


@pytest.fixture(scope="module")
def digits():
    return source.load("digits")


@pytest.fixture(scope="module")
def images(digits):
    """Returns real images of ten digits, among them a thousand rings as the zeros."""
    others = digits.labels != 0
    return (np.concatenate([rings(1000, seed=0), digits.x[others]]),
            np.concatenate([np.zeros(1000, np.uint8), digits.labels[others]]))


@pytest.fixture(scope="module")
def judge(images):
    return Judge(*images, digit=0)


@pytest.fixture(scope="module")
def ceiling(judge):
    return judge.reference_real()


def test_new_images_of_the_same_distribution_are_as_good_as_real_ones(judge, ceiling):
    figures = judge.measure(rings(judge.n_samples, seed=1))
    assert tuple(figures) == tuple(ceiling) == FIGURES
    assert all(type(figure) is float for figure in figures.values())
    for row in figures, ceiling:
        assert row["frechet"] < 0.03
        assert row["precision"] > 0.8 and row["recall"] > 0.8
        assert row["digit_share"] > 0.98
        assert row["diversity"] == pytest.approx(1, abs=0.05)
        assert row["nearest"] == pytest.approx(1, abs=0.1)


def test_one_image_drawn_again_and_again_is_precise_but_without_recall_or_diversity(judge, ceiling):
    figures = judge.measure(np.repeat(rings(1, seed=1), judge.n_samples, axis=0))
    assert figures["diversity"] == pytest.approx(0, abs=1e-3)
    assert figures["recall"] < 0.01
    assert figures["precision"] == 1
    assert figures["frechet"] > 1  # the mean image alone has 1, any other image more


def test_copies_of_the_training_images_show_in_nearest_alone(images, judge, ceiling):
    figures = judge.measure(images[0][:500])
    assert figures["nearest"] == pytest.approx(0, abs=1e-3)
    for name in "frechet", "precision", "recall", "digit_share", "diversity":
        assert figures[name] == pytest.approx(ceiling[name], abs=0.06), name


def test_noise_is_nothing_like_the_real_images(judge):
    figures = judge.measure(noise(judge.n_samples))
    assert figures["precision"] < 0.01 and figures["recall"] < 0.01
    assert figures["frechet"] > 1
    assert figures["nearest"] > 2
    assert figures["digit_share"] == 0


def test_the_untrained_generator_is_the_floor(judge, ceiling):
    np.random.seed(0)
    z = np.random.uniform(-1, 1, (judge.n_samples, 100)).astype(np.float32)
    floor = judge.measure(generate(Generator(), z))
    assert floor["frechet"] > 1 > ceiling["frechet"]
    for name in "precision", "recall", "digit_share", "diversity":
        assert floor[name] < 0.5 * ceiling[name], name
    assert floor["nearest"] > 2 * ceiling["nearest"]


def test_each_share_of_bad_images_makes_the_figures_worse(judge):
    good, bad = rings(judge.n_samples, seed=1), noise(judge.n_samples)
    rows = [judge.measure(np.concatenate([good[k:], bad[:k]])) for k in (0, 50, 150, 300, 450)]
    for better, worse in itertools.pairwise(rows):
        assert worse["frechet"] > better["frechet"]
        assert worse["precision"] < better["precision"]
        assert worse["nearest"] > better["nearest"]
    shares = [row["precision"] / rows[0]["precision"] for row in rows]
    assert shares == pytest.approx([1, 0.9, 0.7, 0.4, 0.1], abs=0.05)


def test_fewer_kinds_of_images_have_less_recall(judge):
    good = rings(judge.n_samples, seed=1)
    recalls = [judge.measure(np.repeat(good[:k], 500 // k, axis=0))["recall"]
               for k in (500, 100, 20, 5)]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] > 0.8 and recalls[-1] < 0.05


def test_digit_share_counts_the_images_of_the_digit(digits, judge):
    zeros, sevens = rings(300, seed=1), digits.x[digits.labels == 7][:100]
    assert judge.measure(sevens)["digit_share"] == pytest.approx(0, abs=0.02)
    mixed = np.concatenate([zeros[:100], sevens])
    assert judge.measure(mixed)["digit_share"] == pytest.approx(0.5, abs=0.02)
    mixed = np.concatenate([zeros, sevens])
    assert judge.measure(mixed)["digit_share"] == pytest.approx(0.75, abs=0.02)


def test_for_all_digits_digit_share_says_how_evenly_they_occur(digits):
    judge = Judge(digits.x, digits.labels, "all")
    assert judge.reference_real()["digit_share"] > 0.95
    kinds = [judge.measure(digits.x[digits.labels < k])["digit_share"] for k in (1, 2, 5)]
    assert kinds == pytest.approx([0.1, 0.2, 0.5], abs=0.02)


def test_brightness_and_contrast_do_not_count(judge):
    good = rings(judge.n_samples, seed=1)
    expected = judge.measure(good)
    assert judge.measure(3 * good - 1) == pytest.approx(expected, abs=1e-4)
    assert judge.measure(0.01 * good + 7) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_frechet_distance_is_that_of_the_formula(seed):
    random = np.random.RandomState(seed)
    a = random.normal(size=(200, 5)) @ random.normal(size=(5, 5))
    b = random.normal(size=(300, 5)) @ random.normal(size=(5, 5)) + random.normal(size=5)
    ca, cb = np.cov(a.T), np.cov(b.T)
    expected = (np.sum((a.mean(0) - b.mean(0)) ** 2)
                + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real))
    assert frechet_distance(a, b) == pytest.approx(expected / np.trace(ca), rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    # A shift by s costs |s|^2, a factor f on all features (f - 1)^2 of the variance.
    shift = np.array([3, 0, 4, 0, 0])
    assert frechet_distance(a, a + shift) == pytest.approx(25 / np.trace(ca))
    centred = a - a.mean(0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4)


def test_measuring_neither_draws_random_numbers_nor_depends_on_them(images, judge):
    before = np.random.get_state()[1].copy(), np.random.get_state()[2]
    again = Judge(*images, digit=0)
    samples = rings(500, seed=1)
    assert again.measure(samples) == judge.measure(samples) == judge.measure(samples)
    assert again.reference_real() == judge.reference_real()
    after = np.random.get_state()
    assert (after[1] == before[0]).all() and after[2] == before[1]


def test_measuring_leaves_the_threads_of_the_training_as_they_were(images):
    def threads():
        return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}

    Judge(*images, digit=0)  # loads what scikit-learn brings along
    before = threads()
    Judge(*images, digit=0).measure(noise(20))
    assert threads() == before


def test_measuring_changes_neither_the_images_nor_the_samples(images):
    x, labels = images[0].copy(), images[1].copy()
    x.flags.writeable = labels.flags.writeable = False
    samples = noise(100)
    samples.flags.writeable = False
    Judge(x, labels, 0).measure(samples)


def test_the_178_small_zeros_are_enough(digits):
    judge = Judge(digits.x, digits.labels, 0)
    assert judge.n_samples == 89
    real, bad = judge.reference_real(), judge.measure(noise(89))
    assert real["frechet"] < 0.5 < bad["frechet"]
    assert real["precision"] > 0.6 and real["recall"] > 0.6
    assert bad["precision"] == bad["recall"] == 0


@pytest.mark.parametrize("n", [8, 9, 20])
def test_eight_real_images_are_enough(digits, n):
    zeros = np.flatnonzero(digits.labels == 0)[:n]
    for chosen in zeros, np.concatenate([zeros, np.flatnonzero(digits.labels == 1)]):
        judge = Judge(digits.x[chosen], digits.labels[chosen], 0)
        for row in judge.reference_real(), judge.measure(noise(4)), judge.measure(digits.x[:100]):
            assert np.isfinite(list(row.values())).all()


@pytest.mark.parametrize("n", [1, 2, 7])
def test_fewer_real_images_are_refused(digits, n):
    chosen = np.flatnonzero(digits.labels == 0)[:n]
    with pytest.raises(ValueError, match=rf"too few real images .*\({n} of digit 0\)"):
        Judge(digits.x[chosen], digits.labels[chosen], 0)


def test_real_images_that_are_all_alike_are_refused(digits):
    with pytest.raises(ValueError, match="all alike"):
        Judge(np.repeat(digits.x[:1], 50, axis=0), np.zeros(50, int), 0)


def test_nearest_is_nan_if_every_training_image_has_a_double(digits):
    zeros = digits.x[digits.labels == 0][:40].repeat(2, axis=0)
    assert np.isnan(Judge(zeros, np.zeros(80, int), 0).measure(noise(20))["nearest"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_of_a_broken_generator_are_refused(judge, value):
    samples = rings(20, seed=1)
    samples[3, 0, 5, 5] = value
    with pytest.raises(ValueError, match="not finite"):
        judge.measure(samples)


def test_blank_and_huge_samples_are_measured(judge):
    for samples in np.zeros((50, 1, 28, 28), np.float32), 1e18 * noise(50), 1e-18 * noise(50):
        figures = judge.measure(samples)
        assert np.isfinite(list(figures.values())).all()
        assert figures["precision"] < 0.05 and figures["recall"] < 0.05


def test_measuring_6903_images_takes_less_than_a_second():
    """Processor time counts, because other programs may be running; one thread measures."""
    x = np.concatenate([rings(6903, seed=0), noise(3000)])
    labels = np.r_[np.zeros(6903, int), np.ones(3000, int)]
    judge, samples = Judge(x, labels, 0), rings(1000, seed=1)
    judge.measure(samples)
    begun = time.process_time()
    judge.measure(samples)
    assert time.process_time() - begun < 1


def test_the_best_epoch_has_the_lowest_frechet_distance():
    rows = {0: {"frechet": 2.0, "precision": 1.0}, 10: {"frechet": 0.3, "precision": 0.5},
            20: {"frechet": 0.7, "precision": 0.9}}
    assert best(rows) == 10


def test_a_new_figure_is_one_function_with_its_words(images, monkeypatch):
    monkeypatch.setattr(of_quality, "FIGURES", dict(of_quality.FIGURES))

    @of_quality.figure("brightness of the {digit}s", of_digits=True)
    def ink(judge, samples):
        return samples.pixels.shape[1]

    judge = Judge(*images, digit=0)
    assert judge.measure(noise(20))["ink"] == judge.reference_real()["ink"] == 28 * 28
    assert of_quality.columns("all")[-1] == "ink" and "ink" not in of_quality.columns(None)
    assert explain("ink", 3) == "brightness of the 3s"

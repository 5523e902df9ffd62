"""make bench: its contenders compute the same, and it counts the arithmetic of an update."""

import platform
import sys

import numpy as np
import pytest
from conftest import settings_of

from benchmarks.arithmetic import gigaflop
from benchmarks.benchmark import MATRICES, Measured
from benchmarks.contender import HERE, Contender
from benchmarks.on_chainer import Ours
from chainer_cpu import chainer
from lab import networks


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Writes images, z and weights as all contenders load them. Returns the path."""
    path = tmp_path_factory.mktemp("data") / "data.npz"
    Ours().write_data(path, 32, 3, 4)
    return str(path)


def versions(data, **options):
    """Returns what our contender says that it computes with, {name: text}."""
    with Contender("ours", [sys.executable, str(HERE / "on_chainer.py")], **options) as contender:
        return contender.ask("load", data)["versions"]


def test_no_contender_is_held_back_but_all_by_avx2(data, monkeypatch):
    """OpenBLAS and Numba read these variables once, when they are loaded."""
    plain = versions(data)
    for variable, value in (("OPENBLAS_CORETYPE", "Prescott"), ("OPENBLAS_NUM_THREADS", "1"),
                            ("NUMBA_CPU_NAME", "nehalem")):
        monkeypatch.setenv(variable, value)
    assert versions(data) == plain
    if platform.machine() == "x86_64":
        held = versions(data, avx2=True)
        assert held["vector instructions"] == "AVX2"
        assert "openblas" not in held["BLAS"] or "(Haswell)" in held["BLAS"]


def test_a_slow_contender_is_compared_in_the_rounds_that_both_had():
    """Ours has a turn in every second round, the other in every third."""
    ours, other = Measured.__new__(Measured), Measured.__new__(Measured)
    ours.turns = {0: (4.0, None), 2: (1.0, None), 4: (1.0, None), 6: (4.0, None)}
    other.turns = {0: (8.0, None), 3: (5.0, None), 6: (16.0, None)}
    assert other.times_slower_than(ours) == 3


def test_a_contender_that_does_not_start_is_one_line(capfd):
    with pytest.raises(SystemExit, match="a contender broke off [(]torch[)]"), \
            Contender("torch", [sys.executable, "-c", ""]) as contender:
        contender.process.wait()
        contender.ask("step", 1)


@pytest.mark.parametrize("size, channels", [(28, 1), (28, 3), (32, 3), (64, 3)])
def test_the_arithmetic_counted_is_that_of_the_networks(size, channels):
    gen, dis = networks.build(settings_of(channels=channels, size=size,
                                          sizes="listing" if size == 28 else "512"))
    # A convolution of ones with ones counts the taps that meet a pixel.
    x, products = np.ones((1, 1, size, size), np.float32), []
    for layer in (dis.c1, dis.c2, dis.c3, dis.c4):
        taps = chainer.functions.convolution_2d(
            x, np.ones((1, 1, *layer.W.shape[2:]), np.float32), stride=layer.stride, pad=layer.pad)
        products.append(float(taps.array.sum()) * layer.W.shape[0] * layer.W.shape[1])
        x = np.ones_like(taps.array)
    # Each layer of D mirrors one of G. G's is run three times: forward, and for the gradients of
    # its input and of its weights. D's is run seven times: twice forward, twice for the gradient of
    # its weights, three times for that of its input (the first layer: only when G is updated).
    multiplications = sum((3 + 7) * n for n in products) - 2 * products[0]
    multiplications += 2 * gen.l1.W.size + 7 * dis.l1.W.size
    assert gigaflop(size, channels) == pytest.approx(2e-9 * multiplications, rel=1e-12)


def test_stock_chainer_in_our_loop_and_in_the_authors_computes_our_losses(data):
    ours = Ours()
    with np.load(data) as arrays:
        ours.load(dict(arrays))
    inside = ours.inside()
    expected = [ours.step() for _ in range(2)]
    assert ours.inside() > inside
    for name in ("stock", "author"):
        with Contender(name, [sys.executable, str(HERE / "on_chainer.py")]) as contender:
            contender.ask("load", data)
            answer = contender.ask("step", 2)
        assert answer["outside"] is None
        np.testing.assert_allclose(answer["losses"][0], expected[0], rtol=1e-4)
        np.testing.assert_allclose(answer["losses"][1], expected[1], rtol=1e-2)


def test_matrices_are_multiplied_in_a_process_of_their_own():
    """Their 100 MB once counted as the memory of our contender."""
    with Contender("sgemm", MATRICES) as contender:
        assert contender.ask("sgemm") > 0

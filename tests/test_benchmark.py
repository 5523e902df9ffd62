"""make bench: its contenders compute the same, and it counts what an update needs."""

import sys

import numpy as np
import pytest
from arithmetic import gigaflop
from contender import HERE, Contender
from on_chainer import Ours

import networks
from chainer_cpu import chainer


@pytest.mark.parametrize("size, channels", [(28, 1), (28, 3), (32, 3), (64, 3)])
def test_the_arithmetic_counted_is_that_of_the_networks(size, channels):
    gen, dis = networks.build({"z_dim": 100, "channels": channels, "size": size,
                               "sizes": "listing"})
    # A convolution of ones with ones counts the taps that meet a pixel.
    x, products = np.ones((1, 1, size, size), np.float32), []
    for layer in (dis.c1, dis.c2, dis.c3, dis.c4):
        taps = chainer.functions.convolution_2d(
            x, np.ones((1, 1, *layer.W.shape[2:]), np.float32), stride=layer.stride, pad=layer.pad)
        products.append(float(taps.array.sum()) * layer.W.shape[0] * layer.W.shape[1])
        x = np.ones_like(taps.array)
    # Each is one of G's (forward, and the gradients of its input and its weights) and one of D's
    # (forward twice, its weights' gradient twice, its input's three times, but for real and
    # generated images when D is updated).
    multiplications = sum((3 + 7) * n for n in products) - 2 * products[0]
    multiplications += 2 * gen.l1.W.size + 7 * dis.l1.W.size
    assert gigaflop(size, channels) == pytest.approx(2e-9 * multiplications, rel=1e-12)


def test_stock_chainer_in_our_loop_and_in_the_authors_computes_our_losses(tmp_path):
    path, ours = tmp_path / "data.npz", Ours()
    ours.write_data(path, 32, 3, 4)
    with np.load(path) as data:
        ours.load(dict(data))
    inside = ours.inside()
    expected = [ours.step() for _ in range(2)]
    assert ours.inside() > inside
    for name in ("stock", "author"):
        with Contender(name, [sys.executable, str(HERE / "on_chainer.py")]) as contender:
            contender.ask("load", str(path))
            answer = contender.ask("step", 2)
        assert answer["outside"] is None
        np.testing.assert_allclose(answer["losses"][0], expected[0], rtol=1e-4)
        np.testing.assert_allclose(answer["losses"][1], expected[1], rtol=1e-2)

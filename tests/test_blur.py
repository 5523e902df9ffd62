"""The blur through which D sees all images in the beginning of recipe steady."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

import dcgan
from chainer_cpu import chainer
from lab.training.blur import blur
from trainer import BLUR_IMAGES, Trainer


def images(n=6, channels=1, size=28):
    return np.random.RandomState(1).uniform(0, 1, (n, channels, size, size)).astype(np.float32)


def blurred(x, deviation):
    """Blurs x by SciPy, which repeats the pixels of an edge beyond it, as ours does."""
    for axis in 2, 3:
        x = gaussian_filter1d(x.astype(np.float64), deviation, axis=axis, mode="nearest",
                              truncate=6)
    return x.astype(np.float32)


def build(order="discriminator-first", **more):
    np.random.seed(0)
    return Trainer(dcgan.Generator(z_dim=10), dcgan.Discriminator(), order=order, **more)


@pytest.mark.parametrize("channels, size, deviation", [(1, 28, 3), (3, 32, 0.8), (3, 64, 5)])
def test_it_is_a_gaussian_blur(channels, size, deviation):
    x = images(2, channels, size)
    np.testing.assert_allclose(blur(x, deviation).array, blurred(x, deviation), atol=1e-6)


def test_gradients_pass_it():
    """A blur is linear: the sum of gy times y is that of gx times x."""
    x, gy = chainer.Variable(images()), images()[::-1].copy()
    y = blur(x, 1.5)
    y.grad = gy
    y.backward()
    assert (x.grad * x.array).sum() == pytest.approx((gy * y.array).sum(), rel=1e-5)
    assert not np.allclose(x.grad, gy, atol=0.1)


def test_a_blur_of_nearly_nothing_is_none():
    x = images()
    assert blur(x, 0) is x and blur(x, 0.1) is x
    np.testing.assert_allclose(blurred(x, 0.15), x, atol=1e-6)


@pytest.mark.parametrize("order", ["generator-first", "discriminator-first"])
@pytest.mark.parametrize("seen, deviation", [(0, 2.8), (BLUR_IMAGES // 2, 1.4)])
def test_d_sees_real_and_generated_images_through_a_blur_that_fades(order, seen, deviation):
    trainer, twin = build(order, blur=0.1), build(order)
    x, z = images(), np.random.uniform(-1, 1, (6, 10)).astype(np.float32)
    F = chainer.functions
    y = twin.dis(blurred(twin.gen(z).array, deviation)), twin.dis(blurred(x, deviation))
    fake, real = (np.full(6, label, np.int32) for label in (1, 0))
    expected = F.softmax_cross_entropy(y[0], fake) + F.softmax_cross_entropy(y[1], real)
    trainer.averaged = seen
    assert trainer.update(x, z)[1] == pytest.approx(float(expected.array), rel=1e-4)
    assert all(p.grad.any() for p in trainer.gen.params()), "G learns through it"


def test_after_its_images_it_is_gone_to_the_bit():
    states = []
    for share in 0.1, 0.0:
        trainer = build(blur=share)
        trainer.averaged = BLUR_IMAGES
        list(trainer.steps(images(), epochs=2, batch_size=3))
        states.append(trainer.state())
    assert all(np.array_equal(x, states[1][key]) for key, x in states[0].items())

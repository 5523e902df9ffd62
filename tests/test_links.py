"""The fast links against Chainer's own, the networks of dcgan.py, and the fast Adam."""

import collections
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import dcgan
from chainer_cpu import chainer, optimizers
from chainer_cpu import functions as F
from chainer_cpu import links as L

stock = chainer.links
ROOT = pathlib.Path(dcgan.__file__).parent
LINKS = {
    "Linear": lambda m: m.Linear(18, 7),
    "Linear, size to come": lambda m: m.Linear(7),
    "Convolution2D": lambda m: m.Convolution2D(2, 5, 3, 3, 1),
    "Convolution2D, size to come": lambda m: m.Convolution2D(None, 5, 3, 3, 1),
    "Convolution2D, no bias": lambda m: m.Convolution2D(2, 5, 3, 3, 1, nobias=True),
    "Deconvolution2D": lambda m: m.Deconvolution2D(2, 5, 2, 2, 1),
    "Deconvolution2D, size to come": lambda m: m.Deconvolution2D(None, 5, 2, 2, 1),
    "BatchNormalization": lambda m: m.BatchNormalization(2),
    "BatchNormalization, no gamma": lambda m: m.BatchNormalization(2, use_gamma=False),
    "BatchNormalization, axis": lambda m: m.BatchNormalization(axis=(0, 2, 3)),
}
X = np.random.RandomState(0).uniform(-1, 1, (4, 2, 3, 3)).astype(np.float32)


def both(name):
    """Yields the link twice, fast and Chainer's own, each with the same seed."""
    for module in (L, stock):
        np.random.seed(3)
        yield LINKS[name](module)


@pytest.mark.parametrize("name", LINKS)
def test_links_draw_chainers_weights_and_compute_its_values(name):
    found = []
    for link in both(name):
        y = link(X).array  # where the size is to come, this draws the weights
        found.append((y, {k: v.array.tolist() for k, v in link.namedparams()}, np.random.rand()))
    (y, weights, draw), (expected, chainers_weights, chainers_draw) = found
    assert weights == chainers_weights
    assert draw == chainers_draw, "more or fewer random numbers drawn than Chainer draws"
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("finetune", [False, True])
def test_normalization_keeps_chainers_running_statistics_and_test_mode(finetune):
    fast, own = both("BatchNormalization")
    for link in (fast, own):
        for scale in (1, 2, 3):
            link(X * scale + 1, finetune=finetune)
    np.testing.assert_allclose(fast.avg_mean, own.avg_mean, rtol=1e-5)
    np.testing.assert_allclose(fast.avg_var, own.avg_var, rtol=1e-5)
    with chainer.using_config("train", False):
        np.testing.assert_allclose(fast(X).array, own(X).array, rtol=1e-5, atol=1e-6)


def test_recomputing_does_not_move_the_running_statistics():
    fast, _ = both("BatchNormalization")
    with chainer.using_config("in_recomputing", True):
        fast(X)
    assert not fast.avg_mean.any()


@pytest.mark.parametrize("name", LINKS)
def test_weights_load_both_ways_between_fast_and_stock(name, tmp_path):
    for a, b in (tuple(both(name)), tuple(both(name))[::-1]):
        for link in (a, b):
            link(X)
        for param in a.params():
            param.array[...] = np.random.RandomState(7).rand(*param.shape)
        chainer.serializers.save_npz(tmp_path / "weights.npz", a)
        chainer.serializers.load_npz(tmp_path / "weights.npz", b)
        np.testing.assert_allclose(a(X).array, b(X).array, rtol=1e-5, atol=1e-6)


def creators(variable):
    """Returns every function between a variable and its leaves."""
    found, waiting = [], [variable.creator_node]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.append(node)
            waiting += [x.creator_node for x in node.inputs]
    return found


@pytest.mark.parametrize("sizes", dcgan.SIZES)
def test_every_layer_of_the_posts_networks_takes_the_fast_road(sizes):
    generator = dcgan.Generator(z_dim=6, sizes=dcgan.SIZES[sizes])
    discriminator = dcgan.Discriminator(sizes=dcgan.SIZES[sizes])
    z = np.random.RandomState(0).rand(3, 6).astype(np.float32)
    names = collections.Counter(
        (type(node).__module__.split(".")[0], type(node).__name__)
        for node in creators(discriminator(generator(z))))
    assert names == {("chainer_cpu", "Linear"): 2, ("chainer_cpu", "Convolution2D"): 4,
                     ("chainer_cpu", "Deconvolution2D"): 4,
                     ("chainer_cpu", "BatchNormalization"): 7,
                     ("chainer_cpu", "ReLU"): 8, ("chainer_cpu", "Reshape"): 1}


@pytest.mark.parametrize("options", [
    {}, {"alpha": 0.0002, "beta1": 0.5}, {"eps": 1e-3, "eta": 0.5}, {"amsgrad": True},
    {"weight_decay_rate": 0.1}], ids=str)
def test_adam_is_chainers(options):
    links = tuple(both("Deconvolution2D"))
    rules = [module.Adam(**options).setup(link)
             for module, link in zip((optimizers, chainer.optimizers), links, strict=True)]
    for step in range(5):
        for link, rule in zip(links, rules, strict=True):
            for i, param in enumerate(link.params()):
                random = np.random.RandomState(10 * step + i)
                param.grad = random.randn(*param.shape).astype(np.float32)
            rule.update()
    for fast, own in zip(*(link.params() for link in links), strict=True):
        np.testing.assert_allclose(fast.array, own.array, rtol=1e-5, atol=1e-7)
        assert fast.update_rule.state.keys() == own.update_rule.state.keys() >= {"m", "v"}
        for name, value in own.update_rule.state.items():
            np.testing.assert_allclose(fast.update_rule.state[name], value, rtol=1e-5, atol=1e-9)


def test_adam_takes_moments_in_any_memory_order():
    """Weights lie in memory tap by tap; an array that comes from a checkpoint does not."""
    links = [next(both("Deconvolution2D")) for _ in range(2)]
    rules = [optimizers.Adam().setup(link) for link in links]
    for step in range(3):
        for link, rule in zip(links, rules, strict=True):
            for param in link.params():
                param.grad = np.random.RandomState(step).randn(*param.shape).astype(np.float32)
            rule.update()
        for name, value in links[1].W.update_rule.state.items():
            links[1].W.update_rule.state[name] = np.ascontiguousarray(value)
    assert np.array_equal(links[0].W.array, links[1].W.array)


PROGRAM = """
import sys, numpy as np
from chainer_cpu import chainer, functions as F, links as L, optimizers
import dcgan
np.random.seed(1)
gen, dis = dcgan.Generator(), dcgan.Discriminator()
adam = optimizers.Adam().setup(gen)
for _ in range(3):
    z = np.random.uniform(-1, 1, (40, 100)).astype(np.float32)
    loss = F.softmax_cross_entropy(dis(gen(z)), np.zeros(40, np.int32))
    chainer.grad([loss], list(gen.params()), set_grad=True)
    adam.update()
sys.stdout.buffer.write(b"".join(p.array.tobytes() for _, p in sorted(gen.namedparams())))
"""


# Compiles one small function, and not the kernels, which take several times as long.
LITTLE = """
import numpy as np
from chainer_cpu import _queue
x = np.arange(6.0)
(address, size), = _queue.addresses([(x,)])
print(address == x.ctypes.data, size)
"""


def run_program(folder, program=PROGRAM, **environment):
    """Runs program in a process of its own, on the files in folder. Returns its output."""
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True,
                          check=True, env={**os.environ, "PYTHONPATH": str(folder), **environment}
                          ).stdout


def test_the_same_seed_gives_identical_bytes():
    assert run_program(ROOT) == run_program(ROOT)


@pytest.mark.parametrize("program", [LITTLE, pytest.param(PROGRAM, marks=pytest.mark.faults)],
                         ids=["a little", "a training"])
def test_a_missing_and_unwritable_cache_folder_is_survived(tmp_path, program):
    """A file stands in the place of every folder that compiled code could go to."""
    shutil.copy(ROOT / "dcgan.py", tmp_path)
    shutil.copytree(ROOT / "chainer_cpu", tmp_path / "chainer_cpu",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "chainer_cpu" / "__pycache__").touch()
    (tmp_path / "home").touch()
    nowhere = str(tmp_path / "home")
    unwritable = {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "NUMBA_CACHE_DIR": "",
                  "PYTHONDONTWRITEBYTECODE": "1"}
    assert run_program(tmp_path, program, **unwritable) == run_program(ROOT, program)


def test_importing_chainer_keeps_nothing_of_its_importer_alive():
    """Chainer keeps the errors of failed imports, which would keep its importer's variables."""
    program = """
import gc, weakref
import numpy as np

def train():
    images = np.zeros(8)
    ref = weakref.ref(images)
    from chainer_cpu import chainer, functions
    return ref

ref = train()
gc.collect()
assert ref() is None
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def adam_of(link):
    """Returns the link's Adam after its parameters have been given gradients."""
    link(X)
    for i, param in enumerate(link.params()):
        param.grad = np.random.RandomState(i).randn(*param.shape).astype(np.float32)
    return optimizers.Adam(alpha=0.01).setup(link)


def test_all_parameters_in_one_go_are_updated_as_one_by_one():
    links = [next(both("Convolution2D")) for _ in range(2)]
    together, rules = (adam_of(link) for link in links)
    for _ in range(3):
        together.update()
        for param in links[1].params():
            param.update()
    assert together.t == 3 and links[0].W.update_rule.t == 3
    for a, b in zip(*(link.params() for link in links), strict=True):
        assert np.array_equal(a.array, b.array)
        assert all(np.array_equal(a.update_rule.state[key], b.update_rule.state[key])
                   for key in "mv")


@pytest.mark.parametrize("change", [
    lambda adam, link: setattr(link.W.update_rule.hyperparam, "alpha", 0.5),
    lambda adam, link: setattr(link.b.update_rule, "enabled", False),
    lambda adam, link: link.b.cleargrad(),
    lambda adam, link: adam.add_hook(chainer.optimizer_hooks.WeightDecay(0.1)),
    lambda adam, link: link.W.update_rule.add_hook(chainer.optimizer_hooks.Lasso(0.1)),
], ids=["its own alpha", "not enabled", "no gradient", "weight decay", "hook of one rule"])
def test_what_is_out_of_the_ordinary_is_updated_as_chainer_does(change):
    links = tuple(both("Convolution2D"))
    for link, module in zip(links, (optimizers, chainer.optimizers), strict=True):
        adam_of(link)
        adam = module.Adam(alpha=0.01).setup(link)
        adam.update()
        change(adam, link)
        adam.update()
    for a, b in zip(*(link.params() for link in links), strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-5, atol=1e-7)


def test_numbers_that_are_not_finite_are_counted_gradient_by_gradient():
    params = [chainer.Parameter(np.zeros(shape, np.float32)) for shape in (5, (300, 400), (2, 3))]
    for param in params:
        param.grad = np.full(param.shape, 3e38, np.float32)  # whose sum would not be finite
    assert optimizers.not_finite(params).tolist() == [0, 0, 0]
    params[1].grad[7:9, 3] = np.nan, -np.inf
    params[2].grad = np.full((3, 2), np.inf, np.float32).T
    assert optimizers.not_finite(params).tolist() == [0, 2, 6]


def test_gradients_of_any_kind_are_counted():
    """Gradients may be strided, one number for all, missing, or of another dtype."""
    params = [chainer.Parameter(np.zeros(shape, np.float32)) for shape in (5, (30, 40), 3)]
    among = np.full((5, 2), np.nan, np.float32)
    among[:, 0] = 1
    params[0].grad = among[:, 0]
    F.grad([F.sum(params[1])], [params[1]], set_grad=True)
    assert params[2].grad is None
    assert optimizers.not_finite(params).tolist() == [0, 0, 0]
    params[0].grad[2] = np.inf
    assert optimizers.not_finite(params).tolist() == [1, 0, 0]
    wide = chainer.Parameter(np.zeros(4))
    wide.grad = np.array([1, np.nan, 1e300, np.inf])
    assert optimizers.not_finite([wide, params[0]]).tolist() == [2, 1]

"""A contender on Chainer, in a process of its own: ``on_chainer.py NAME``.

NAME is ours, beside (ours in another checkout), stock or author. PYTHONPATH names the project's
folder that is imported.
"""

import contextlib
import importlib.metadata

import numpy as np
from numba.core.registry import cpu_target

import chainer_cpu
import dcgan
import trainer
from benchmarks.arithmetic import settings_of
from benchmarks.contender import serve
from chainer_cpu import _queue
from lab import networks
from lab.runs import checkpoint


class Ours:
    """The trainer and the networks as they are."""

    def inside(self):
        """Returns the seconds spent in compiled kernels so far."""
        return 1e-9 * _queue.nanoseconds_in_kernels

    def versions(self):
        names = ("Chainer", "NumPy", "SciPy", "Numba")
        return ({name: importlib.metadata.version(name.lower()) for name in names}
                | {"BLAS": checkpoint.blas(), "vector instructions": instructions()})

    def threads(self):
        return chainer_cpu.count_threads()

    def write_data(self, path, size, channels, batch):
        random = np.random.RandomState(1)
        low, high = networks.value_range(settings_of(size, channels))
        save(path, random.uniform(low, high, (batch, channels, size, size)).astype(np.float32),
             random.uniform(-1, 1, (batch, 100)).astype(np.float32))

    def load(self, data):
        self.x, self.z = data["x"], data["z"]
        both = dict(zip(("gen", "dis"), build(self.x), strict=True))
        for name, network in both.items():
            for path, param in network.namedparams():
                param.array[...] = data[name + path]
        self.run = trainer.Trainer(**both)

    def step(self):
        return self.run.update(self.x, self.z)


class Stock(Ours):
    """The same trainer and networks on Chainer's own functions, links and optimizers."""

    def __init__(self):
        chainer = chainer_cpu.chainer
        for module in (dcgan, *map(networks.module, networks.TABLE)):
            module.F, module.L = chainer.functions, chainer.links
        # The trainer calls these names, which Chainer has elsewhere or not at all.
        chainer.functions.grad, chainer.optimizers.not_finite = chainer.grad, _not_finite
        chainer.functions.deferred = contextlib.nullcontext
        chainer.optimizers.Adam.update_and_average = lambda adam, average, decay: adam.update()
        vars(chainer_cpu).update(functions=chainer.functions, links=chainer.links,
                                 optimizers=chainer.optimizers)

    def inside(self):
        return None


class Author(Stock):
    """Stock Chainer in the author's own loop, thirteen passes through a network where ten are used:
    both losses go back through both networks, whichever of them is updated."""

    def step(self):
        F, run = chainer_cpu.functions, self.run
        real, fake = (np.full(len(self.z), label, np.int32)
                      for label in (trainer.REAL, trainer.FAKE))
        y_fake = run.dis(run.gen(self.z))
        loss_gen = F.softmax_cross_entropy(y_fake, real)
        loss_dis = (F.softmax_cross_entropy(y_fake, fake)
                    + F.softmax_cross_entropy(run.dis(self.x), real))
        for loss, optimizer in ((loss_gen, run.opt_gen), (loss_dis, run.opt_dis)):
            run.gen.cleargrads()
            run.dis.cleargrads()
            loss.backward()
            optimizer.update()
        return float(loss_gen.array), float(loss_dis.array)


def _not_finite(parameters):
    return [not np.isfinite(parameter.grad.sum()) for parameter in parameters]


def instructions():
    """Names the widest vectors that compiled code may use, or the processor it is compiled for."""
    _, processor, features = cpu_target.target_context.codegen().magic_tuple()
    return next((name for name, feature in (("AVX-512", "+avx512f"), ("AVX2", "+avx2"))
                 if feature in features.split(",")), processor)


def build(x):
    """Builds the Generator and the Discriminator of a run on images x."""
    return networks.build(settings_of(x.shape[2], x.shape[1]))


def save(path, x, z):
    """Writes images, z and our initial weights of seed 0 as an .npz that all contenders load."""
    np.random.seed(0)
    both = zip(("gen", "dis"), build(x), strict=True)
    np.savez(path, x=x, z=z, **{
        name + key: param.array for name, network in both for key, param in network.namedparams()})


if __name__ == "__main__":
    serve(__doc__, {"ours": Ours, "beside": Ours, "stock": Stock, "author": Author})

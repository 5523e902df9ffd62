"""One contender of the benchmark, in a process of its own: ``contenders.py NAME``.

NAME is ours, author, stock, torch or torch_last.

Reads one request per line, writes one line of JSON per answer:

    load FILE       weights and data of an .npz; answers the versions
    step COUNT      whole training steps on that data; answers seconds and the losses of each
    memory          answers the peak resident size so far, in bytes
"""

import json
import pathlib
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Ours:
    """The trainer and the networks as they are."""

    def __init__(self):
        sys.path.insert(0, str(ROOT))
        self.use()
        import dcgan
        import trainer
        self.dcgan, self.trainer = dcgan, trainer

    def use(self):
        """Says what chainer_cpu is to be made of; called before the networks are imported."""

    def versions(self):
        from importlib.metadata import version

        from runs.checkpoint import blas
        names = ("Chainer", "NumPy", "SciPy", "Numba")
        return {name: version(name.lower()) for name in names} | {"BLAS": blas()}

    def load(self, data):
        self.x, self.z = data["x"], data["z"]
        networks = {"gen": self.dcgan.Generator(), "dis": self.dcgan.Discriminator()}
        for name, network in networks.items():
            for path, param in network.namedparams():
                param.array[...] = data[name + path]
        self.run = self.trainer.Trainer(**networks)

    def step(self):
        return self.run.update(self.x, self.z)


class Stock(Ours):
    """The same trainer and networks on Chainer's own functions, links and optimizers."""

    def use(self):
        import chainer_cpu
        chainer = chainer_cpu.chainer
        vars(chainer_cpu).update(functions=chainer.functions, links=chainer.links,
                                 optimizers=chainer.optimizers)


class Author(Stock):
    """Stock Chainer in the author's own loop, thirteen passes through a network where ten are used:
    both losses go back through both networks, whichever of them is updated."""

    def step(self):
        F, run = self.trainer.chainer_cpu.functions, self.run
        real, fake = (np.full(len(self.z), label, np.int32)
                      for label in (self.trainer.REAL, self.trainer.FAKE))
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


class Torch:
    """The same networks in PyTorch, eager, only the needed gradients, in contiguous NCHW.

    An earlier trial, of the same networks on two cores, found torch.compile slower.
    """

    memory_format = "contiguous_format"

    def __init__(self):
        import torch
        self.torch = torch

    def versions(self):
        return {"PyTorch": self.torch.__version__.split("+")[0]}

    def load(self, data):
        torch, nn = self.torch, self.torch.nn
        form = {"memory_format": getattr(torch, self.memory_format)}
        self.x, self.z = torch.from_numpy(data["x"]).to(**form), torch.from_numpy(data["z"])
        # PyTorch's momentum is the weight of the new value, Chainer's decay that of the old one.
        norm = {"eps": 2e-5, "momentum": 0.1}
        self.gen = nn.Sequential(
            nn.Linear(100, 4608), nn.Unflatten(1, (512, 3, 3)),
            nn.BatchNorm2d(512, **norm), nn.ReLU(),
            nn.ConvTranspose2d(512, 256, 2, 2, 1), nn.BatchNorm2d(256, **norm), nn.ReLU(),
            nn.ConvTranspose2d(256, 128, 2, 2, 1), nn.BatchNorm2d(128, **norm), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 2, 2, 1), nn.BatchNorm2d(64, **norm), nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 3, 3, 1))
        self.dis = nn.Sequential(
            nn.Conv2d(1, 64, 3, 3, 1), nn.ReLU(),
            nn.Conv2d(64, 128, 2, 2, 1), nn.BatchNorm2d(128, **norm), nn.ReLU(),
            nn.Conv2d(128, 256, 2, 2, 1), nn.BatchNorm2d(256, **norm), nn.ReLU(),
            nn.Conv2d(256, 512, 2, 2, 1), nn.BatchNorm2d(512, **norm), nn.ReLU(),
            nn.Flatten(), nn.Linear(4608, 2))
        layers = {"gen": "l1 bn1 dc1 bn2 dc2 bn3 dc3 bn4 dc4", "dis": "c1 c2 bn1 c3 bn2 c4 bn3 l1"}
        chainer_names = {nn.BatchNorm2d: ("gamma", "beta")}
        with torch.no_grad():
            for name, network in (("gen", self.gen), ("dis", self.dis)):
                modules = [module for module in network if list(module.parameters())]
                for layer, module in zip(layers[name].split(), modules, strict=True):
                    weight, bias = chainer_names.get(type(module), ("W", "b"))
                    module.weight.copy_(torch.from_numpy(data[f"{name}/{layer}/{weight}"]))
                    module.bias.copy_(torch.from_numpy(data[f"{name}/{layer}/{bias}"]))
        for network in self.gen, self.dis:
            network.to(**form)
        # Adam's defaults are the same in both.
        self.opt_gen, self.opt_dis = (torch.optim.Adam(net.parameters())
                                      for net in (self.gen, self.dis))
        self.gen_params, self.dis_params = (list(net.parameters()) for net in (self.gen, self.dis))

    def step(self):
        loss, grad = self.torch.nn.functional.cross_entropy, self.torch.autograd.grad
        real = self.torch.zeros(len(self.z), dtype=self.torch.long)
        y_fake = self.dis(self.gen(self.z))
        y_real = self.dis(self.x)
        loss_gen = loss(y_fake, real)
        loss_dis = loss(y_fake, real + 1) + loss(y_real, real)
        # Both before the first update: PyTorch does not go back through weights that have changed.
        grads = (grad(loss_gen, self.gen_params, retain_graph=True),
                 grad(loss_dis, self.dis_params))
        for optimizer, params, values in zip((self.opt_gen, self.opt_dis),
                                             (self.gen_params, self.dis_params), grads):
            for param, value in zip(params, values):
                param.grad = value
            optimizer.step()
        return loss_gen.item(), loss_dis.item()


class TorchLast(Torch):
    """The same in PyTorch's other memory format."""

    memory_format = "channels_last"


def peak_memory():
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main():
    contender = {"ours": Ours, "author": Author, "stock": Stock, "torch": Torch,
                 "torch_last": TorchLast}[sys.argv[1]]()
    for line in sys.stdin:
        request, *args = line.rstrip("\n").split(" ", 1)
        if request == "load":
            with np.load(args[0]) as data:
                contender.load(dict(data))
            answer = contender.versions()
        elif request == "step":
            begin = time.perf_counter()
            losses = [contender.step() for _ in range(int(args[0]))]
            answer = {"seconds": time.perf_counter() - begin, "losses": losses}
        else:
            answer = {"bytes": peak_memory()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

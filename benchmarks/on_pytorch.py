"""A contender on PyTorch, in a process of its own: ``on_pytorch.py NAME``.

NAME is torch or torch_last, the two memory formats. Needs PyTorch and NumPy alone.
"""

import torch
from contender import serve
from torch import nn
from torch.nn.functional import cross_entropy

# PyTorch's momentum is the weight of the new value, Chainer's decay that of the old one.
NORM = {"eps": 2e-5, "momentum": 0.1}
LAYERS = {"gen": "l1 bn1 dc1 bn2 dc2 bn3 dc3 bn4 dc4", "dis": "c1 c2 bn1 c3 bn2 c4 bn3 l1"}


def post(channels):
    """Builds the post's generator and discriminator."""
    gen = nn.Sequential(
        nn.Linear(100, 4608), nn.Unflatten(1, (512, 3, 3)),
        nn.BatchNorm2d(512, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(512, 256, 2, 2, 1), nn.BatchNorm2d(256, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(256, 128, 2, 2, 1), nn.BatchNorm2d(128, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(128, 64, 2, 2, 1), nn.BatchNorm2d(64, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(64, channels, 3, 3, 1))
    dis = nn.Sequential(
        nn.Conv2d(channels, 64, 3, 3, 1), nn.ReLU(True),
        nn.Conv2d(64, 128, 2, 2, 1), nn.BatchNorm2d(128, **NORM), nn.ReLU(True),
        nn.Conv2d(128, 256, 2, 2, 1), nn.BatchNorm2d(256, **NORM), nn.ReLU(True),
        nn.Conv2d(256, 512, 2, 2, 1), nn.BatchNorm2d(512, **NORM), nn.ReLU(True),
        nn.Flatten(), nn.Linear(4608, 2))
    return gen, dis


def paper(channels, size):
    """Builds the networks of the DCGAN paper, as lab/networks/paper.py does."""
    first = size // 16
    gen = nn.Sequential(
        nn.Linear(100, 512 * first**2), nn.Unflatten(1, (512, first, first)),
        nn.BatchNorm2d(512, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(512, 256, 4, 2, 1), nn.BatchNorm2d(256, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(256, 128, 4, 2, 1), nn.BatchNorm2d(128, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64, **NORM), nn.ReLU(True),
        nn.ConvTranspose2d(64, channels, 4, 2, 1), nn.Tanh())
    dis = nn.Sequential(
        nn.Conv2d(channels, 64, 4, 2, 1), nn.LeakyReLU(0.2, True),
        nn.Conv2d(64, 128, 4, 2, 1), nn.BatchNorm2d(128, **NORM), nn.LeakyReLU(0.2, True),
        nn.Conv2d(128, 256, 4, 2, 1), nn.BatchNorm2d(256, **NORM), nn.LeakyReLU(0.2, True),
        nn.Conv2d(256, 512, 4, 2, 1), nn.BatchNorm2d(512, **NORM), nn.LeakyReLU(0.2, True),
        nn.Flatten(), nn.Linear(512 * first**2, 2))
    return gen, dis


class Torch:
    """The same networks in PyTorch, eager, with the settings that were found fastest.

    These are: only the gradients that are needed, activations in place, Adam fused
    (docs/decisions.md).
    """

    def __init__(self, memory_format=torch.contiguous_format):
        self.form = {"memory_format": memory_format}

    def inside(self):
        return None

    def versions(self):
        return {"PyTorch": torch.__version__.split("+")[0]}

    def threads(self):
        return torch.get_num_threads()

    def load(self, data):
        self.x = torch.from_numpy(data["x"]).to(**self.form)
        self.z = torch.from_numpy(data["z"])
        _, channels, size, _ = self.x.shape
        self.gen, self.dis = post(channels) if size == 28 else paper(channels, size)
        with torch.no_grad():
            for name, network in (("gen", self.gen), ("dis", self.dis)):
                modules = [module for module in network if list(module.parameters())]
                for layer, module in zip(LAYERS[name].split(), modules, strict=True):
                    weight, bias = (("gamma", "beta") if isinstance(module, nn.BatchNorm2d)
                                    else ("W", "b"))
                    module.weight.copy_(torch.from_numpy(data[f"{name}/{layer}/{weight}"]))
                    module.bias.copy_(torch.from_numpy(data[f"{name}/{layer}/{bias}"]))
        for network in self.gen, self.dis:
            network.to(**self.form)
        self.optimize()

    def optimize(self, **settings):
        """Makes an Adam for each network; PyTorch's defaults are Chainer's."""
        self.opt_gen, self.opt_dis = (
            torch.optim.Adam(network.parameters(), fused=True, **settings)
            for network in (self.gen, self.dis))
        self.gen_params, self.dis_params = (list(network.parameters())
                                            for network in (self.gen, self.dis))

    def step(self):
        real = torch.zeros(len(self.z), dtype=torch.long)
        y_fake = self.dis(self.gen(self.z))
        y_real = self.dis(self.x)
        loss_gen = cross_entropy(y_fake, real)
        loss_dis = cross_entropy(y_fake, real + 1) + cross_entropy(y_real, real)
        # Both before an update: PyTorch does not go back through weights that have changed.
        grads = (torch.autograd.grad(loss_gen, self.gen_params, retain_graph=True),
                 torch.autograd.grad(loss_dis, self.dis_params))
        for optimizer, params, values in zip(
                (self.opt_gen, self.opt_dis), (self.gen_params, self.dis_params), grads,
                strict=True):
            for param, value in zip(params, values, strict=True):
                param.grad = value
            optimizer.step()
        return loss_gen.item(), loss_dis.item()


if __name__ == "__main__":
    serve(__doc__, {"torch": Torch, "torch_last": lambda: Torch(torch.channels_last)})

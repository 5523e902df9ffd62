"""Trains PyTorch's DCGAN for time_to_picture.py: ``pictures_pytorch.py SETTINGS``.

SETTINGS is a JSON object of the parameters of turn(). Networks and training follow PyTorch's
well-known DCGAN example: no biases beside batch normalization, one logit, weights of N(0, 0.02),
gammas of N(1, 0.02), z of N(0, 1), binary cross entropy, D first, Adam 0.0002/0.5.
"""

import argparse
import itertools
import json
import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

TWICE = {"kernel_size": 4, "stride": 2, "padding": 1, "bias": False}
Z_DIM = 100


def networks(channels, size):
    """Builds (generator, discriminator) for images (N, channels, size, size), 16 dividing size."""
    first = {"kernel_size": size // 16, "stride": 1, "padding": 0, "bias": False}
    maps = 512, 256, 128, 64
    gen = [nn.ConvTranspose2d(Z_DIM, maps[0], **first), nn.BatchNorm2d(maps[0]), nn.ReLU(True)]
    for before, after in itertools.pairwise(maps):
        gen += [nn.ConvTranspose2d(before, after, **TWICE), nn.BatchNorm2d(after), nn.ReLU(True)]
    gen += [nn.ConvTranspose2d(maps[-1], channels, **TWICE), nn.Tanh()]
    dis = [nn.Conv2d(channels, maps[-1], **TWICE), nn.LeakyReLU(0.2, True)]
    for before, after in itertools.pairwise(maps[::-1]):
        dis += [nn.Conv2d(before, after, **TWICE), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
    dis += [nn.Conv2d(maps[0], 1, **first), nn.Flatten(0)]
    gen, dis = nn.Sequential(*gen), nn.Sequential(*dis)
    for module in (*gen, *dis):
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)
        elif hasattr(module, "weight"):
            nn.init.normal_(module.weight, 0, 0.02)
    return gen, dis


class Training:
    """The networks, an Adam each, the place in the epoch, and the random numbers."""

    def __init__(self, images, batch_size, seed):
        torch.manual_seed(seed)
        self.images, self.batch_size = images, batch_size
        self.gen, self.dis = networks(*images.shape[1:3])
        self.opt_gen, self.opt_dis = (
            torch.optim.Adam(network.parameters(), lr=0.0002, betas=(0.5, 0.999), fused=True)
            for network in (self.gen, self.dis))
        self.order = torch.zeros(0, dtype=torch.long)

    def step(self):
        if len(self.order) < self.batch_size:  # the rest of an epoch is dropped, as ours
            self.order = torch.randperm(len(self.images))
        batch, self.order = self.order.split([self.batch_size, len(self.order) - self.batch_size])
        real, fake = torch.ones(self.batch_size), torch.zeros(self.batch_size)
        drawn = self.gen(torch.randn(self.batch_size, Z_DIM, 1, 1))
        self.opt_dis.zero_grad()
        cross_entropy(self.dis(self.images[batch]), real).backward()
        cross_entropy(self.dis(drawn.detach()), fake).backward()
        self.opt_dis.step()
        self.opt_gen.zero_grad()
        cross_entropy(self.dis(drawn), real).backward()
        self.opt_gen.step()

    def state(self):
        return {"order": self.order, "random": torch.get_rng_state(),
                **{name: getattr(self, name).state_dict()
                   for name in ("gen", "dis", "opt_gen", "opt_dis")}}

    def load_state(self, state):
        self.order = state.pop("order")
        torch.set_rng_state(state.pop("random"))
        for name, own in state.items():
            getattr(self, name).load_state_dict(own)


def turn(images, batch_size, seed, before, after, samples, n_samples, steps):
    """Trains from one state to the next. Prints the seconds that the steps took, as JSON.

    images: the path of a float32 .npy (n, channels, size, size), values from -1 to 1. before,
    after: paths of states; without before, it begins from seed. samples: the path of the .npy to
    write, n_samples images in test mode, always of the same z's.
    """
    images = torch.from_numpy(np.load(images))
    Training(images, batch_size, seed).step()  # PyTorch's first step, which is not counted
    training = Training(images, batch_size, seed)
    if before:
        training.load_state(torch.load(before))
    begun = time.perf_counter()
    for _ in range(steps):
        training.step()
    seconds = time.perf_counter() - begun
    torch.save(training.state(), after)
    z = torch.randn(n_samples, Z_DIM, 1, 1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        training.gen.eval()
        drawn = torch.cat([training.gen(part) for part in z.split(200)])
    np.save(samples, drawn.numpy())
    print(json.dumps(seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("settings", metavar="SETTINGS", type=json.loads,
                        help="a JSON object of the parameters of turn()")
    turn(**parser.parse_args().settings)

"""Trains our recipe for time_to_picture.py: ``python -m studies.pictures_ours SETTINGS``.

SETTINGS is a JSON object of the parameters of turn(), which are those of pictures_pytorch.turn().
"""

import argparse
import json
import sys
import time
from types import SimpleNamespace

import numpy as np

import dcgan
from lab import networks
from lab.training.options import RECIPES
from trainer import Trainer

Z_DIM = 100


def begin(images, seed):
    _, channels, size, _ = images.shape
    np.random.seed(seed)
    recipe = RECIPES["steady"]
    maps, *_ = networks.TABLE["paper"].maps
    settings = SimpleNamespace(z_dim=Z_DIM, channels=channels, size=size, sizes=maps)
    return Trainer(*networks.build(settings), recipe["alpha"], recipe["beta1"], recipe["order"],
                   recipe["real_label"], recipe["blur"])


def turn(images, batch_size, seed, before, after, samples, n_samples, steps):
    """Trains from one state to the next. Prints the seconds that the steps took, as JSON.

    before and after are .npz; the samples are of the generator's average.
    """
    images = np.load(images)
    next(begin(images, seed).steps(images, 1, batch_size))  # compiles; not counted
    trainer = begin(images, seed)
    if before:
        with np.load(before) as state:
            trainer.load_state(dict(state))
    running = trainer.steps(images, sys.maxsize, batch_size)
    begun = time.perf_counter()
    for _ in range(steps):
        next(running)
    seconds = time.perf_counter() - begun
    with open(after, "wb") as file:
        np.savez(file, **trainer.state())
    z = np.random.RandomState(0).uniform(-1, 1, (n_samples, Z_DIM)).astype(np.float32)
    np.save(samples, np.concatenate([dcgan.generate(trainer.average, z[i:i + 200])
                                     for i in range(0, n_samples, 200)]))
    print(json.dumps(seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("settings", metavar="SETTINGS", type=json.loads,
                        help="a JSON object of the parameters of turn()")
    turn(**parser.parse_args().settings)

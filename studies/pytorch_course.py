"""Trains the paper's recipe in PyTorch for course.py: ``pytorch_course.py SETTINGS``, as JSON."""

import argparse
import copy
import json

import numpy as np
import torch

from benchmarks.on_pytorch import Torch


def train(path, weights, epochs, batch_size, alpha, beta1):
    with np.load(path) as data:
        run, images, nine = Torch(), data["x"], torch.from_numpy(data["z"])
        run.load(dict(data))
    if weights == "pytorch":
        torch.manual_seed(0)
        for module in (*run.gen, *run.dis):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    run.optimize(lr=alpha, betas=(beta1, 0.999))
    random = np.random.RandomState(1000)
    print("epoch  loss_gen  loss_dis  probabilities", flush=True)
    for epoch in range(1, epochs + 1):
        order, losses = random.permutation(len(images)), []
        for i in range(0, len(images) - batch_size + 1, batch_size):
            run.x = torch.from_numpy(images[order[i:i + batch_size]])
            run.z = torch.from_numpy(random.uniform(-1, 1, (batch_size, 100)).astype(np.float32))
            losses.append(run.step())
        if epoch == 1 or epoch % 10 == 0:
            with torch.no_grad():
                drawn = copy.deepcopy(run.gen).eval()(nine)
                real = torch.softmax(copy.deepcopy(run.dis)(drawn), 1)[:, 0]
            loss_gen, loss_dis = np.mean(losses, axis=0)
            print(f"{epoch:5}  {loss_gen:8.3f}  {loss_dis:8.4f}  {real.min():.3f} to "
                  f"{real.max():.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("settings", metavar="SETTINGS", type=json.loads,
                        help="a JSON object of the parameters of train()")
    train(**parser.parse_args().settings)

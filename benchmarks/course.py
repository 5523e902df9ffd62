"""Is it us? The paper's recipe in PyTorch, from our initial weights, and how sure D is there.

    python benchmarks/course.py --torch .venv-bench/bin/python --data PATH --epochs 60
    python benchmarks/course.py --torch .venv-bench/bin/python --data PATH --weights pytorch

(.venv-bench is what ``make bench`` makes.) Prints a row every ten epochs: the losses, and the
lowest and the highest of the probabilities of "real" that D gives to nine generated images, as in
our pictures. Rounding makes another run of it within an epoch: the course can be compared.
"""

import copy
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from benchmark import HERE, save_with_weights  # which puts the project's folder on the path

from training.options import RECIPES, Parser, whole

RECIPE = RECIPES["paper"]


def train(path, weights, epochs):
    """Runs in the Python that has PyTorch."""
    import torch
    from contenders import Torch

    with np.load(path) as data:
        run, images, nine = Torch(), data["x"], torch.from_numpy(data["z"])
        run.load(dict(data))
    if weights == "pytorch":
        torch.manual_seed(0)
        for module in (*run.gen, *run.dis):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    run.opt_gen, run.opt_dis = (torch.optim.Adam(network.parameters(), lr=RECIPE["alpha"],
                                                 betas=(RECIPE["beta1"], 0.999))
                                for network in (run.gen, run.dis))
    random, batch = np.random.RandomState(1000), RECIPE["batch_size"]
    print("epoch  loss_gen  loss_dis  probabilities", flush=True)
    for epoch in range(1, epochs + 1):
        order, losses = random.permutation(len(images)), []
        for i in range(0, len(images) - batch + 1, batch):
            run.x = torch.from_numpy(images[order[i:i + batch]])
            run.z = torch.from_numpy(random.uniform(-1, 1, (batch, 100)).astype(np.float32))
            losses.append(run.step())
        if epoch == 1 or epoch % 10 == 0:
            with torch.no_grad():
                drawn = copy.deepcopy(run.gen).eval()(nine)
                real = torch.softmax(copy.deepcopy(run.dis)(drawn), 1)[:, 0]
            loss_gen, loss_dis = np.mean(losses, axis=0)
            print(f"{epoch:5}  {loss_gen:8.3f}  {loss_dis:8.4f}  {real.min():.3f} to "
                  f"{real.max():.3f}", flush=True)


def main():
    import mnist

    parser = Parser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--torch", metavar="PYTHON", required=True, help="a Python with PyTorch")
    parser.add_argument("--data", default="auto", help="as --data of trainer.py (default: auto)")
    parser.add_argument("--weights", choices=("ours", "pytorch"), default="ours",
                        help="whose initial weights (default: ours)")
    parser.add_argument("--epochs", type=whole(1), default=30, help="(default: 30)")
    args = parser.parse_args()
    if shutil.which(args.torch) is None:
        parser.error(f"no such program (--torch, {args.torch}); make bench makes .venv-bench")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "data.npz")
        try:
            images = mnist.load(0, args.data)
        except mnist.DataError as error:
            parser.error(error)
        save_with_weights(path, images.x, np.random.default_rng(0).uniform(
            -1, 1, (9, 100)).astype(np.float32))
        call = f"import course; course.train({path!r}, {args.weights!r}, {args.epochs})"
        return subprocess.run([args.torch, "-c", call],
                              env={**os.environ, "PYTHONPATH": str(HERE)}).returncode


if __name__ == "__main__":
    sys.exit(main())

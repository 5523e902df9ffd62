"""Is our D too sure? Trains the paper's recipe in PyTorch, from our initial weights.

    python -m studies.course --torch .venv-bench/bin/python --data PATH --epochs 60
    python -m studies.course --torch .venv-bench/bin/python --data PATH --weights pytorch

(``make bench`` makes .venv-bench.) Prints a row every ten epochs: the losses, and the lowest and
highest of the probabilities of "real" that D gives to nine generated images, as in our pictures.
Rounding makes the two runs differ within an epoch: compare how they develop, not their values.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

from benchmarks.on_chainer import save
from lab.cli.flags import Parser, whole
from lab.images import source
from lab.images.errors import DataError
from lab.training.options import RECIPES

HERE = pathlib.Path(__file__).resolve().parent


def main():
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
            images = source.load(args.data).of(0)
        except DataError as error:
            parser.error(error)
        save(path, images.x, np.random.default_rng(0).uniform(-1, 1, (9, 100)).astype(np.float32))
        settings = {"path": path, "weights": args.weights, "epochs": args.epochs,
                    "batch_size": 100, **RECIPES["paper"]}
        return subprocess.run([args.torch, HERE / "pytorch_course.py",
                               json.dumps(settings)],
                              env={**os.environ, "PYTHONPATH": str(HERE.parent)}).returncode


if __name__ == "__main__":
    sys.exit(main())

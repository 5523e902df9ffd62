"""Whole training steps of the listing's networks: ours, stock Chainer, PyTorch. ``make bench``.

Every contender runs in a process of its own, and they take turns, so that what else happens on the
machine happens to all. Prints Markdown, for the README. First checks that all compute the same
losses from the same weights and data, to 1e-4. The arithmetic counted is what an update needs,
whoever does more.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

# Everyone gets the whole processor: these would hold NumPy's BLAS to older instructions, and would
# not hold PyTorch's.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

import numpy as np  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
NAMES = {"ours": "this project", "author": "stock Chainer, the author's loop",
         "stock": "stock Chainer, our loop", "torch": "PyTorch, eager",
         "torch_last": "PyTorch, channels_last"}
# Multiply-adds per image: G's or D's maps once, cropped taps left out; G's l1; D's l1.
MAPS, G_L1, D_L1 = 4_146_176, 460_800, 9_216
# G forward, D forward twice; back: to D's input, through G, and D's parameters twice. First layers
# need no gradient of their inputs, but for D's in the generator's loss.
GIGAFLOP = 2e-9 * (10 * MAPS - 2 * 50_176 + 2 * G_L1 + 7 * D_L1)


class Contender:
    def __init__(self, name, python, threads=None):
        self.name = name
        environment = dict(os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {}))
        self.process = subprocess.Popen(
            [python, str(HERE / "contenders.py"), name], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"benchmark.py: error: {NAMES[self.name]} broke off (see above)")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait()


def save_with_weights(path, x, z):
    """Writes images, z and our initial weights of seed 0 as an .npz that all contenders load."""
    import dcgan
    np.random.seed(0)
    networks = {"gen": dcgan.Generator(), "dis": dcgan.Discriminator()}
    np.savez(path, x=x, z=z, **{name + key: param.array for name, network in networks.items()
                                for key, param in network.namedparams()})


def write_data(folder, batch):
    """The same weights, images and z for all, as an .npz."""
    random = np.random.RandomState(1)
    path = pathlib.Path(folder) / f"{batch}.npz"
    save_with_weights(path, random.uniform(0, 1, (batch, 1, 28, 28)).astype(np.float32),
                      random.uniform(-1, 1, (batch, 100)).astype(np.float32))
    return path


def sgemm_rate():
    """GFLOP/s of NumPy's product of two large float32 matrices, the best of five."""
    a, best = np.ones((3000, 3000), np.float32), np.inf
    for _ in range(5):
        begin = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begin)
    return 2 * 3000 ** 3 / best / 1e9


def compare(folder, batch, pythons, rounds):
    """Prints the table of one batch size. Returns the versions."""
    path, versions = write_data(folder, batch), {}
    contenders = [Contender(name, python) for name, python in pythons.items()]
    losses = {}
    for contender in contenders:
        versions.update(contender.ask(f"load {path}"))
        losses[contender.name] = contender.ask("step 1")["losses"][0]
        contender.ask("step 1")
    for name, values in losses.items():
        if not np.allclose(values, losses["ours"], rtol=1e-4):
            raise SystemExit(f"benchmark.py: error: other losses ({NAMES[name]}, {values}); "
                             f"ours are {losses['ours']}")
    # Stock Chainer is so slow that one step a turn has to do.
    steps = {name: 1 if name in ("author", "stock") else max(1, 2000 // batch) for name in pythons}
    seconds = {contender.name: [] for contender in contenders}
    rates = []
    for _ in range(rounds):
        rates.append(sgemm_rate())
        for contender in contenders:
            time.sleep(0.3)  # idle threads of the one before spin for a while
            count = steps[contender.name]
            seconds[contender.name].append(contender.ask(f"step {count}")["seconds"] / count)
    sgemm = statistics.median(rates)
    print(f"\n| batch {batch} | images/s | ours is faster | GFLOP/s | of sgemm | memory |")
    print("|---|---|---|---|---|---|")
    for contender in contenders:
        middle = statistics.median(seconds[contender.name])
        ratio = statistics.median(a / b for a, b in zip(seconds[contender.name], seconds["ours"]))
        rate = GIGAFLOP * batch / middle
        memory = contender.ask("memory")["bytes"]
        print(f"| {NAMES[contender.name]} | {batch / middle:,.0f} | {ratio:.2f}× | {rate:.0f} "
              f"| {rate / sgemm:.0%} | {memory / 1e6:,.0f} MB |", flush=True)
        contender.__exit__()
    print(f"\nsgemm: {sgemm:.0f} GFLOP/s. Losses agree to 1e-4.")
    return versions


def vary(folder, python, rounds):
    """Prints ours alone: milliseconds per image by batch and threads."""
    import chainer_cpu._workers
    threads = sorted({1, chainer_cpu._workers.count()})
    print("\n| ms per image | " + " | ".join(f"{n} thread{'s' * (n > 1)}" for n in threads) + " |")
    print("|---" * (1 + len(threads)) + "|")
    for batch in (10, 30, 100, 300, 1000, 5000):
        path = write_data(folder, batch)
        cells = []
        for n in threads:
            with Contender("ours", python, n) as contender:
                contender.ask(f"load {path}")
                contender.ask("step 2")
                steps = max(1, 1000 // batch)
                cells.append(statistics.median(
                    contender.ask(f"step {steps}")["seconds"] / steps for _ in range(rounds)))
        print(f"| batch {batch} | " + " | ".join(f"{1e3 * t / batch:.2f}" for t in cells) + " |",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python that has PyTorch")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each (default: 7)")
    args = parser.parse_args()
    pythons = dict.fromkeys(("ours", "author", "stock"), sys.executable)
    if args.torch:
        pythons.update(torch=args.torch, torch_last=args.torch)
    else:
        print("PyTorch is left out: no Python that has it was given (--torch).")
    with tempfile.TemporaryDirectory() as folder:
        for batch in (1000, 100):
            versions = compare(folder, batch, pythons, args.rounds)
        vary(folder, sys.executable, 3)
    versions["Python"] = platform.python_version()
    print("\n" + "; ".join(f"{name} {number}" for name, number in versions.items())
          + f"; {platform.machine()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

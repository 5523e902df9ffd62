"""Times two processes of one thread beside one process of two threads, and counts their messages.

    python -m studies.spread              (needs mpi4py and mpiexec; about four minutes)

Both take turns, in processes of their own, with the same networks and batches, on random images.
Prints the tables of docs/many-machines.md: medians of a step, and what follows from them for hosts.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np

from lab import networks
from lab.cli.flags import Parser
from lab.training import processes
from trainer import Trainer

POST = SimpleNamespace(z_dim=100, channels=1, size=28, sizes="listing")
WORK = {"batch 100": (POST, 100), "batch 1000": (POST, 1000),
        "--size 64, batch 100": (SimpleNamespace(z_dim=100, channels=3, size=64), 100)}
TURNS, SECONDS = 3, 6

# For the computed table: Gbit/s of an Ethernet, seconds from host to host, numbers of hosts.
NETWORKS, DELAY, HOSTS = (1, 10), 50e-6, (2, 4, 8, 16)


class Counted:
    """Processes that count their all-reduces and the bytes in them."""

    def __init__(self, together):
        self.together, self.calls, self.bytes = together, 0, 0

    def __getattr__(self, name):
        return getattr(self.together, name)

    def allreduce(self, array):
        self.calls += 1
        self.bytes += array.nbytes
        return self.together.allreduce(array)


def steps(work):
    """Trains for some seconds in every process. The first prints its measurements as JSON."""
    settings, batch = WORK[work]
    together = processes.join()
    np.random.seed(0)
    gen, dis = networks.build(settings)
    shape = 2 * batch, settings.channels, settings.size, settings.size
    x = np.random.uniform(0, 1, shape).astype(np.float32)
    trainer = Trainer(gen, dis, 0.0002, 0.5, processes=together)
    counted = Counted(together)
    if together.size > 1:  # counted in one step, timed without
        processes.Processes.connect(counted, gen, dis)
        trainer.processes = counted
        counted.add_gradients = lambda net: processes.Processes.add_gradients(counted, net)
    running = trainer.steps(x, 10**9, batch)
    next(running)
    if together.size > 1:
        processes.Processes.agree_on_signal(counted, None)  # as a run does after every step
    trainer.processes = together
    together.connect(gen, dis)
    for _ in range(2):
        next(running)
    times, end = [], time.perf_counter() + SECONDS
    while not together.agree_on_signal(time.perf_counter() > end):  # all stop after the same step
        begun = time.perf_counter()
        next(running)
        times.append(time.perf_counter() - begun)
    if together.number == 0:
        print(json.dumps([statistics.median(times), counted.calls, counted.bytes]))


def run(work, spread):
    me = [sys.executable, "-m", "studies.spread", work]
    mpiexec = ["mpiexec", "-n", "2"] if spread else []
    done = subprocess.run(
        [*mpiexec, *me], check=True, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1" if spread else "2",
             "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
             "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]})
    return json.loads(done.stdout.splitlines()[-1])


def speed(step, n, gbit, calls, size):
    """Computes how many times as fast as one host n hosts in a ring are.

    step: seconds of one host. An all-reduce of b bytes sends 2 (n - 1) / n b through each host's
    cable, and long ones take 2 (n - 1) delays, short ones 2 log2(n).
    """
    share = step / n
    wire = 2 * (n - 1) / n * size * 8 / (gbit * 1e9)
    delays = 2 * 2 * (n - 1) + (calls - 2) * 2 * np.log2(n)  # the two long ones are the gradients'
    return step / (share + wire + delays * DELAY)


def main():
    measured = {}
    for turn in range(TURNS):
        for work in WORK:
            for spread in (False, True):
                measured.setdefault((work, spread), []).append(run(work, spread))
                print(f"turn {turn + 1}, {work}, {'two processes' if spread else 'one process'}: "
                      f"{measured[work, spread][-1][0] * 1e3:.0f} ms", file=sys.stderr, flush=True)
    print("| | two processes of one thread : one process of two | all-reduces per step | bytes |")
    print("|---|---|---|---|")
    for work in WORK:
        ratio = statistics.median(two[0] / one[0] for one, two in
                                  zip(measured[work, False], measured[work, True], strict=True))
        _, calls, size = measured[work, True][0]
        print(f"| {work} | {ratio:.2f} | {calls} | {size / 1e6:.1f} MB |")
    print("\ncomputed, how many times as fast as one host\n")
    print("| | Gbit/s | " + " | ".join(f"{n} hosts" for n in HOSTS) + " |")
    print("|---|---|" + "---|" * len(HOSTS))
    for work in WORK:
        step = statistics.median(one[0] for one in measured[work, False])
        _, calls, size = measured[work, True][0]
        for gbit in NETWORKS:
            print(f"| {work} | {gbit} | " + " | ".join(
                f"{speed(step, n, gbit, calls, size):.1f}" for n in HOSTS) + " |")


if __name__ == "__main__":
    parser = Parser(prog="spread.py", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("work", nargs="?", choices=WORK, metavar="WORK",
                        help="what one of the processes does; with nothing said, all is measured")
    given = parser.parse_args()
    if given.work:
        steps(given.work)
    else:
        main()

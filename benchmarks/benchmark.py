"""Whole training steps side by side: this project, stock Chainer, PyTorch. ``make bench``.

Runs every contender in a process of its own, by turns, so that other programs slow all of them.
First checks that all compute the same losses from the same weights and data, before and after an
update. Counts the arithmetic that an update needs, even where a contender does more. Prints
Markdown, for the README.
"""

import contextlib
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time

import numpy as np
from tqdm import tqdm

from benchmarks.arithmetic import gigaflop
from benchmarks.contender import HERE, Contender
from lab.cli.flags import Parser, whole

NAMES = {"ours": "this project", "beside": "the other checkout",
         "author": "stock Chainer, the author's loop", "stock": "stock Chainer, our loop",
         "torch": "PyTorch, eager", "torch_last": "PyTorch, channels_last"}
# Size, channels and batch of each table of steps.
STEPS = {"1000": (28, 1, 1000), "100": (28, 1, 100), "2": (28, 1, 2), "colour": (28, 3, 100),
         "32": (32, 3, 100), "64": (64, 3, 100)}
TABLES = (*STEPS, "cores", "batches")
BATCHES = (10, 30, 100, 300, 1000, 5000)
CORES = (4, 8, 16)
MATRICES = [sys.executable, str(HERE / "contender.py")]
TURN = 1    # seconds that a turn should take
LONG = 2    # a contender whose step takes n times as long has a turn in every nth round
PAUSE = 0.3  # seconds between turns: idle threads of the one before spin for a while


class Bench:
    """Measures contenders, for all tables."""

    def __init__(self, folder, commands, rounds, avx2):
        self.data, self.commands, self.rounds = pathlib.Path(folder) / "data.npz", commands, rounds
        self.avx2 = avx2
        self.versions = {}  # of all that took part

    def measure(self, case, names, threads=None, sgemm=None):
        """Measures by turns. Returns {name: Measured}; appends each round's rate to sgemm."""
        size, channels, batch = case
        with contextlib.ExitStack() as stack:
            everyone = [stack.enter_context(Contender(name, *self.commands[name], threads=threads,
                                                      avx2=self.avx2)) for name in names]
            bar = stack.enter_context(tqdm(
                desc=f"{size}×{size}, batch {batch}", total=(self.rounds + 1) * len(names),
                unit=" turns", leave=False, mininterval=0.1 if sys.stderr.isatty() else 30))
            if sgemm is not None:
                # In a process of its own, for matrices are memory, too.
                matrices = stack.enter_context(Contender("sgemm", MATRICES, threads=threads,
                                                         avx2=self.avx2))
            everyone[0].ask("data", str(self.data), size, channels, batch)
            measured = {}
            for contender in everyone:
                answer = contender.ask("load", str(self.data))
                self.versions |= answer["versions"]
                measured[contender.name] = Measured(contender, answer["threads"])
                bar.update()
            _compare_losses(measured)
            for number in range(self.rounds):
                if sgemm is not None:
                    sgemm.append(matrices.ask("sgemm"))
                first = number % len(everyone)
                for contender in everyone[first:] + everyone[:first]:
                    measured[contender.name].turn(number)
                    bar.update()
            for each in measured.values():
                each.memory = each.contender.ask("memory")
            return measured


class Measured:
    """Measures one contender; its first two steps are the warm-up."""

    def __init__(self, contender, threads):
        self.contender, self.threads = contender, threads
        self.first, second = (contender.ask("step", 1) for _ in range(2))
        self.losses = self.first["losses"] + second["losses"]
        self.count = max(1, round(TURN / second["seconds"]))
        self.every = max(1, round(second["seconds"] / LONG))
        self.turns = {}  # by round: seconds of a step, and how many of them outside kernels

    def turn(self, number):
        if number % self.every == 0:
            time.sleep(PAUSE)
            answer = self.contender.ask("step", self.count)
            self.turns[number] = (answer["seconds"] / self.count,
                                  answer["outside"] and answer["outside"] / self.count)

    def seconds(self):
        return statistics.median(seconds for seconds, _ in self.turns.values())

    def outside(self):
        return statistics.median(outside for _, outside in self.turns.values())

    def times_slower_than(self, other):
        """Returns the median of the ratios of the rounds in which both had a turn."""
        return statistics.median(seconds / other.turns[number][0]
                                 for number, (seconds, _) in self.turns.items()
                                 if number in other.turns)


def _compare_losses(measured):
    """Ends the program unless losses agree, to 1e-4 before an update and to 1e-2 after it."""
    expected = measured["ours"].losses
    for name, each in measured.items():
        for losses, ours, tolerance in zip(each.losses, expected, (1e-4, 1e-2), strict=True):
            if not np.allclose(losses, ours, rtol=tolerance, atol=0):
                sys.exit(f"benchmark.py: error: other losses ({NAMES[name]}, {losses}); "
                         f"ours are {ours}")


def print_table(*rows):
    print("\n| " + " | ".join(rows[0]) + " |")
    print("|---" * len(rows[0]) + "|")
    for row in rows[1:]:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def steps_table(bench, case):
    """Prints all contenders at one size and batch."""
    size, channels, batch = case
    rates = []
    measured = bench.measure(case, bench.commands, sgemm=rates)
    sgemm, rows = statistics.median(rates), []
    for name, each in measured.items():
        rate = gigaflop(size, channels) * batch / each.seconds()
        rows.append((NAMES[name], f"{batch / each.seconds():,.0f}",
                     f"{each.times_slower_than(measured['ours']):.2f}×", f"{rate:.0f}",
                     f"{rate / sgemm:.0%}",
                     f"{each.memory / 1e6:,.0f} MB" if each.memory else "–"))
    title = f"{size}×{size}{' in colour' if channels > 1 else ''}, batch {batch}"
    print_table((title, "images/s", "ours is faster", "GFLOP/s", "of sgemm", "memory"), *rows)
    print(f"\nsgemm: {sgemm:.0f} GFLOP/s. Losses agree.", flush=True)


def cores_table(bench):
    """Prints ours and PyTorch on more cores: measured as far as there are cores, else computed."""
    names = [name for name in ("ours", "torch", "torch_last") if name in bench.commands]
    small = bench.measure((28, 1, 2), names)
    own = small["ours"].threads
    for batch in (100, 1000):
        measured = {n: bench.measure((28, 1, batch), names, n)
                    for n in sorted({own, *(n for n in CORES if n < own)})}
        rows = [(f"batch {batch}, ms a step", "the serial part",
                 *(f"{n} cores" for n in sorted({own, *CORES})))]
        serial = [("ours", measured[own]["ours"].outside(), "outside kernels")]
        serial += [(name, small[name].seconds(), "a step at batch 2") for name in names]
        for name, alone, how in serial:
            step = measured[own][name].seconds()
            # Amdahl's law: the rest shrinks with the number of cores.
            rows.append((NAMES[name], f"{1e3 * alone:.1f}, {how}", *(
                f"{1e3 * measured[n][name].seconds():.0f}" if n in measured
                else f"*{1e3 * (alone + (step - alone) * own / n):.0f}*"
                for n in sorted({own, *CORES}))))
        print_table(*rows)
    print("\nIn italics: computed by Amdahl's law from the serial part, not measured.", flush=True)


def batches_table(bench):
    """Prints our milliseconds per image by batch and threads."""
    own = bench.measure((28, 1, BATCHES[0]), ["ours"])["ours"].threads
    threads = sorted({own, *(2 ** i for i in range(own.bit_length()))})
    rows = [("ms per image", *(f"{n} thread{'s' * (n > 1)}" for n in threads))]
    for batch in BATCHES:
        rows.append((f"batch {batch}", *(
            f"{1e3 / batch * bench.measure((28, 1, batch), ['ours'], n)['ours'].seconds():.2f}"
            for n in threads)))
    print_table(*rows)


def main():
    parser = Parser(prog="benchmark.py", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python that has PyTorch")
    parser.add_argument("--beside", metavar="FOLDER",
                        help="another checkout of this project, as one more contender")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, metavar="TABLE",
                        help=f"some of the tables: {', '.join(TABLES)} (default: all)")
    parser.add_argument("--rounds", type=whole(1), default=7,
                        help="measurements of each (default: 7)")
    parser.add_argument("--avx2", action="store_true",
                        help="all compute as on a processor that has AVX2 and no AVX-512")
    args = parser.parse_args()
    chainer = [sys.executable, str(HERE / "on_chainer.py")]
    commands = {"ours": [chainer]}
    if args.beside:
        # Its own contender: the other checkout may have other rooms.
        theirs = pathlib.Path(args.beside).resolve()
        script = theirs / "benchmarks" / "on_chainer.py"
        commands["beside"] = [[sys.executable, str(script)], theirs]
    commands |= {"author": [chainer], "stock": [chainer]}
    if args.torch:
        pytorch = [args.torch, str(HERE / "on_pytorch.py")]
        commands |= {"torch": [pytorch], "torch_last": [pytorch]}
    else:
        print("PyTorch is left out: no Python that has it was given (--torch).")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, commands, args.rounds, args.avx2)
        for table in args.tables:
            if table in STEPS:
                steps_table(bench, STEPS[table])
            elif table == "cores":
                cores_table(bench)
            else:
                batches_table(bench)
    bench.versions["Python"] = platform.python_version()
    print("\n" + "; ".join(f"{name} {number}" for name, number in bench.versions.items())
          + f"; {platform.machine()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

"""Both ends of the pipe between the benchmark and a contender, a process of its own.

A request is one line, a JSON list of a name and arguments; the answer is one line of JSON:

    data FILE SIZE CHANNELS BATCH   writes weights and data that all contenders load (ours only)
    load FILE       answers the versions and the number of threads
    step COUNT      whole training steps on that data; answers seconds, the losses of each, and the
                    seconds of them that were spent outside compiled kernels (ours only, else null)
    sgemm           answers the GFLOP/s of NumPy's product of two large float32 matrices
    memory          answers the peak resident size so far, in bytes
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None

# Variables that give a contender older instructions or fewer threads.
HOLD_BACK = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
             "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA",
             "MKL_ENABLE_INSTRUCTIONS")
# Variables that give all contenders AVX2.
AVX2 = {"OPENBLAS_CORETYPE": "Haswell", "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx2,+fma", "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

HERE = pathlib.Path(__file__).resolve().parent


class Contender:
    """The benchmark's end. As a context, it ends the process.

    command starts the process, when the name is added; root is the project folder that the process
    imports from. With avx2 it computes as on a processor without AVX-512.
    """

    def __init__(self, name, command, root=HERE.parent, threads=None, avx2=False):
        self.name = name
        # They would slow some contenders and not the others.
        environment = {key: value for key, value in os.environ.items() if key not in HOLD_BACK}
        environment |= {"PYTHONPATH": str(root)} | (AVX2 if avx2 else {})
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        self.process = subprocess.Popen([*command, name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, *request):
        """Returns the answer to a request. Ends the program if the contender has broken off."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            sys.exit(f"benchmark.py: error: a contender broke off ({self.name}); see above")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.communicate()


def serve(description, contenders):
    """The contender's end: makes the one that the command line names, of a dict of functions.

    Answers requests by its methods until there are no more.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("name", metavar="NAME", choices=contenders, help=", ".join(contenders))
    contender = contenders[parser.parse_args().name]()
    for line in sys.stdin:
        request, *args = json.loads(line)
        if request == "data":
            answer = contender.write_data(*args)
        elif request == "load":
            with np.load(*args) as data:
                contender.load(dict(data))
            answer = {"versions": contender.versions(), "threads": contender.threads()}
        elif request == "step":
            answer = _steps(contender, *args)
        elif request == "sgemm":
            answer = _sgemm_rate()
        else:
            answer = _peak_memory()
        print(json.dumps(answer), flush=True)


def _steps(contender, count):
    inside, begin = contender.inside(), time.perf_counter()
    losses = [contender.step() for _ in range(count)]
    seconds = time.perf_counter() - begin
    outside = None if inside is None else seconds - (contender.inside() - inside)
    return {"seconds": seconds, "outside": outside, "losses": losses}


def _sgemm_rate():
    """Returns GFLOP/s, the best of five."""
    a, best = np.ones((3000, 3000), np.float32), np.inf
    for _ in range(5):
        begin = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begin)
    return 2 * 3000 ** 3 / best / 1e9


def _peak_memory():
    try:
        # Not getrusage: on Linux a process inherits its parent's peak.
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except FileNotFoundError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource and unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    serve("Multiplies matrices.", {"sgemm": object})  # which needs no networks

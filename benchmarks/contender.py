"""Both ends of the pipe between the benchmark and one contender, which is a process of its own.

A request is one line, a JSON list of a name and arguments; the answer is one line of JSON:

    data FILE SIZE CHANNELS BATCH   writes weights and data that all contenders load (ours only)
    load FILE       answers the versions and the number of threads
    step COUNT      whole training steps on that data; answers seconds, the losses of each, and the
                    seconds of them that were spent outside compiled kernels (ours only, else null)
    memory          answers the peak resident size so far, in bytes
"""

import json
import os
import pathlib
import subprocess
import sys
import time

# Taken away before NumPy is there: they would hold some contenders back, by older instructions or
# fewer threads, and not the others.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS",
                 "MKL_NUM_THREADS"):
    os.environ.pop(variable, None)

import numpy as np  # noqa: E402

try:
    import resource
except ImportError:  # Windows
    resource = None

HERE = pathlib.Path(__file__).resolve().parent


class Contender:
    """The benchmark's end; as a context, it ends the process.

    command runs it, but for its name; root is the project's folder that it is to take.
    """

    def __init__(self, name, command, root=HERE.parent, threads=None):
        self.name = name
        environment = {**os.environ, "PYTHONPATH": str(root)}
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        self.process = subprocess.Popen([*command, name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, *request):
        """The answer to a request. Ends the program if the contender has broken off."""
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


def serve(contender):
    """The other end: answers by the contender's methods until there are no more requests."""
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
        else:
            answer = _peak_memory()
        print(json.dumps(answer), flush=True)


def _steps(contender, count):
    inside, begin = contender.inside(), time.perf_counter()
    losses = [contender.step() for _ in range(count)]
    seconds = time.perf_counter() - begin
    outside = None if inside is None else seconds - (contender.inside() - inside)
    return {"seconds": seconds, "outside": outside, "losses": losses}


def _peak_memory():
    try:
        # getrusage would not do on Linux: there a process inherits the peak of who started it.
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except FileNotFoundError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource and unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

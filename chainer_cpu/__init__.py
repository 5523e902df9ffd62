"""Chainer on today's Python, on the CPU. Knows nothing of GANs.

Take Chainer from here, never directly::

    from chainer_cpu import chainer, functions as F, links as L

so that the shims of ``_compat`` have run before Chainer is imported. The names are loaded when they
are first asked for (importing this package costs nothing, which keeps ``--help`` fast).
"""

import importlib
from typing import Any

from chainer_cpu import _compat


def __getattr__(name: str) -> Any:
    if name == "chainer":
        return _compat.import_chainer()
    if name in ("functions", "links", "optimizers"):
        return importlib.import_module(f"chainer_cpu.{name}")
    raise AttributeError(f"module 'chainer_cpu' has no attribute {name!r}")

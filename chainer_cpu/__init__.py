"""Chainer on today's Python, on the CPU. Knows nothing of GANs.

Take Chainer from here, never directly::

    from chainer_cpu import chainer, functions as F, links as L

so that the shims of ``_compat`` have run before Chainer is imported. The names are loaded when they
are first asked for (importing this package costs nothing, which keeps ``--help`` fast).

``count_threads()`` is the number of threads that compute, ``count_processors()`` that of processors
that this process may use. ``before_compiling(function)`` is a context in which function() is called
once if something has to be compiled; CacheWarning is warned of where compiled code cannot be kept.
"""

import importlib


class SettingError(ValueError):
    """An environment variable has an impossible value; the message says what is possible."""

    def __init__(self, name: str, value: str, right: str):
        super().__init__(f"{name} is {value!r}, not {right}; set it so, or unset it")


# Where names of this package come from: the module, and the name there (None: the module itself).
_NAMES = {
    "functions": ("functions", None), "links": ("links", None), "optimizers": ("optimizers", None),
    "count_threads": ("_threads", "count"),
    "count_processors": ("_threads", "count_processors"),
    "before_compiling": ("_compile", "before_compiling"),
    "CacheWarning": ("_compile", "CacheWarning"),
}


def __getattr__(name: str):
    if name == "chainer":
        return importlib.import_module("chainer_cpu._compat").import_chainer()
    if name in _NAMES:
        module, inside = _NAMES[name]
        found = importlib.import_module(f"chainer_cpu.{module}")
        return getattr(found, inside) if inside else found
    raise AttributeError(f"module 'chainer_cpu' has no attribute {name!r}")

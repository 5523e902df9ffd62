"""Shims that let Chainer 7.8.1 (January 2022, the last release) be imported on today's Python.

Every version number that this project has to know stands in this file. Nothing in Chainer's
folder is changed; each shim names what broke, since when, and how to see that it can go.
"""

import functools
import os
import sys
import types
import warnings

import numba
import numpy

from chainer_cpu import SettingError


def _restore_numpy_sctypes():
    """Gives NumPy its table of scalar types back.

    Broke with NumPy 2.0, which removed ``numpy.sctypes``; ``chainer/functions/array/as_strided.py``
    reads the 'int' row when it is imported and the 'float' row in a backward pass.
    No longer needed once ``python -c "import numpy; numpy.sctypes"`` works or Chainer has stopped
    asking.
    """
    if not hasattr(numpy, "sctypes"):
        numpy.sctypes = {
            "int": [numpy.int8, numpy.int16, numpy.int32, numpy.int64],
            "uint": [numpy.uint8, numpy.uint16, numpy.uint32, numpy.uint64],
            "float": [numpy.float16, numpy.float32, numpy.float64, numpy.longdouble],
            "complex": [numpy.complex64, numpy.complex128, numpy.clongdouble],
            "others": [bool, object, bytes, str, numpy.void],
        }


def _restore_numpy_float():
    """Gives NumPy its old name of Python's float back.

    Broke with NumPy 1.24, which removed ``numpy.float``; ``chainer/functions/array/
    resize_images.py`` reads it when it is called.
    No longer needed once ``python -c "import numpy; numpy.float"`` works or Chainer has stopped
    asking.
    """
    if not hasattr(numpy, "float"):
        numpy.float = float


def _skip_environment_check():
    """Stands in for Chainer's start-up check of the machine.

    Broke with Python 3.12 and NumPy 2.0 (``chainer/_environment_check.py`` imports
    ``numpy.distutils``) and with setuptools 82 (it imports ``pkg_resources``). It only warns: of
    Python 3.5.0, of an old macOS BLAS, of mismatched CuPy and iDeep, none of which we run on.
    No longer needed once ``python -c "import numpy.distutils, pkg_resources"`` works.
    """
    name = "chainer._environment_check"
    if name not in sys.modules:
        stub = types.ModuleType(name, "Replaced by chainer_cpu._compat: nothing to check.")
        stub.check = lambda: None
        sys.modules[name] = stub


def _forget_frames():
    """Lets go of the frames that were running when Chainer was first imported.

    Chainer keeps the errors of imports that failed (CuPy, iDeep), these keep the frames they passed
    through, and those every local variable of their callers: 220 MB of images, where one of them
    was loading data. No longer needed once the loop below finds only None.
    """
    for module in ("backends.cuda", "backends.intel64", "function_hooks.cupy_memory_profile"):
        names = vars(sys.modules[f"chainer.{module}"])
        for name in ("_resolution_error", "_error"):
            if isinstance(names.get(name), Exception):
                names[name].__traceback__ = None


@functools.cache
def import_chainer():
    """Returns the ``chainer`` module, imported with the shims in place."""
    if numba.config.DISABLE_JIT:
        raise SettingError("NUMBA_DISABLE_JIT", os.environ.get("NUMBA_DISABLE_JIT", "1"), "0")
    _restore_numpy_sctypes()
    _restore_numpy_float()
    _skip_environment_check()
    with warnings.catch_warnings():
        # Since Python 3.12 the compiler speaks of "\d" in Chainer's strings, once, when it first
        # compiles them. Nothing that a user could act on.
        warnings.filterwarnings("ignore", r".*invalid escape sequence", SyntaxWarning)
        warnings.filterwarnings("ignore", r".*invalid escape sequence", DeprecationWarning)
        import chainer  # noqa: PLC0415 (only now are the shims in place)
    _forget_frames()
    return chainer

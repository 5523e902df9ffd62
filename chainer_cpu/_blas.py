"""The BLAS that kernels call, and its threads."""

import ctypes
import functools

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (loads the BLAS whose addresses are looked up below)
import threadpoolctl
from numba.extending import get_cython_function_address

from chainer_cpu._kernels import DTYPES

# Addresses of the functions that multiply matrices, by dtype.
GEMM = {dtype: get_cython_function_address("scipy.linalg.cython_blas", name)
        for dtype, name in zip(DTYPES, ("sgemm", "dgemm"), strict=True)}
# gemm's letters: transposed, and not.
T, N = ord("T"), ord("N")

# The functions that return and set the number of threads, in each library that may be SciPy's BLAS.
_NAMES = [(f"{name}_get_num_threads{suffix}", f"{name}_set_num_threads{suffix}")
          for name in ("scipy_openblas", "openblas", "bli_thread") for suffix in ("", "64_")]
_NAMES += [("MKL_Get_Max_Threads", "MKL_Set_Num_Threads")]

# One BLAS library: addresses of its two functions, and its number of threads before a kernel.
LIBRARY = np.dtype([("get", np.int64), ("set", np.int64), ("threads", np.int64)])


def libraries():
    """Lists every BLAS but NumPy's, as threadpoolctl describes it."""
    return [library for library in threadpoolctl.threadpool_info()
            if library["user_api"] == "blas" and "numpy.libs" not in library["filepath"]]


@functools.cache
def thread_settings():
    """Returns an array with a LIBRARY for every BLAS but NumPy's."""
    found = []
    for library in libraries():
        functions = ctypes.CDLL(library["filepath"])
        for names in _NAMES:
            if all(hasattr(functions, name) for name in names):
                found.append((*(address(getattr(functions, name)) for name in names), 0))
                break
    return np.array(found, LIBRARY)


def address(function):
    """Returns the address of a ctypes function."""
    return ctypes.cast(function, ctypes.c_void_p).value

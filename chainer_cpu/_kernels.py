"""Kernels: how they are compiled, and how they read their jobs.

A kernel is an inner loop compiled by Numba. It stands beside the function that launches it, in the
file of the functions that need it::

    @kernel
    def _scale(share, shares, job):
        x, y = floats(job, 0), floats(job, 1)
        factor, = numbers(job, 1)
        for i in range(len(x) * share // shares, len(x) * (share + 1) // shares):
            y[i] = factor * x[i]

    def scale(x, y, factor):
        run(_scale, x.size // 4, (x, y), (factor,))

Each call does one share of the work. Shares have outputs of their own, so results do not depend on
which thread does which share, and when.

Memory is pixel-major: a map of shape (N, C, H, W) lies as (H, W, N, C), so that each pixel is a
dense (N, C) matrix and a convolution is a few dozen matrix products on whole pixels, in place,
without im2col.

docs/decisions.md, "Compiled kernels", says why NumPy is not enough.
"""

import numpy as np
from llvmlite import ir
from numba import carray, from_dtype, njit, types
from numba.extending import intrinsic

from chainer_cpu._compile import callback
from chainer_cpu._intrinsics import pointer

# A job: addresses of up to FLOATS arrays of the kernel's dtype and up to OTHERS of int64 or
# float64, the sizes of these arrays in the same order, up to NUMBERS whole numbers, the address of
# the compiled kernel, and the number of shares.
FLOATS, OTHERS, NUMBERS = 6, 4, 15
_ARRAYS = FLOATS + OTHERS
JOB = np.dtype([("addresses", np.int64, _ARRAYS), ("sizes", np.int64, _ARRAYS),
                ("numbers", np.int64, NUMBERS), ("function", np.int64), ("shares", np.int64)])

DTYPES = np.dtype(np.float32), np.dtype(np.float64)
# Numbers per task in the elementwise kernels.
TASK_SIZE = 32768

# A decorator for functions that only kernels call.
helper = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


class kernel(dict):
    """Decorates a loop: a dict from dtypes to addresses of the compiled loop.

    The loop is void(share, shares, address of a job). It is compiled for a dtype when the address
    is first asked for: up to a second each.
    """

    def __init__(self, function):
        self.function, self.code = function, {}

    def __missing__(self, dtype):
        # The type of the pointer tells the loop its dtype.
        signature = types.void(types.intp, types.intp, types.CPointer(from_dtype(dtype)))
        code = callback(self.function, signature)
        self.code[dtype], self[dtype] = code, code.address
        return code.address


@helper
def _array(job, i, dtype):
    numbers = carray(pointer(carray(job, 1).ctypes.data), 2 * _ARRAYS, np.int64)
    return carray(pointer(numbers[i]), numbers[_ARRAYS + i], dtype)


@helper
def floats(job, i):
    """Returns the job's array number i of the kernel's dtype, flat."""
    return _array(job, i, carray(job, 1).dtype)


@helper
def indexes(job, i):
    """Returns the job's other array number i, as int64."""
    return _array(job, FLOATS + i, np.int64)


@helper
def doubles(job, i):
    """Returns the job's other array number i, as float64."""
    return _array(job, FLOATS + i, np.float64)


@intrinsic(prefer_literal=True)
def numbers(typingctx, job, count):
    """Returns the job's first count whole numbers, a tuple. count is a literal."""
    def codegen(context, builder, signature, args):
        first = builder.bitcast(args[0], ir.IntType(64).as_pointer())
        return context.make_tuple(builder, signature.return_type, [
            builder.load(builder.gep(first, [ir.Constant(ir.IntType(32), 2 * _ARRAYS + i)]))
            for i in range(count.literal_value)])

    return types.UniTuple(types.int64, count.literal_value)(job, count), codegen

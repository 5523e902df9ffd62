"""What Numba has no words for: BLAS without Python, addresses, atomic numbers, the control word."""

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_X86 = platform.machine().lower() in ("x86_64", "amd64")


@intrinsic
def gemm(typingctx, address, transa, transb, m, n, k, a, lda, b, ldb, beta, c, ldc):
    """Calls BLAS's gemm (alpha = 1) at an address: no Python, no lock, no copies.

    The address is an argument, not a global, because code with a global pointer cannot be cached.
    """
    signature = types.void(*[types.intp] * 10, beta, types.intp, types.intp)

    def codegen(context, builder, signature, args):
        byte_pointer = ir.IntType(8).as_pointer()

        def reference(value):
            return builder.bitcast(cgutils.alloca_once_value(builder, value), byte_pointer)

        def integer(value):
            return reference(builder.trunc(value, ir.IntType(32)))

        def character(value):
            return reference(builder.trunc(value, ir.IntType(8)))

        def pointer(value):
            return builder.inttoptr(value, byte_pointer)

        address, transa, transb, m, n, k, a, lda, b, ldb, beta, c, ldc = args
        one = ir.Constant(beta.type, 1.0)
        function = ir.FunctionType(ir.VoidType(), [byte_pointer] * 13)
        builder.call(builder.inttoptr(address, function.as_pointer()), [
            character(transa), character(transb), integer(m), integer(n), integer(k),
            reference(one), pointer(a), integer(lda), pointer(b), integer(ldb),
            reference(beta), pointer(c), integer(ldc)])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def swap_control(typingctx, control):
    """Sets the floating-point control word of this thread and returns the one before; x86 only."""
    def codegen(context, builder, signature, args):
        if not _X86:
            return args[0]
        slot = cgutils.alloca_once_value(builder, args[0])
        before = cgutils.alloca_once(builder, ir.IntType(32))
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        for name, where in (("stmxcsr", before), ("ldmxcsr", slot)):
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
            builder.call(function, [builder.bitcast(where, pointer)])
        return builder.load(before)

    return types.uint32(types.uint32), codegen


@intrinsic
def pointer(typingctx, address):
    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.intp), codegen


@intrinsic
def call(typingctx, function, kernel, share, shares, job):
    def codegen(context, builder, signature, args):
        number = args[0].type
        kind = ir.FunctionType(ir.VoidType(), [number] * 4)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5), codegen


@intrinsic
def load(typingctx, address):
    def codegen(context, builder, signature, args):
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.intp), codegen


@intrinsic
def store(typingctx, address, value):
    def codegen(context, builder, signature, args):
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        builder.store_atomic(args[1], place, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.int64), codegen


@intrinsic
def add(typingctx, address, value):
    """Adds atomically; returns the number before."""
    def codegen(context, builder, signature, args):
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.int64(types.intp, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Tells an x86 core that it is only waiting."""
    def codegen(context, builder, signature, args):
        if _X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(
                builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


def compiled(compiler, *args, **options):
    """A decorator that keeps the compiled code on the disk if there is a place for it."""
    def compile_(function):
        try:
            return compiler(*args, cache=True, **options)(function)
        except RuntimeError:  # neither this folder nor the user's own can be written to
            return compiler(*args, **options)(function)
    return compile_

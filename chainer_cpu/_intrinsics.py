"""What Numba lacks: BLAS without Python, addresses, atomic numbers, the control word.

Two intrinsics are instructions of x86 and 64-bit ARM: denormal numbers count as zero, and a core
pauses while it waits. On other processors both do nothing; results are as right, and come later.
"""

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# The target of compiled code; under emulation not the machine's own processor.
_TARGET = binding.get_process_triple().partition("-")[0]
_X86 = _TARGET == "x86_64"
_ARM = _TARGET in ("aarch64", "arm64")
FLUSHES = _X86 or _ARM

# All exceptions masked and round to nearest, which is the default, plus flush-to-zero and
# denormals-are-zero: two bits of x86's MXCSR, one of ARM's FPCR.
_FLUSHING = 0x1F80 | 1 << 15 | 1 << 6 if _X86 else 1 << 24


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


def _declared(builder, name, result, *arguments):
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(result, arguments), f"llvm.{name}")


def _x86_control(builder, name, slot):
    """Stores MXCSR to the slot (stmxcsr) or loads it from there (ldmxcsr)."""
    pointer = ir.IntType(8).as_pointer()
    builder.call(_declared(builder, f"x86.sse.{name}", ir.VoidType(), pointer),
                 [builder.bitcast(slot, pointer)])


def _read_control(builder):
    if _X86:
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        _x86_control(builder, "stmxcsr", slot)
        return builder.zext(builder.load(slot), ir.IntType(64))
    if _ARM:
        return builder.call(_declared(builder, "aarch64.get.fpcr", ir.IntType(64)), [])
    return ir.Constant(ir.IntType(64), 0)


def _write_control(builder, value):
    if _X86:
        _x86_control(builder, "ldmxcsr", cgutils.alloca_once_value(
            builder, builder.trunc(value, ir.IntType(32))))
    elif _ARM:
        builder.call(_declared(builder, "aarch64.set.fpcr", ir.VoidType(), ir.IntType(64)), [value])


@intrinsic
def flush_denormals(typingctx):
    """Lets denormal numbers count as zero on this thread; returns the control word before.

    They cost a hundred cycles each on many processors, and a discriminator that is sure of itself
    computes millions.
    """
    def codegen(context, builder, signature, args):
        before = _read_control(builder)
        _write_control(builder, ir.Constant(ir.IntType(64), _FLUSHING))
        return before

    return types.uint64(), codegen


@intrinsic
def restore_control(typingctx, control):
    """Sets this thread's control word to what flush_denormals returned."""
    def codegen(context, builder, signature, args):
        _write_control(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.uint64), codegen


@intrinsic
def pointer(typingctx, address):
    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.intp), codegen


@intrinsic
def call(typingctx, function, first, second, third):
    """Calls the C function at an address and returns its result.

    The function may take fewer than three arguments and return a smaller number or nothing: every
    calling convention allows that.
    """
    def codegen(context, builder, signature, args):
        number = args[0].type
        kind = ir.FunctionType(number, [number] * 3)
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.intp(*[types.intp] * 4), codegen


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
    """Adds value to the number at address, atomically; returns the number before."""
    def codegen(context, builder, signature, args):
        place = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.int64(types.intp, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Tells the core that it is only waiting; takes some tens of cycles."""
    def codegen(context, builder, signature, args):
        if _X86:
            builder.call(_declared(builder, "x86.sse2.pause", ir.VoidType()), [])
        elif _ARM:  # isb, not yield: on most ARM cores that one takes no time
            every = ir.IntType(32)
            builder.call(_declared(builder, "aarch64.isb", ir.VoidType(), every), [every(15)])
        return context.get_dummy_value()

    return types.void(), codegen

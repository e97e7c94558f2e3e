"""How the innermost loops are compiled: by numba, when first used, and kept on disk where that can be.

They run without the interpreter's lock.
"""
# mypy: ignore-errors

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic


def compiled(function):
    """Return *function*, compiled."""
    for is_kept in (True, False):
        try:
            return njit(nogil=True, cache=is_kept, boundscheck=False, error_model="numpy")(function)
        except RuntimeError:  # no folder can be written to
            continue
    raise AssertionError


def _loads(number):
    """Return what reads one number, wherever it begins."""

    @intrinsic
    def load(typing, array, at):  # noqa: ARG001
        def generate(context, builder, signature, args):
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(number.bitwidth).as_pointer())
            return builder.load(place, align=1)

        return number(array, types.uint64), generate

    return load


load, load16 = _loads(types.uint64), _loads(types.uint16)

"""How the innermost loops are compiled: by numba, when first used, and kept on disk where that can be.

They run without the interpreter's lock, but for the briefest.
"""
# mypy: ignore-errors

from contextlib import suppress
from pathlib import Path

from llvmlite import ir
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

_OPTIONS = {"boundscheck": False, "error_model": "numpy"}


def compiled(function):
    """Return *function*, compiled when it is first called."""
    return _kept(function, njit(nogil=True, **_OPTIONS)(function))


def brief(function):
    """Return *function*, compiled likewise, so short that it keeps the lock: whoever gives it up waits for it again."""
    return _kept(function, njit(**_OPTIONS)(function))


def inside(function):
    """Return *function*, to be compiled into those that call it: a call costs as much as some hundred numbers."""
    return njit(nogil=True, forceinline=True, **_OPTIONS)(function)


def _kept(function, made):
    with suppress(RuntimeError):  # no folder can be written to
        made._cache = _Kept(function)  # noqa: SLF001 - as its enable_caching does
    return made


class _Kept(FunctionCache):
    """What was compiled before, kept on disk: only a help, so that damage or a full disk costs time alone."""

    def __init__(self, function):
        super().__init__(function)
        self._cache_file._source_stamp = _stamp()  # noqa: SLF001 - numba looks at the function's own file alone

    def load_overload(self, *args):
        try:
            return super().load_overload(*args)
        except Exception:  # noqa: BLE001 - whatever damaged pickles raise
            with suppress(Exception):
                self.flush()
            return None

    def save_overload(self, *args):
        with suppress(Exception):
            super().save_overload(*args)


def _stamp():
    """Return what changes when anything does that is compiled into the loops, be it in another file."""
    facts = sorted((path.name, path.stat()) for path in Path(__file__).parent.glob("*.py"))
    return [(name, fact.st_mtime_ns, fact.st_size) for name, fact in facts]


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


@intrinsic
def store(typing, array, at, value):  # noqa: ARG001
    """Write 64 bits, wherever they begin."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(64).as_pointer())
        builder.store(args[2], place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.uint64), generate

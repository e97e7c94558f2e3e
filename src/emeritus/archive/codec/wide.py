"""Sixteen numbers at a time, for processors that can put words into lanes as a mask says (AVX-512 VBMI2).

Each is the inside of a loop in `kernels` and leaves exactly what sixteen turns of that loop leave. Written in
LLVM's own language, as nothing above it names these operations.
"""
# mypy: ignore-errors

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from emeritus.archive.codec.model import PRECISION, TOKENS

WIDTH = 16
IS_HERE = llvm.get_host_cpu_features().get("avx512vbmi2", False)
_I1, _I8, _I16, _I32, _I64 = (ir.IntType(size) for size in (1, 8, 16, 32, 64))


def _vector(kind):
    return ir.VectorType(kind, WIDTH)


def _all(kind, value):
    return ir.Constant(_vector(kind), [value] * WIDTH)


class _Builder:
    """An LLVM builder at one place of a loop, and the arrays that the loop was given."""

    def __init__(self, context, builder, signature, args):
        self.b = builder
        self.args = args
        self._arrays = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else None
            for kind, value in zip(signature.args, args, strict=True)
        ]

    def place(self, array, index=None):
        """Return where an element of an argument lies."""
        data = self._arrays[array]
        return data if index is None else self.b.gep(data, [index])

    def load(self, place, kind, align=1):
        return self.b.load(self.b.bitcast(place, _vector(kind).as_pointer()), align=align)

    def store(self, value, place):
        self.b.store(value, self.b.bitcast(place, value.type.as_pointer()), align=1)

    def spread(self, value, kind):
        """Return a number in all lanes."""
        nothing = ir.Constant(_vector(kind), ir.Undefined)
        one = self.b.insert_element(nothing, value, _I32(0))
        return self.b.shuffle_vector(one, nothing, ir.Constant(_vector(_I32), [0] * WIDTH))

    def gather(self, place, offsets, align=4):
        """Load a word of 32 bits for each lane, *offsets* bytes behind *place*."""
        base = self.spread(self.b.ptrtoint(place, _I64), _I64)
        whole = self.b.add(base, self.b.zext(offsets, _vector(_I64)))
        pointers = _vector(_I32.as_pointer())
        name = "llvm.masked.gather.v16i32.v16p0"
        kinds = [pointers, _I32, _vector(_I1), _vector(_I32)]
        function = self.declared(name, _vector(_I32), kinds)
        return self.b.call(
            function, [self.b.inttoptr(whole, pointers), _I32(align), _all(_I1, 1), _all(_I32, 0)]
        )

    def declared(self, name, returned, kinds):
        known = self.b.module.globals.get(name)
        return known or ir.Function(self.b.module, ir.FunctionType(returned, kinds), name)


@intrinsic
def tokens(typing, slots, contexts, i, states, lane, words, at, into):  # noqa: ARG001
    """Decode sixteen tokens, from *i* on, with the lanes from *lane* on; return where the words go on."""

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        chosen = b.zext(it.load(it.place(1, args[2]), _I8), _vector(_I32))
        home = it.place(3, args[4])
        state = it.load(home, _I32)
        index = b.or_(b.shl(chosen, _all(_I32, PRECISION)), b.and_(state, _all(_I32, (1 << PRECISION) - 1)))
        slot = it.gather(it.place(0), b.shl(index, _all(_I32, 2)))
        code = b.or_(b.shl(chosen, _all(_I32, TOKENS.bit_length() - 1)), b.and_(slot, _all(_I32, TOKENS - 1)))
        it.store(b.trunc(code, _vector(_I16)), it.place(7, args[2]))
        high = b.lshr(state, _all(_I32, PRECISION))
        often = b.lshr(slot, _all(_I32, 20))
        place = b.and_(b.lshr(slot, _all(_I32, 8)), _all(_I32, 4095))
        state = b.add(b.add(b.mul(often, high), place), high)
        short = b.icmp_unsigned("<", state, _all(_I32, 1 << 16))
        kinds = [_I16.as_pointer(), _vector(_I1), _vector(_I16)]
        expand = it.declared("llvm.masked.expandload.v16i16", _vector(_I16), kinds)
        stream = b.bitcast(it.place(5, b.shl(args[6], _I64(1))), _I16.as_pointer())
        word = b.zext(b.call(expand, [stream, short, _all(_I16, 0)]), _vector(_I32))
        longer = b.or_(b.shl(state, _all(_I32, 16)), word)
        it.store(b.select(short, longer, state), home)
        count = it.declared("llvm.ctpop.i16", _I16, [_I16])
        return b.add(args[6], b.zext(b.call(count, [b.bitcast(short, _I16)]), _I64))

    number = types.uint64
    return number(slots, contexts, number, states, number, words, number, into), generate


@intrinsic
def direct(typing, tokens, i, first, values):  # noqa: ARG001
    """Take sixteen tokens for the numbers that they name; return a bit for each that is not below *first*."""

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        kind = it.place(3).type.pointee
        token = b.and_(it.load(it.place(0, args[1]), _I16), _all(_I16, TOKENS - 1))
        narrow = kind.width < _I16.width
        value = token if kind == _I16 else (b.trunc if narrow else b.zext)(token, _vector(kind))
        it.store(value, it.place(3, args[1]))
        is_above = b.icmp_unsigned(">=", token, it.spread(b.trunc(args[2], _I16), _I16))
        return b.zext(b.bitcast(is_above, _I16), _I64)

    return types.uint64(tokens, types.uint64, types.uint64, values), generate


@intrinsic
def lowest(typing, mask):  # noqa: ARG001
    """Return the place of the lowest bit that is set."""

    def generate(context, builder, signature, args):  # noqa: ARG001
        return builder.cttz(args[0], _I1(1))

    return types.uint64(types.uint64), generate

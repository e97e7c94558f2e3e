"""Many numbers at a time, for processors that can put words into lanes as a mask says (AVX-512 VBMI2).

Each is the inside of a loop in `kernels` and leaves exactly what so many turns of that loop leave: sixteen for
tokens, `MANY` for all else. Written in LLVM's own language, as nothing above it names these operations.
"""
# mypy: ignore-errors

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from emeritus.archive.codec.model import PRECISION, TOKENS

WIDTH = 16
MANY = 64
DRAWN = 25  # beside up to seven others before them, in one word; and sixteen times that, in `MANY` bytes
NOT_DRAWN = 2**64 - 1
JOINED = 56  # beside up to seven others before them, in one word
_HAS = llvm.get_host_cpu_features()
IS_HERE = _HAS.get("avx512vbmi", False) and _HAS.get("avx512vbmi2", False)
MULTIPLIES = IS_HERE and _HAS.get("gfni", False)
LANES = 8  # parity rows at a time
_I1, _I8, _I16, _I32, _I64 = (ir.IntType(size) for size in (1, 8, 16, 32, 64))


def _vector(kind, width=WIDTH):
    return ir.VectorType(kind, width)


def _all(kind, value, width=WIDTH):
    return ir.Constant(_vector(kind, width), [value] * width)


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

    def load(self, place, kind, width=WIDTH):
        return self.b.load(self.b.bitcast(place, _vector(kind, width).as_pointer()), align=1)

    def number(self, value, kind):
        """Return an argument of 64 bits as a number of another *kind*."""
        return value if kind == _I64 else self.b.trunc(value, kind)

    def store(self, value, place):
        self.b.store(value, self.b.bitcast(place, value.type.as_pointer()), align=1)

    def spread(self, value, kind, width=WIDTH):
        """Return a number in all lanes."""
        nothing = ir.Constant(_vector(kind, width), ir.Undefined)
        one = self.b.insert_element(nothing, value, _I32(0))
        return self.b.shuffle_vector(one, nothing, _all(_I32, 0, width))

    def gather(self, place, offsets):
        """Load a word of 32 bits for each lane, *offsets* words behind *place*; processors gather more slowly."""
        found = ir.Constant(_vector(_I32), ir.Undefined)
        for lane in range(WIDTH):
            offset = self.b.zext(self.b.extract_element(offsets, _I32(lane)), _I64)
            found = self.b.insert_element(found, self.b.load(self.b.gep(place, [offset])), _I32(lane))
        return found

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
        slot = it.gather(it.place(0), index)
        code = b.or_(b.shl(chosen, _all(_I32, TOKENS.bit_length() - 1)), b.and_(slot, _all(_I32, TOKENS - 1)))
        it.store(b.trunc(code, _vector(_I16)), it.place(7, args[2]))
        high = b.lshr(state, _all(_I32, PRECISION))
        often = b.lshr(slot, _all(_I32, 20))
        place = b.and_(b.lshr(slot, _all(_I32, 8)), _all(_I32, 4095))
        state = b.add(b.add(b.mul(often, high), place), high)
        short = b.icmp_unsigned("<", state, _all(_I32, 1 << 16))
        words_ = _vector(_I16)
        expand = it.declared("llvm.x86.avx512.mask.expand.v16i16", words_, [words_, words_, _vector(_I1)])
        coming = it.load(it.place(5, b.shl(args[6], _I64(1))), _I16)
        word = b.zext(b.call(expand, [coming, _all(_I16, 0), short]), _vector(_I32))
        longer = b.or_(b.shl(state, _all(_I32, 16)), word)
        it.store(b.select(short, longer, state), home)
        count = it.declared("llvm.ctpop.i16", _I16, [_I16])
        return b.add(args[6], b.zext(b.call(count, [b.bitcast(short, _I16)]), _I64))

    number = types.uint64
    return number(slots, contexts, number, states, number, words, number, into), generate


@intrinsic
def spell(typing, codes, i, rates, states, lane, stream, at):  # noqa: ARG001
    """Undo sixteen turns of `tokens`, from *i* on; return where the words begin that were put before *at*.

    *rates* are those of each code.
    """

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        word, real = _vector(_I32), ir.VectorType(ir.FloatType(), WIDTH)
        code = it.load(it.place(0, args[1]), _I32)
        rate = it.gather(it.place(2), code)
        often, first = b.lshr(rate, _all(_I32, 16)), b.and_(rate, _all(_I32, 0xFFFF))
        home = it.place(3, args[4])
        state = it.load(home, _I32)
        full = b.icmp_unsigned(">=", b.lshr(state, _all(_I32, 32 - PRECISION)), often)
        count = b.zext(b.call(it.declared("llvm.ctpop.i16", _I16, [_I16]), [b.bitcast(full, _I16)]), _I64)
        at = b.sub(args[6], count)
        words = _vector(_I16)
        compress = it.declared("llvm.x86.avx512.mask.compress.v16i16", words, [words, words, _vector(_I1)])
        kept = b.call(compress, [b.trunc(state, words), _all(_I16, 0), full])
        below = b.sub(b.shl(_I32(1), b.trunc(count, _I32)), _I32(1))
        mask = b.bitcast(b.trunc(below, _I16), _vector(_I1))
        kinds = [words, words.as_pointer(), _I32, _vector(_I1)]
        store = it.declared("llvm.masked.store.v16i16.p0", ir.VoidType(), kinds)
        place = b.bitcast(it.place(5, at), words.as_pointer())
        b.call(store, [kept, place, _I32(1), mask])
        state = b.select(full, b.lshr(state, _all(_I32, 16)), state)
        share = b.fptoui(b.fdiv(b.uitofp(state, real), b.uitofp(often, real)), word)  # one off, at most
        most = _all(_I32, (1 << 20) - 1)  # as the state is below `often << 20`
        share = b.select(b.icmp_unsigned("<", share, most), share, most)
        share = b.sub(share, b.zext(b.icmp_unsigned(">", b.mul(share, often), state), word))
        rest = b.sub(state, b.mul(share, often))
        is_short = b.icmp_unsigned(">=", rest, often)
        share = b.add(share, b.zext(is_short, word))
        rest = b.sub(rest, b.select(is_short, often, _all(_I32, 0)))
        it.store(b.add(b.add(b.shl(share, _all(_I32, PRECISION)), rest), first), home)
        return at

    number = types.uint64
    return number(codes, number, rates, states, number, stream, number), generate


@intrinsic
def direct(typing, tokens, i, first, values):  # noqa: ARG001
    """Take tokens for the numbers that they name; return a bit for each that is not below *first*."""

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        kind = it.place(3).type.pointee
        token = b.and_(it.load(it.place(0, args[1]), _I16, MANY), _all(_I16, TOKENS - 1, MANY))
        narrow = kind.width < _I16.width
        value = token if kind == _I16 else (b.trunc if narrow else b.zext)(token, _vector(kind, MANY))
        it.store(value, it.place(3, args[1]))
        is_above = b.icmp_unsigned(">=", token, it.spread(b.trunc(args[2], _I16), _I16, MANY))
        return b.bitcast(is_above, _I64)

    return types.uint64(tokens, types.uint64, types.uint64, values), generate


@intrinsic
def look(typing, base, at, top, shift, entries, offset, into, i):  # noqa: ARG001
    """Look up what 256 *entries*, from *offset* on, hold for eight bits of the base's numbers, from *shift* on.

    *base* is read from *at* on, *into* written from *i* on, and *top* is the number of the top bit.
    """

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        kind = it.place(0).type.pointee
        under = b.sub(b.shl(kind(1), it.number(args[2], kind)), kind(1))
        near = b.and_(it.load(it.place(0, args[1]), kind, MANY), it.spread(under, kind, MANY))
        known = b.lshr(near, it.spread(it.number(args[3], kind), kind, MANY))
        known = known if kind == _I8 else b.trunc(known, _vector(_I8, MANY))
        table = [it.load(it.place(4, b.add(args[5], _I64(at))), _I8, MANY) for at in range(0, 256, MANY)]
        bytes_ = _vector(_I8, MANY)
        function = it.declared("llvm.x86.avx512.vpermi2var.qi.512", bytes_, [bytes_] * 3)
        low, high = (b.call(function, [table[at], known, table[at + 1]]) for at in (0, 2))
        is_high = b.icmp_signed("<", known, _all(_I8, 0, MANY))
        it.store(b.select(is_high, high, low), it.place(6, args[7]))
        return context.get_dummy_value()

    number = types.uint64
    return types.void(base, number, number, number, entries, number, into, number), generate


@intrinsic
def step(typing, base, at, top, zero, values, middles, i, out):  # noqa: ARG001
    """Go from numbers of the *base* by the folded *values*, times two to the *zero*, and *middles*: see `kernels`."""

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        kind = it.place(0).type.pointee

        def everywhere(value):
            return it.spread(it.number(value, kind), kind, MANY)

        one, none, top = _all(kind, 1, MANY), _all(kind, 0, MANY), everywhere(args[2])
        near = it.load(it.place(0, args[1]), kind, MANY)
        value = it.load(it.place(4, args[6]), kind, MANY)
        gap = b.xor(b.lshr(value, one), b.sub(none, b.and_(value, one)))
        gap = b.add(b.shl(gap, everywhere(args[3])), it.load(it.place(5, args[6]), kind, MANY))
        high = b.shl(one, top)
        total = b.add(b.and_(near, b.sub(high, one)), gap)
        through = b.sub(none, b.lshr(total, top))
        found = b.or_(b.xor(total, through), b.and_(b.xor(near, through), high))
        it.store(found, it.place(7, args[1]))
        return context.get_dummy_value()

    number = types.uint64
    return types.void(base, number, number, number, values, middles, number, out), generate


@intrinsic
def draw(typing, tokens, i, raw, bit, values):  # noqa: ARG001
    """Find the numbers that sixteen tokens and their raw bits make; return where the raw bits go on.

    The tokens are of a difference's partition: 16 numbers, then four intervals to each power of two. When one
    has more raw bits than `DRAWN`, nothing is done, and `NOT_DRAWN` returned.
    """

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        kind = it.place(4).type.pointee
        word = _vector(_I32)
        token = b.and_(b.zext(it.load(it.place(0, args[1]), _I16), word), _all(_I32, TOKENS - 1))
        is_far = b.icmp_unsigned(">=", token, _all(_I32, 16))
        many = b.sub(b.lshr(token, _all(_I32, 2)), _all(_I32, 2))
        many = b.select(is_far, many, _all(_I32, 0))
        begin = b.shl(b.or_(b.and_(token, _all(_I32, 3)), _all(_I32, 4)), many)
        begin = b.select(is_far, begin, token)
        total = many
        for step in (1, 2, 4, 8):
            lanes = ir.Constant(word, [lane - step if lane >= step else WIDTH for lane in range(WIDTH)])
            total = b.add(total, b.shuffle_vector(total, _all(_I32, 0), lanes))
        at = b.add(b.sub(total, many), it.spread(b.and_(b.trunc(args[3], _I32), _I32(7)), _I32))
        bytes_ = _vector(_I8, MANY)
        here = it.load(it.place(2, b.lshr(args[3], _I64(3))), _I8, MANY)
        four = b.add(b.mul(b.lshr(at, _all(_I32, 3)), _all(_I32, 0x01010101)), _all(_I32, 0x03020100))
        permute = it.declared("llvm.x86.avx512.permvar.qi.512", bytes_, [bytes_, bytes_])
        found = b.bitcast(b.call(permute, [here, b.bitcast(four, bytes_)]), word)
        found = b.lshr(found, b.and_(at, _all(_I32, 7)))
        found = b.and_(found, b.sub(b.shl(_all(_I32, 1), many), _all(_I32, 1)))
        value = b.add(begin, found)
        if kind != _I32:
            value = (b.trunc if kind.width < _I32.width else b.zext)(value, _vector(kind))
        is_drawn = b.icmp_unsigned("<=", many, _all(_I32, DRAWN))
        is_drawn = b.icmp_unsigned("==", b.bitcast(is_drawn, _I16), _I16(0xFFFF))
        with b.if_then(is_drawn):
            it.store(value, it.place(4, args[1]))
        end = b.add(args[3], b.zext(b.extract_element(total, _I32(WIDTH - 1)), _I64))
        return b.select(is_drawn, end, _I64(NOT_DRAWN))

    number = types.uint64
    return number(tokens, number, raw, number, values), generate


@intrinsic
def rests(typing, values, i, joined):  # noqa: ARG001
    """Find the raw bits of sixteen numbers (see `draw`), and join those of neighbours, the first one's lowest.

    Writes down the bits of eight twos, how many each has, and the same of four fours and of two eights. Returns
    how many numbers at a time may be taken so that there are at most `JOINED` bits: 8, 4, 2 or 1.
    """

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        word, long = _vector(_I32), _vector(_I64, WIDTH // 2)
        kind = it.place(0).type.pointee
        value = it.load(it.place(0, args[1]), kind)
        value = value if kind == _I32 else b.zext(value, word)
        zeros = it.declared("llvm.ctlz.v16i32", word, [word, _I1])
        many = b.sub(_all(_I32, 29), b.call(zeros, [value, _I1(0)]))
        many = b.select(b.icmp_unsigned(">=", value, _all(_I32, 16)), many, _all(_I32, 0))
        rest = b.and_(value, b.sub(b.shl(_all(_I32, 1), many), _all(_I32, 1)))
        half, low = _all(_I64, 32, WIDTH // 2), _all(_I64, 2**32 - 1, WIDTH // 2)
        parted = [
            (b.and_(both, low), b.lshr(both, half)) for both in (b.bitcast(v, long) for v in (rest, many))
        ]
        fits, at = [], 0
        for size in (WIDTH // 2, WIDTH // 4, WIDTH // 8):
            (first, second), (few, more) = parted
            rest, many = b.or_(first, b.shl(second, few)), b.add(few, more)
            it.store(rest, it.place(2, _I64(at)))
            it.store(many, it.place(2, _I64(at + size)))
            at += 2 * size
            most = it.declared(f"llvm.vector.reduce.umax.v{size}i64", _I64, [_vector(_I64, size)])
            fits.append(b.icmp_unsigned("<=", b.call(most, [many]), _I64(JOINED)))
            turns = [ir.Constant(_vector(_I32, size // 2), list(range(n, size, 2))) for n in (0, 1)]
            parted = [[b.shuffle_vector(each, each, turn) for turn in turns] for each in (rest, many)]
        taken = _I64(1)
        for power, fit in enumerate(fits, 1):
            taken = b.select(fit, _I64(1 << power), taken)
        return taken

    return types.uint64(values, types.uint64, joined), generate


@intrinsic
def measure(typing, words, base, at, top, zero, shift, mask, first, tokens, middles, codes, values, into):  # noqa: ARG001
    """Find how far words are from their base: see `spelling.steps`. *middles* are read from their beginning on."""

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        b = builder
        kind = it.place(0).type.pointee
        long = kind if kind == _I64 else _I32

        def widened(value):
            return value if kind == long else b.zext(value, _vector(long, MANY))

        def everywhere(value, kind=kind):
            return it.spread(it.number(value, kind), kind, MANY)

        one, top = _all(kind, 1, MANY), everywhere(args[3])
        high = b.shl(one, top)
        under = b.sub(high, one)
        word, near = it.load(it.place(0, args[2]), kind, MANY), it.load(it.place(1, args[2]), kind, MANY)
        turned = b.xor(word, b.and_(near, high))
        flip = b.and_(b.ashr(turned, top), under)
        near = b.and_(near, under)
        gap = b.sub(b.xor(turned, flip), near)
        gap = b.sub(gap, it.load(it.place(9, _I64(0)), kind, MANY))
        step = b.ashr(gap, everywhere(args[4]))
        value = b.xor(b.shl(step, one), b.ashr(step, top))
        it.store(value, it.place(11, args[12]))
        value = widened(value)
        zeros = it.declared(f"llvm.ctlz.v{MANY}i{long.width}", value.type, [value.type, _I1])
        power = b.sub(_all(long, long.width - 1, MANY), b.call(zeros, [value, _I1(0)]))
        lower = b.sub(power, _all(long, 2, MANY))
        token = b.add(b.shl(lower, _all(long, 2, MANY)), _all(long, 8, MANY))
        token = b.add(token, b.and_(b.lshr(value, lower), _all(long, 3, MANY)))
        token = b.select(b.icmp_unsigned("<", value, _all(long, 16, MANY)), value, token)
        item = b.and_(b.lshr(widened(near), everywhere(args[5], long)), everywhere(args[6], long))
        item = b.add(item, everywhere(args[7], long))
        code = b.add(b.mul(item, everywhere(args[8], long)), token)
        it.store(code if long == _I32 else b.trunc(code, _vector(_I32, MANY)), it.place(10, args[12]))
        return context.get_dummy_value()

    n = types.uint64
    return types.void(words, base, n, n, n, n, n, n, n, middles, codes, values, n), generate


@intrinsic
def add_products(typing, data, at, matrices, row, sums):  # noqa: ARG001
    """Multiply `MANY` bytes by what each of the eight *matrices* of a *row* stands for, and add to the *sums*."""

    def generate(context, builder, signature, args):
        it = _Builder(context, builder, signature, args)
        bytes_ = _vector(_I8, MANY)
        multiply = it.declared("llvm.x86.vgf2p8affineqb.512", bytes_, [bytes_, bytes_, _I8])
        piece = it.load(it.place(0, args[1]), _I8, MANY)
        for lane in range(LANES):
            matrix = builder.load(it.place(2, builder.add(builder.mul(args[3], _I64(LANES)), _I64(lane))))
            spread = builder.bitcast(it.spread(matrix, _I64, MANY // 8), bytes_)
            place = it.place(4, _I64(lane * MANY))
            product = builder.call(multiply, [piece, spread, _I8(0)])
            it.store(builder.xor(it.load(place, _I8, MANY), product), place)
        return context.get_dummy_value()

    return types.void(data, types.uint64, matrices, types.uint64, sums), generate


@intrinsic
def lowest(typing, mask):  # noqa: ARG001
    """Return the place of the lowest bit that is set."""

    def generate(context, builder, signature, args):  # noqa: ARG001
        return builder.cttz(args[0], _I1(1))

    return types.uint64(types.uint64), generate

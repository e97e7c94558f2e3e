"""The innermost loops, compiled by numba when first used, and kept on disk where that can be.

They run without the interpreter's lock. Payloads come from outside: every index is bounded by how the tables
were built, or checked before each chunk of numbers, behind whose streams lies enough padding for one chunk.
Indices are unsigned (a signed one costs a comparison) and 64 bits wide.
"""
# mypy: ignore-errors

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from emeritus.archive.codec import wide
from emeritus.archive.codec.model import CODED, PRECISION, TOKENS
from emeritus.archive.codec.plain import LOW

CHUNK = 128
FAILED = np.uint64(2**64 - 1)
_U8, _U16, _U32, _U64, _I64 = np.uint8, np.uint16, np.uint32, np.uint64, np.int64
_P = np.uint32(PRECISION)
_SLOT = np.uint32((1 << PRECISION) - 1)
_LOW = np.uint32(LOW)
_CODED = np.uint8(CODED)
_ROW = np.uint64(TOKENS.bit_length() - 1)
_TABLE = np.uint64(PRECISION)
_NONE, _ONE, _ALL = np.uint64(0), np.uint64(1), ~np.uint64(0)
_WIDE = np.uint64(wide.WIDTH)
_SKIP = np.uint64(255)
_INVERSE = np.uint64(44)


def _compile(function):
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


_load, _load16 = _loads(types.uint64), _loads(types.uint16)


@_compile
def _take(raw, bit, size):
    """Return *size* bits from *bit* on."""
    at, shift = bit >> _U64(3), bit & _U64(7)
    found = _load(raw, at) >> shift
    if size > _U64(56):
        found |= (_U64(raw[at + _U64(8)]) << _U64(8)) << (_U64(56) - shift)
        return found & (_ALL >> (_U64(64) - size))
    return found & ~(_ALL << size)


@_compile
def lay(rates, contexts, slots):
    """Write down for each slot its frequency less one, its place in the interval, and its token."""
    for context in range(contexts):
        for token in range(TOKENS):
            rate = rates[context * TOKENS + token]
            often, first = _I64(rate >> _U32(16)), _I64(rate & _U32(0xFFFF))
            entry = (_U32(often - 1) << _U32(20)) | _U32(token)
            at = (context << PRECISION) + first
            for place in range(often):
                slots[at + place] = entry | (_U32(place) << _U32(8))


@_compile
def _tokens_one(slots, contexts, i, size, states, lane, words, at, tokens):
    lanes = _U64(states.size - 1)
    while i < size:
        context = _U64(contexts[i])
        state = states[lane]
        slot = slots[(context << _TABLE) | _U64(state & _SLOT)]
        tokens[i] = _U16((context << _ROW) | _U64(slot & _U32(255)))
        high = state >> _P
        state = _U32((slot >> _U32(20)) * high + ((slot >> _U32(8)) & _U32(4095)) + high)
        longer = _U32(state << _U32(16)) | _U32(_load16(words, at << _ONE))
        short = state < _LOW
        at += _U64(short)
        states[lane] = longer if short else state
        lane = (lane + _ONE) & lanes
        i += _ONE
    return at


@_compile
def _tokens_many(slots, contexts, size, states, lane, words, at, tokens):
    count, i = _U64(states.size), _NONE
    while i < size:
        until = min(size, i + count - lane)
        while i + _WIDE <= until:
            at = wide.tokens(slots, contexts, i, states, lane, words, at, tokens)
            i += _WIDE
            lane += _WIDE
        at = _tokens_one(slots, contexts, i, until, states, lane, words, at, tokens)
        i, lane = until, _NONE
    return at


@_compile
def _tokens(slots, contexts, size, states, lane, words, at, tokens):
    """Decode *size* tokens, whose contexts are known; return where the words go on."""
    if wide.IS_HERE:
        return _tokens_many(slots, contexts, size, states, lane, words, at, tokens)
    return _tokens_one(slots, contexts, _NONE, size, states, lane, words, at, tokens)


@_compile
def _numbers_one(tokens, i, size, starts, bits, raw, bit, values):
    while i < size:
        token = _U64(tokens[i])
        value, more = starts[token], _U64(bits[token])
        if more:
            value += _take(raw, bit, more)
            bit += more
        values[i] = value
        i += _ONE
    return bit


@_compile
def _numbers_many(tokens, size, starts, bits, first, raw, bit, values):
    i = _NONE
    while i + _WIDE <= size:
        left = wide.direct(tokens, i, first, values)
        while left != _NONE:
            at = i + wide.lowest(left)
            token = _U64(tokens[at])
            more = _U64(bits[token])
            values[at] = starts[token] + _take(raw, bit, more)
            bit += more
            left &= left - _ONE
        i += _WIDE
    return _numbers_one(tokens, i, size, starts, bits, raw, bit, values)


@_compile
def _numbers(tokens, size, starts, bits, first, raw, bit, values):
    """Find the number that each token and its raw bits make; return where the raw bits go on.

    *first*: tokens below it are the number that they name.
    """
    if wide.IS_HERE and first:
        return _numbers_many(tokens, size, starts, bits, first, raw, bit, values)
    return _numbers_one(tokens, _NONE, size, starts, bits, raw, bit, values)


@_compile
def decode_alone(
    slots, bits, starts, first, kinds, zeros, contexts, blocks, block, states, words, limit, raw, ends, out,
    top,
):
    """Fill *out*; *contexts*: of each block."""
    lanes = _U64(states.size - 1)
    chosen, tokens, values = np.empty(CHUNK, np.uint8), np.empty(CHUNK, np.uint16), np.empty(CHUNK, out.dtype)
    at, bit, lane, begin, count = _NONE, _NONE, _NONE, _NONE, _U64(out.size)
    for number in range(_U64(blocks.size)):
        end = min(begin + block, count)
        one = _U64(blocks[number])
        if kinds[one] != _CODED:
            for i in range(begin, end):
                out[i] = 0
            begin = end
            continue
        zero = zeros[one]
        chosen[:] = contexts[number]
        while begin < end:
            size = min(_U64(CHUNK), end - begin)
            if at > limit or bit > ends:
                return FAILED, FAILED
            at = _tokens(slots, chosen, size, states, lane, words, at, tokens)
            bit = _numbers(tokens, size, starts, bits, first, raw, bit, values)
            for i in range(size):
                value = _U64(values[i])
                out[begin + i] = ((value >> _ONE) << zero) | ((value & _ONE) << top)
            lane = (lane + size) & lanes
            begin += size
    if at > limit or bit > ends:
        return FAILED, FAILED
    return at, bit


@_compile
def decode_difference(
    slots, bits, starts, first, kinds, zeros, shifts, masks, offsets, contexts, centres, blocks, block, states, words,
    limit, raw, ends, base, out, top,
):  # fmt: skip
    lanes = _U64(states.size - 1)
    chosen, tokens, values = np.empty(CHUNK, np.uint8), np.empty(CHUNK, np.uint16), np.empty(CHUNK, out.dtype)
    middles = np.zeros(CHUNK, np.int64)
    is_centred = centres.any()
    at, bit, lane, begin, count = _NONE, _NONE, _NONE, _NONE, _U64(out.size)
    high_bit = _ONE << top
    under = high_bit - _ONE
    for number in range(_U64(blocks.size)):
        end = min(begin + block, count)
        one = _U64(blocks[number])
        if kinds[one] != _CODED:
            for i in range(begin, end):
                out[i] = base[i]
            begin = end
            continue
        zero, shift, mask, offset = zeros[one], shifts[one], masks[one], _U64(offsets[one])
        while begin < end:
            size = min(_U64(CHUNK), end - begin)
            if at > limit or bit > ends:
                return FAILED, FAILED
            for i in range(size):
                entry = offset + (((_U64(base[begin + i]) & under) >> shift) & mask)
                chosen[i] = contexts[entry]
                if is_centred:
                    middles[i] = centres[entry]
            at = _tokens(slots, chosen, size, states, lane, words, at, tokens)
            bit = _numbers(tokens, size, starts, bits, first, raw, bit, values)
            for i in range(size):
                value, near = _U64(values[i]), _U64(base[begin + i])
                gap = (((value >> _ONE) ^ (_NONE - (value & _ONE))) << zero) + _U64(middles[i])
                found = near + gap
                through = _NONE - (((found ^ near) >> top) & _ONE)  # zero: then its sign is the other one
                out[begin + i] = found ^ (
                    through & (found ^ (~(gap + (near & under)) & under) ^ (~near & high_bit))
                )
            lane = (lane + size) & lanes
            begin += size
    if at > limit or bit > ends:
        return FAILED, FAILED
    return at, bit


@_compile
def spell(codes, index, rates, inverses, states, stream):
    lanes = _U64(states.size - 1)
    at = _U64(stream.size)
    i = _U64(codes.size)
    while i > _NONE:
        i -= _ONE
        token = _U64(index[_U64(codes[i])])
        rate = rates[token]
        often = _U64(rate >> _U32(16))
        lane = i & lanes
        state = _U64(states[lane])
        full = state >= often << _U64(32 - PRECISION)
        stream[at - _ONE] = _U16(state)
        at -= _U64(full)
        state = state >> _U64(16) if full else state
        # state // often, exactly, as state < often << 20 and often <= 4096
        share = (state * inverses[often]) >> _INVERSE
        states[lane] = _U32(state + share * (_U64(1 << PRECISION) - often) + _U64(rate & _U32(0xFFFF)))
    return at


@_compile
def write(values, codes, index, bits, starts, raw):
    at, have, hold = _NONE, _NONE, _NONE
    for i in range(_U64(codes.size)):
        token = _U64(index[_U64(codes[i])])
        size = _U64(bits[token])
        if size:
            rest = _U64(values[i]) - starts[token]
            hold |= rest << have
            have += size
            if have >= _U64(64):
                raw[at] = hold
                at += _ONE
                have -= _U64(64)
                hold = (rest >> _ONE) >> (size - have - _ONE) if have else _NONE
    raw[at] = hold
    return at * _U64(64) + have


@_compile
def tops(words, blocks, block, zeros, fine, codes, values, counts, top):
    done, begin, count = _NONE, _NONE, _U64(words.size)
    under = (_ONE << top) - _ONE
    for number in range(_U64(blocks.size)):
        end = min(begin + block, count)
        one = _U64(blocks[number])
        zero = _U64(zeros[one])
        if zero != _SKIP:
            whole = top + _ONE
            cut = whole - fine - zero if whole > fine + zero else _NONE
            item = one << fine
            for i in range(begin, end):
                word = _U64(words[i])
                value = (((word & under) >> zero) << _ONE) | (word >> top)
                code = item | (value >> cut)
                values[done] = value
                codes[done] = code
                counts[done & _ONE, code] += 1
                done += _ONE
        begin = end
    return done


@_compile
def _gap(word, near, top):
    high_bit = _ONE << top
    under = high_bit - _ONE
    turned = word ^ (near & high_bit)
    flip = _NONE - ((turned >> top) & _ONE)
    return ((turned ^ (flip & under)) - (near & under)) & (high_bit | under)


@_compile
def survey(words, base, block, top, rows):
    """Without branches, so that it is done several numbers at a time."""
    begin, count = _NONE, _U64(words.size)
    high_bit = _ONE << top
    whole = high_bit | (high_bit - _ONE)
    for number in range(_U64(rows.shape[0])):
        end = min(begin + block, count)
        changed, seen, total, squares = _NONE, _NONE, _I64(0), _I64(0)
        for i in range(begin, end):
            gap = _gap(_U64(words[i]), _U64(base[i]), top)
            seen |= gap
            changed += _U64(gap != _NONE)
            far = min(gap, (_NONE - gap) & whole)
            size = max((np.float64(far).view(_I64) >> _I64(52)) - _I64(1022), _I64(0))
            total += size
            squares += size * size
        rows[number, 0] = _I64(changed)
        rows[number, 1] = _I64(seen)
        rows[number, 2] = total
        rows[number, 3] = squares
        begin = end


@_compile
def drift(words, base, blocks, block, chosen, shift, mask, top, sums, often):
    begin, count = _NONE, _U64(words.size)
    fill = _U64(63) - top
    for number in range(_U64(blocks.size)):
        end = min(begin + block, count)
        if blocks[number] == chosen:
            for i in range(begin, end):
                near = _U64(base[i])
                key = (near >> shift) & mask
                sums[key] += _I64(_gap(_U64(words[i]), near, top) << fill) >> _I64(fill)
                often[key] += 1
        begin = end


@_compile
def steps(
    words,
    base,
    blocks,
    block,
    same,
    zero,
    shifts,
    masks,
    offsets,
    centres,
    tokens,
    top,
    codes,
    values,
    counts,
):
    done, begin, count = _NONE, _NONE, _U64(words.size)
    high_bit = _ONE << top
    under = high_bit - _ONE
    fill = _U64(63) - top
    for number in range(_U64(blocks.size)):
        end = min(begin + block, count)
        one = _U64(blocks[number])
        if not same[one]:
            shift, mask, offset = _U64(shifts[one]), _U64(masks[one]), _U64(offsets[one])
            for i in range(begin, end):
                near = _U64(base[i])
                item = offset + (((near & under) >> shift) & mask)
                gap = _gap(_U64(words[i]), near, top) - _U64(centres[item])
                step = _I64(gap << fill) >> _I64(zero + fill)
                value = _U64((step << _I64(1)) ^ (step >> _I64(63))) & (high_bit | under)
                far = _U64(value >= _U64(1 << 53))
                exact = np.float64(value >> (_U64(11) * far)).view(_I64)
                power = _U64(exact >> _I64(50)) + _U64(44) * far - _U64((1023 + 4) * 4 - 16)
                code = item * tokens + (value if value < _U64(16) else power)
                codes[done] = code
                values[done] = value
                counts[done & _ONE, code] += 1
                done += _ONE
        begin = end
    return done


@_compile
def join_two(low, high, out):
    for i in range(_U64(out.size)):
        word = (_U16(high[i]) << _U16(8)) | _U16(low[i])
        out[i] = (word >> _U16(1)) | (word << _U16(15))


@_compile
def join_four(first, second, third, fourth, out):
    for i in range(_U64(out.size)):
        word = _U32(first[i]) | (_U32(second[i]) << _U32(8))
        word |= (_U32(third[i]) << _U32(16)) | (_U32(fourth[i]) << _U32(24))
        out[i] = (word >> _U32(1)) | (word << _U32(31))


@_compile
def heights(words, block, cut, top, rows):
    begin, count = _NONE, _U64(words.size)
    under = (_ONE << top) - _ONE
    for number in range(_U64(rows.shape[0])):
        end = min(begin + block, count)
        seen, total = _NONE, _NONE
        for i in range(begin, end):
            word = _U64(words[i])
            seen |= word
            total += (word & under) >> cut
        rows[number, 0] = _I64(seen)
        rows[number, 1] = _I64(total)
        begin = end

"""The innermost loops of decoding, for `jit`.

Payloads come from outside: every index is bounded by how the tables were built, or checked before each chunk of
numbers, behind whose streams lies enough padding for one chunk. Indices are unsigned (a signed one costs a
comparison) and 64 bits wide.
"""
# mypy: ignore-errors

import numpy as np

from emeritus.archive.codec import wide
from emeritus.archive.codec.jit import compiled, load, load16
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


@compiled
def _take(raw, bit, size):
    """Return *size* bits from *bit* on."""
    at, shift = bit >> _U64(3), bit & _U64(7)
    found = load(raw, at) >> shift
    if size > _U64(56):
        found |= (_U64(raw[at + _U64(8)]) << _U64(8)) << (_U64(56) - shift)
        return found & (_ALL >> (_U64(64) - size))
    return found & ~(_ALL << size)


@compiled
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


@compiled
def _tokens_one(slots, contexts, i, size, states, lane, words, at, tokens):
    lanes = _U64(states.size - 1)
    while i < size:
        context = _U64(contexts[i])
        state = states[lane]
        slot = slots[(context << _TABLE) | _U64(state & _SLOT)]
        tokens[i] = _U16((context << _ROW) | _U64(slot & _U32(255)))
        high = state >> _P
        state = _U32((slot >> _U32(20)) * high + ((slot >> _U32(8)) & _U32(4095)) + high)
        longer = _U32(state << _U32(16)) | _U32(load16(words, at << _ONE))
        short = state < _LOW
        at += _U64(short)
        states[lane] = longer if short else state
        lane = (lane + _ONE) & lanes
        i += _ONE
    return at


@compiled
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


@compiled
def _tokens(slots, contexts, size, states, lane, words, at, tokens):
    """Decode *size* tokens, whose contexts are known; return where the words go on."""
    if wide.IS_HERE:
        return _tokens_many(slots, contexts, size, states, lane, words, at, tokens)
    return _tokens_one(slots, contexts, _NONE, size, states, lane, words, at, tokens)


@compiled
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


@compiled
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


@compiled
def _numbers(tokens, size, starts, bits, first, raw, bit, values):
    """Find the number that each token and its raw bits make; return where the raw bits go on.

    *first*: tokens below it are the number that they name.
    """
    if wide.IS_HERE and first:
        return _numbers_many(tokens, size, starts, bits, first, raw, bit, values)
    return _numbers_one(tokens, _NONE, size, starts, bits, raw, bit, values)


@compiled
def decode_alone(
    slots,
    bits,
    starts,
    first,
    kinds,
    zeros,
    contexts,
    blocks,
    block,
    states,
    words,
    limit,
    raw,
    ends,
    out,
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


@compiled
def decode_row(slots, bits, starts, first, contexts, zero, states, words, limit, raw, ends, out, top):
    """Fill *out*, all of one class; *contexts*: of each number."""
    lanes = _U64(states.size - 1)
    tokens, values = np.empty(CHUNK, np.uint16), np.empty(CHUNK, out.dtype)
    at, bit, lane, begin, count = _NONE, _NONE, _NONE, _NONE, _U64(out.size)
    while begin < count:
        size = min(_U64(CHUNK), count - begin)
        if at > limit or bit > ends:
            return FAILED, FAILED
        at = _tokens(slots, contexts[begin : begin + size], size, states, lane, words, at, tokens)
        bit = _numbers(tokens, size, starts, bits, first, raw, bit, values)
        for i in range(size):
            value = _U64(values[i])
            out[begin + i] = ((value >> _ONE) << zero) | ((value & _ONE) << top)
        lane = (lane + size) & lanes
        begin += size
    if at > limit or bit > ends:
        return FAILED, FAILED
    return at, bit


@compiled
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


@compiled
def join_two(low, high, out):
    for i in range(_U64(out.size)):
        word = (_U16(high[i]) << _U16(8)) | _U16(low[i])
        out[i] = (word >> _U16(1)) | (word << _U16(15))


@compiled
def join_four(first, second, third, fourth, out):
    for i in range(_U64(out.size)):
        word = _U32(first[i]) | (_U32(second[i]) << _U32(8))
        word |= (_U32(third[i]) << _U32(16)) | (_U32(fourth[i]) << _U32(24))
        out[i] = (word >> _U32(1)) | (word << _U32(31))

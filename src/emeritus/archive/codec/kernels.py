"""The innermost loops of decoding, for `jit`.

Payloads come from outside: every index is bounded by how the tables were built, or checked before each chunk of
numbers, behind whose streams lies enough padding for one chunk. Indices are unsigned (a signed one costs a
comparison) and 64 bits wide.
"""
# mypy: ignore-errors

import numpy as np

from emeritus.archive.codec import wide
from emeritus.archive.codec.jit import brief, compiled, inside, load, load16
from emeritus.archive.codec.model import CODED, PRECISION, TOKENS
from emeritus.archive.codec.plain import LOW, QUANTS

CHUNK = 512
FAILED = np.uint64(2**64 - 1)
_U8, _U16, _U32, _U64, _I64 = np.uint8, np.uint16, np.uint32, np.uint64, np.int64
_P = np.uint32(PRECISION)
_SLOT = np.uint32((1 << PRECISION) - 1)
_LOW = np.uint32(LOW)
_CODED = np.uint8(CODED)
_ROW = np.uint64(TOKENS.bit_length() - 1)
_TABLE = np.uint64(PRECISION)
_NONE, _ONE, _ALL = np.uint64(0), np.uint64(1), ~np.uint64(0)
_WIDE, _MANY = np.uint64(wide.WIDTH), np.uint64(wide.MANY)
_BYTE = np.uint64(255)
_NOT_DRAWN = np.uint64(wide.NOT_DRAWN)


@inside
def _take(raw, bit, size):
    """Return *size* bits from *bit* on."""
    at, shift = bit >> _U64(3), bit & _U64(7)
    found = load(raw, at) >> shift
    if size > _U64(56):
        found |= (_U64(raw[at + _U64(8)]) << _U64(8)) << (_U64(56) - shift)
        return found & (_ALL >> (_U64(64) - size))
    return found & ~(_ALL << size)


@brief
def share(weights, rates):
    """Turn weights into frequencies; False when a context has no token, or too many."""
    for context in range(_U64(weights.shape[0])):
        total = _NONE
        for token in range(_U64(weights.shape[1])):
            byte = _U64(weights[context, token])
            total += ((_U64(16) + (byte & _U64(15))) << (byte >> _U64(4))) if byte else _NONE
        if total == _NONE:
            return False
        left, most = _I64(1 << PRECISION), _NONE
        for token in range(_U64(weights.shape[1])):
            byte = _U64(weights[context, token])
            weight = ((_U64(16) + (byte & _U64(15))) << (byte >> _U64(4))) if byte else _NONE
            rate = _I64(max((weight << _TABLE) // total, _U64(byte != 0)))
            rates[context, token] = rate
            left -= rate
            if rate > rates[context, most]:
                most = token
        rates[context, most] += left
        if rates[context, most] < 1:
            return False
    return True


@brief
def lay(weights, partitions, of, slots, bits, starts):
    """Lay out the contexts: in one go, since each time that the interpreter's lock is given up is one to wait for it.

    Writes down for each slot its frequency less one, its place in the interval, and its token; for each token its
    raw bits and the first number of its interval. Returns below which token each names one number, and that is the
    token itself; FAILED for what `share` refuses.
    """
    rates = np.empty(weights.shape, np.int64)
    if not share(weights, rates):
        return FAILED
    direct = _U64(TOKENS)
    for context in range(_U64(weights.shape[0])):
        at, start = context << _TABLE, _NONE
        for token in range(_U64(TOKENS)):
            often, size, index = (
                rates[context, token],
                partitions[of[context], token],
                context * TOKENS + token,
            )
            entry = (_U32(often - 1) << _U32(20)) | _U32(token)
            for place in range(often):
                slots[at + _U64(place)] = entry | (_U32(place) << _U32(8))
            at += _U64(often)
            bits[index], starts[index] = size, start
            if token < direct and (size or start != token):
                direct = token
            start += (_ONE << _U64(size)) if size < 64 else _NONE
    return direct


@inside
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


@inside
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


@inside
def _tokens(slots, contexts, size, states, lane, words, at, tokens):
    """Decode *size* tokens, whose contexts are known; return where the words go on."""
    if wide.IS_HERE:
        return _tokens_many(slots, contexts, size, states, lane, words, at, tokens)
    return _tokens_one(slots, contexts, _NONE, size, states, lane, words, at, tokens)


@inside
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


@inside
def _numbers_many(tokens, size, starts, bits, first, is_stepped, raw, bit, values):
    i = _NONE
    while i + _MANY <= size:
        left = wide.direct(tokens, i, first, values)
        if is_stepped and left != _NONE:
            for at in range(i, i + _MANY, _WIDE):
                drawn = wide.draw(tokens, at, raw, bit, values)
                if drawn == _NOT_DRAWN:
                    drawn = _numbers_one(tokens, at, at + _WIDE, starts, bits, raw, bit, values)
                bit = drawn
            left = _NONE
        while left != _NONE:
            at = i + wide.lowest(left)
            token = _U64(tokens[at])
            more = _U64(bits[token])
            values[at] = starts[token] + _take(raw, bit, more)
            bit += more
            left &= left - _ONE
        i += _MANY
    return _numbers_one(tokens, i, size, starts, bits, raw, bit, values)


@inside
def _numbers(tokens, size, starts, bits, first, is_stepped, raw, bit, values):
    """Find the number that each token and its raw bits make; return where the raw bits go on.

    *first*: tokens below it are the number that they name. *is_stepped*: their intervals are those of `draw`.
    """
    if wide.IS_HERE and first:
        return _numbers_many(tokens, size, starts, bits, first, is_stepped, raw, bit, values)
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
            bit = _numbers(tokens, size, starts, bits, first, False, raw, bit, values)
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
        bit = _numbers(tokens, size, starts, bits, first, False, raw, bit, values)
        for i in range(size):
            value = _U64(values[i])
            out[begin + i] = ((value >> _ONE) << zero) | ((value & _ONE) << top)
        lane = (lane + size) & lanes
        begin += size
    if at > limit or bit > ends:
        return FAILED, FAILED
    return at, bit


@inside
def _look(base, begin, size, top, shift, mask, contexts, offset, found):
    """Find the context, from *offset* on, that some bits of each number of the base lead to."""
    i, under = _NONE, (_ONE << top) - _ONE
    if wide.IS_HERE and mask == _BYTE:
        while i + _MANY <= size:
            wide.look(base, begin + i, top, shift, contexts, offset, found, i)
            i += _MANY
    while i < size:
        found[i] = contexts[offset + (((_U64(base[begin + i]) & under) >> shift) & mask)]
        i += _ONE


@inside
def _step(base, begin, size, top, zero, values, middles, out):
    """Go as far from each number of the base as its folded value, times two to the *zero*, and middle say."""
    i, high = _NONE, _ONE << top
    if wide.IS_HERE:
        while i + _MANY <= size:
            wide.step(base, begin + i, top, zero, values, middles, i, out)
            i += _MANY
    while i < size:
        value, near = _U64(values[i]), _U64(base[begin + i])
        gap = (((value >> _ONE) ^ (_NONE - (value & _ONE))) << zero) + _U64(middles[i])
        total = (near & (high - _ONE)) + gap
        through = _NONE - ((total >> top) & _ONE)  # zero: then its sign is the other one
        out[begin + i] = ((total ^ through) & (high - _ONE)) | ((near ^ through) & high)
        i += _ONE


@compiled
def decode_difference(
    slots, bits, starts, first, is_stepped, kinds, zeros, shifts, masks, offsets, contexts, centres, are_centred, blocks, block,
    states, words, limit, raw, ends, base, out, is_in_place, top,
):  # fmt: skip
    """Fill *out*, which may hold the *base* (*is_in_place*): each chunk of it is read before it is written."""
    lanes = _U64(states.size - 1)
    chosen, tokens, values = np.empty(CHUNK, np.uint8), np.empty(CHUNK, np.uint16), np.empty(CHUNK, out.dtype)
    middles, still = np.zeros(CHUNK, out.dtype), np.zeros(CHUNK, out.dtype)
    at, bit, lane, begin, count = _NONE, _NONE, _NONE, _NONE, _U64(out.size)
    for number in range(_U64(blocks.size)):
        end = min(begin + block, count)
        one = _U64(blocks[number])
        if kinds[one] != _CODED:
            if not is_in_place:
                out[begin:end] = base[begin:end]
            begin = end
            continue
        zero, shift, mask, offset = zeros[one], shifts[one], masks[one], _U64(offsets[one])
        while begin < end:
            size = min(_U64(CHUNK), end - begin)
            if at > limit or bit > ends:
                return FAILED, FAILED
            _look(base, begin, size, top, shift, mask, contexts, offset, chosen)
            at = _tokens(slots, chosen, size, states, lane, words, at, tokens)
            bit = _numbers(tokens, size, starts, bits, first, is_stepped, raw, bit, values)
            if are_centred[one]:
                for i in range(size):
                    middles[i] = centres[
                        offset + (((_U64(base[begin + i]) & (_ONE << top) - _ONE) >> shift) & mask)
                    ]
                _step(base, begin, size, top, zero, values, middles, out)
            else:
                _step(base, begin, size, top, zero, values, still, out)
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


@compiled
def foretell(scales, means, spreads, expected, far):
    i, column = _NONE, _NONE
    for block in range(_U64(scales.size)):
        scale, sign = abs(scales[block]), np.sign(scales[block])
        for _ in range(QUANTS):
            mean, wide = _I64(0), _U64(0)
            if scale:
                far_off = min(max(means[column], -128 * scale), 128 * scale)
                mean = (2 * far_off + 257 * scale) // (
                    2 * scale
                ) - 128  # of what is above zero, as it is rounded down
                wide = min(_U64(16 * spreads[column] // scale), _U64(65535))
            expected[i] = min(max(mean, -127), 127) * sign
            power = _U64(np.float64(wide).view(_I64) >> _I64(50)) - _U64((1023 + 2) * 4 - 4)
            far[i] = wide if wide < _U64(4) else power
            i += _ONE
            column += _ONE
            if column == _U64(means.size):
                column = _NONE


@compiled
def add_products(data, width, matrices, out):
    """Fill the parity rows *out* of *data* in rows of *width* bytes; *matrices*: of each row, one for each of *out*."""
    sums, edge = np.empty(wide.LANES * wide.MANY, np.uint8), np.empty(wide.MANY, np.uint8)
    column, size = _NONE, _U64(data.size)
    while column < width:
        sums[:] = 0
        row, at = _NONE, column
        while at < size:
            if at + _MANY <= size:
                wide.add_products(data, at, matrices, row, sums)
            else:
                edge[:] = 0
                for i in range(at, size):
                    edge[i - at] = data[i]
                wide.add_products(edge, _NONE, matrices, row, sums)
            row += _ONE
            at += width
        for lane in range(_U64(out.shape[0])):
            for i in range(min(_MANY, width - column)):
                out[lane, column + i] = sums[lane * _MANY + i]
        column += _MANY


@compiled
def add_looked_up(words, places, sums):
    for i in range(_U64(places.size)):
        sums[i] ^= words[places[i]]

"""The loops of `plain`, compiled by numba when first used, and kept on disk where that can be.

They run without the interpreter's lock. Payloads come from outside: every index is either bounded by how the
tables were built, or checked before each chunk of numbers, behind whose streams lies enough padding for one.
"""

from typing import Any

import numpy as np
from numba import njit

from emeritus.archive.codec.model import CODED, PRECISION, TOKENS, Tables
from emeritus.archive.codec.plain import LOW, PAD
from emeritus.archive.codec.planes import Array

_CHUNK = 128
_U16, _U32, _U64, _I64 = np.uint16, np.uint32, np.uint64, np.int64
_P = np.uint32(PRECISION)
_SLOT = np.uint32((1 << PRECISION) - 1)
_LOW = np.uint32(LOW)
_T = np.int64(TOKENS)
_CODED = np.uint8(CODED)


def _compile(function: Any) -> Any:
    return njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")(function)


@_compile
def _take(raw: Array, at: int, size: int) -> int:
    """Return the *size* bits from bit *at* on; *raw* in words of 64 bits."""
    word, shift = at >> 6, _U64(at & 63)
    found = (raw[word] >> shift) | ((raw[word + 1] << _U64(1)) << (_U64(63) - shift))
    return found & (~_U64(0) >> (_U64(64) - _U64(size)))


@_compile
def _decode_alone(
    symbols,
    rates,
    bits,
    starts,
    kinds,
    zeros,
    shifts,
    masks,
    offsets,
    contexts,
    hints,
    blocks,
    block,
    states,
    words,
    raw,
    limit,
    ends,
    out,
    top,
):
    lanes = _I64(states.size - 1)
    at, bit, lane, count = 0, 0, 0, out.size
    for number in range(blocks.size):
        begin = number * block
        end = min(begin + block, count)
        one = blocks[number]
        if kinds[one] != _CODED:
            for i in range(begin, end):
                out[i] = 0
            continue
        entry = offsets[one]
        if hints.size:
            entry += _I64((_U64(hints[number]) >> shifts[one]) & masks[one])
        context = _I64(contexts[entry])
        table, row = context << _I64(PRECISION), context * _T
        zero = zeros[one]
        while begin < end:
            stop = min(begin + _CHUNK, end)
            if at > limit or bit > ends:
                return -1, -1
            for i in range(begin, stop):
                state = states[lane]
                slot = state & _SLOT
                token = row + _I64(symbols[table + _I64(slot)])
                rate = rates[token]
                state = (rate >> _U32(16)) * (state >> _P) + slot - (rate & _U32(0xFFFF))
                short = _U32(state < _LOW)
                state = (state << (short << _U32(4))) | (_U32(words[at]) & (_U32(0) - short))
                at += _I64(short)
                states[lane] = state
                lane = (lane + 1) & lanes
                value = starts[token]
                size = _I64(bits[token])
                if size:
                    value += _take(raw, bit, size)
                    bit += size
                out[i] = ((value >> _U64(1)) << zero) | ((value & _U64(1)) << top)
            begin = stop
    if at > limit or bit > ends:
        return -1, -1
    return at, bit


@_compile
def _decode_difference(
    symbols, rates, bits, starts, kinds, zeros, shifts, masks, offsets, contexts, centres, blocks, block, states,
    words, raw, limit, ends, base, out, top,
):  # fmt: skip
    lanes = _I64(states.size - 1)
    at, bit, lane, count = 0, 0, 0, out.size
    high = _U64(1) << top
    under = high - _U64(1)
    for number in range(blocks.size):
        begin = number * block
        end = min(begin + block, count)
        one = blocks[number]
        if kinds[one] != _CODED:
            for i in range(begin, end):
                out[i] = base[i]
            continue
        zero, shift, mask, offset = zeros[one], shifts[one], masks[one], offsets[one]
        while begin < end:
            stop = min(begin + _CHUNK, end)
            if at > limit or bit > ends:
                return -1, -1
            for i in range(begin, stop):
                near = _U64(base[i])
                size_of = near & under
                entry = offset + _I64((size_of >> shift) & mask)
                context = _I64(contexts[entry])
                state = states[lane]
                slot = state & _SLOT
                token = context * _T + _I64(symbols[(context << _I64(PRECISION)) + _I64(slot)])
                rate = rates[token]
                state = (rate >> _U32(16)) * (state >> _P) + slot - (rate & _U32(0xFFFF))
                short = _U32(state < _LOW)
                state = (state << (short << _U32(4))) | (_U32(words[at]) & (_U32(0) - short))
                at += _I64(short)
                states[lane] = state
                lane = (lane + 1) & lanes
                value = starts[token]
                size = _I64(bits[token])
                if size:
                    value += _take(raw, bit, size)
                    bit += size
                gap = (((value >> _U64(1)) ^ (_U64(0) - (value & _U64(1)))) << zero) + _U64(centres[entry])
                signed = gap + size_of
                flip = _U64(0) - ((signed >> top) & _U64(1))
                out[i] = ((signed ^ (flip & under)) ^ (near & high)) & (high | under)
            begin = stop
    if at > limit or bit > ends:
        return -1, -1
    return at, bit


def decode(
    tables: Tables,
    blocks: Array,
    block: int,
    states: Array,
    words: Array,
    raw: Array,
    base: Array | None,
    hints: Array | None,
    out: Array,
) -> tuple[int, int]:
    """See `plain.decode`."""  # fmt: skip
    limit, ends = words.size, 8 * (raw.size - PAD)
    stream = np.zeros(words.size + _CHUNK, np.uint16)
    stream[: words.size] = words
    padded = np.zeros((raw.size + 7) // 8 + _CHUNK, np.uint64)
    padded.view(np.uint8)[: raw.size] = raw
    top = np.uint64(8 * out.itemsize - 1)
    number = -(-out.size // block)
    if base is None:
        done = _decode_alone(
            tables.symbols, tables.rates, tables.bits, tables.starts, tables.kinds, tables.zeros,
            tables.shifts, tables.masks, tables.offsets, tables.contexts, _NONE if hints is None else hints, blocks[:number], block, states, stream, padded, limit, ends, out, top,
        )  # fmt: skip
    else:
        done = _decode_difference(
            tables.symbols, tables.rates, tables.bits, tables.starts, tables.kinds, tables.zeros, tables.shifts,
            tables.masks, tables.offsets, tables.contexts, tables.centres, blocks[:number], block, states, stream,
            padded, limit, ends, base, out, top,
        )  # fmt: skip
    return int(done[0]), int(done[1])


_NONE = np.zeros(0, np.uint8)


@_compile
def _spell(codes, index, rates, states, stream):
    lanes = _I64(states.size - 1)
    at = stream.size
    for i in range(codes.size - 1, -1, -1):
        rate = rates[index[codes[i]]]
        often = rate >> _U32(16)
        lane = i & lanes
        state = states[lane]
        if _U64(state) >= _U64(often) << _U64(32 - PRECISION):
            at -= 1
            stream[at] = _U16(state & _U32(0xFFFF))
            state >>= _U32(16)
        states[lane] = ((state // often) << _P) + state % often + (rate & _U32(0xFFFF))
    return at


def spell(codes: Array, index: Array, tables: Tables, lanes: int) -> tuple[Array, Array]:
    """See `plain.spell`."""
    states = np.full(lanes, LOW, np.uint32)
    stream = np.empty(codes.size, np.uint16)
    at = _spell(codes, index, tables.rates, states, stream)
    return states, stream[at:]


@_compile
def _write(values, codes, index, bits, starts, raw):
    at = 0
    hold, have = _U64(0), _I64(0)
    for i in range(codes.size):
        token = index[codes[i]]
        size = _I64(bits[token])
        if size:
            rest = _U64(values[i]) - starts[token]
            hold |= rest << _U64(have)
            have += size
            if have >= 64:
                raw[at] = hold
                at += 1
                have -= 64
                hold = (rest >> _U64(1)) >> _U64(size - have - 1) if have else _U64(0)
    raw[at] = hold
    return at * 64 + have


def write(values: Array, codes: Array, index: Array, tables: Tables) -> Array:
    """See `plain.write`."""
    most = int(tables.bits.max())
    if most == 0:
        return _NONE
    raw = np.empty(codes.size * most // 64 + 2, np.uint64)
    size = _write(values, codes, index, tables.bits, tables.starts, raw)
    return raw.view(np.uint8)[: -(-int(size) // 8)]


@_compile
def _tops(words, blocks, block, zeros, fine, codes, values, counts, top):
    done, count = 0, words.size
    under = (_U64(1) << top) - _U64(1)
    for number in range(-(-count // block)):
        one = blocks[number]
        zero = _U64(zeros[one])
        if zero == _U64(255):
            continue
        cut = max(_I64(top) + 1 - fine - _I64(zero), 0)
        item = _U32(one) << _U32(fine)
        for i in range(number * block, min((number + 1) * block, count)):
            word = _U64(words[i])
            value = (((word & under) >> zero) << _U64(1)) | (word >> top)
            code = item | _U32(value >> _U64(cut))
            values[done] = value
            codes[done] = code
            counts[code] += 1
            done += 1
    return done


def tops(words: Array, blocks: Array, block: int, zeros: Array, fine: int) -> tuple[Array, Array, Array]:
    """See `plain.tops`."""
    codes, values = np.empty(words.size, np.uint32), np.empty_like(words)
    counts = np.zeros(zeros.size << fine, np.int64)
    done = _tops(words, blocks, block, zeros, fine, codes, values, counts, np.uint64(8 * words.itemsize - 1))
    return codes[:done], values[:done], counts


@_compile
def _gap(word, near, top):
    high = _U64(1) << top
    under = high - _U64(1)
    turned = word ^ (near & high)
    flip = _U64(0) - ((turned >> top) & _U64(1))
    return ((turned ^ (flip & under)) - (near & under)) & (high | under)


@_compile
def _length(number):
    length = 0
    if number >> _U64(32):
        length, number = 32, number >> _U64(32)
    # Exact: a float64 holds 32 bits.
    return length + _I64(np.frexp(np.float64(number))[1])


@_compile
def _survey(words, base, block, top, rows):
    count = words.size
    high = _U64(1) << top
    whole = high | (high - _U64(1))
    lengths = np.zeros(2048, np.int64)
    for i in range(1, 2048):
        lengths[i] = lengths[i >> 1] + 1
    for number in range(rows.shape[0]):
        changed, seen, total, squares = 0, _U64(0), 0, 0
        for i in range(number * block, min((number + 1) * block, count)):
            word, near = _U64(words[i]), _U64(base[i])
            if word == near:
                continue
            gap = _gap(word, near, top)
            seen |= gap
            far = (_U64(0) - gap) & whole if gap & high else gap
            size = 0
            while far >= _U64(2048):
                far >>= _U64(11)
                size += 11
            size += lengths[_I64(far)]
            changed += 1
            total += size
            squares += size * size
        rows[number, 0] = changed
        rows[number, 1] = _I64(seen)
        rows[number, 2] = total
        rows[number, 3] = squares


def survey(words: Array, base: Array, block: int) -> Array:
    """See `plain.survey`."""
    rows = np.empty((-(-words.size // block), 4), np.int64)
    _survey(words, base, block, np.uint64(8 * words.itemsize - 1), rows)
    return rows


@_compile
def _drift(words, base, blocks, block, chosen, shift, mask, top, sums, often):
    high = _U64(1) << top
    count = words.size
    for number in range(blocks.size):
        if blocks[number] != chosen:
            continue
        for i in range(number * block, min((number + 1) * block, count)):
            near = _U64(base[i])
            gap = _gap(_U64(words[i]), near, top)
            key = _I64((near >> shift) & mask)
            sums[key] += _I64(gap) - (_I64(high) * 2 if gap & high else 0)
            often[key] += 1


def drift(
    words: Array, base: Array, blocks: Array, block: int, chosen: int, shift: int, size: int
) -> tuple[Array, Array]:
    """See `plain.drift`."""
    sums, often = np.zeros(1 << size, np.int64), np.zeros(1 << size, np.int64)
    top = np.uint64(8 * words.itemsize - 1)
    _drift(words, base, blocks, block, chosen, np.uint64(shift), np.uint64((1 << size) - 1), top, sums, often)
    return sums, often


@_compile
def _steps(
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
    known,
    top,
    codes,
    values,
    counts,
):
    done, count = 0, words.size
    high = _U64(1) << top
    under = high - _U64(1)
    for number in range(blocks.size):
        one = blocks[number]
        if same[one]:
            continue
        shift, mask, offset = _U64(shifts[one]), _I64(masks[one]), _I64(offsets[one])
        for i in range(number * block, min((number + 1) * block, count)):
            near = _U64(base[i])
            item = offset + (_I64((near & under) >> shift) & mask)
            gap = _gap(_U64(words[i]), near, top) - _U64(centres[item])
            gap = _U64(_I64(gap << (_U64(63) - top)) >> _I64(zero + 63 - _I64(top)))
            value = ((gap << _U64(1)) ^ (_U64(0) - (gap >> _U64(63)))) & (high | under)
            rest, power = value, 0
            while rest >= _U64(2048):
                rest >>= _U64(2)
                power += 2
            token = _I64(known[_I64(rest)])
            if power:
                token += 4 * power
            code = _U32(item * tokens + token)
            codes[done] = code
            values[done] = value
            counts[code] += 1
            done += 1
    return done


_KNOWN = np.array(
    [i if i < 16 else 16 + (i.bit_length() - 5) * 4 + ((i >> (i.bit_length() - 3)) & 3) for i in range(2048)],
    np.uint8,
)


def steps(
    words: Array,
    base: Array,
    blocks: Array,
    block: int,
    same: Array,
    zeros: int,
    shifts: Array,
    masks: Array,
    offsets: Array,
    centres: Array,
    tokens: int,
) -> tuple[Array, Array, Array]:
    """See `plain.steps`."""  # fmt: skip
    codes, values = np.empty(words.size, np.uint32), np.empty_like(words)
    counts = np.zeros(centres.size * tokens, np.int64)
    done = _steps(
        words, base, blocks, block, same, zeros, shifts, masks, offsets, centres, tokens, _KNOWN,
        np.uint64(8 * words.itemsize - 1), codes, values, counts,
    )  # fmt: skip
    return codes[:done], values[:done], counts

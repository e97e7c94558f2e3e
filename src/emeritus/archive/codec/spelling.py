"""The innermost loops of encoding, for `jit`. Indices are unsigned (a signed one costs a comparison)."""
# mypy: ignore-errors

import numpy as np

from emeritus.archive.codec.jit import compiled
from emeritus.archive.codec.model import PRECISION
from emeritus.archive.codec.plain import LOW

_U8, _U16, _U32, _U64, _I64 = np.uint8, np.uint16, np.uint32, np.uint64, np.int64
_P = np.uint32(PRECISION)
_LOW = np.uint32(LOW)
_NONE, _ONE = np.uint64(0), np.uint64(1)
_SKIP = np.uint64(255)
_INVERSE = np.uint64(44)


@compiled
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


@compiled
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


@compiled
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


@compiled
def _gap(word, near, top):
    high_bit = _ONE << top
    under = high_bit - _ONE
    turned = word ^ (near & high_bit)
    flip = _NONE - ((turned >> top) & _ONE)
    return ((turned ^ (flip & under)) - (near & under)) & (high_bit | under)


@compiled
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


@compiled
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


@compiled
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


@compiled
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

"""The innermost loops of encoding, for `jit`. Indices are unsigned (a signed one costs a comparison)."""
# mypy: ignore-errors

import numpy as np

from emeritus.archive.codec import wide
from emeritus.archive.codec.jit import brief, compiled, inside, store
from emeritus.archive.codec.model import PRECISION
from emeritus.archive.codec.plain import LOW
from emeritus.archive.codec.sorting import CALM, DECAY, FAR, LEVELS, SAME, ZEROS

_U8, _U16, _U32, _U64, _I64, _F64 = np.uint8, np.uint16, np.uint32, np.uint64, np.int64, np.float64
_P = np.uint32(PRECISION)
_LOW = np.uint32(LOW)
_NONE, _ONE = np.uint64(0), np.uint64(1)
_SKIP = np.uint64(255)
_WIDE, _MANY = np.uint64(wide.WIDTH), np.uint64(wide.MANY)
_INVERSE = np.uint64(44)


@compiled
def _spell_one(codes, i, end, rates, inverses, states, stream, at):
    """Write the tokens from *end* - 1 down to *i*."""
    lanes = _U64(states.size - 1)
    while end > i:
        end -= _ONE
        rate = rates[_U64(codes[end])]
        often = _U64(rate >> _U32(16))
        lane = end & lanes
        state = _U64(states[lane])
        full = state >= often << _U64(32 - PRECISION)
        stream[at - _ONE] = _U16(state)
        at -= _U64(full)
        state = state >> _U64(16) if full else state
        # state // often, exactly, as state < often << 20 and often <= 4096
        share = (state * inverses[often]) >> _INVERSE
        states[lane] = _U32(state + share * (_U64(1 << PRECISION) - often) + _U64(rate & _U32(0xFFFF)))
    return at


@brief
def rates_of(index, rates, rows, width, found):
    """Look up the rates of each code, *width* of them in each of the *rows*: once, instead of with each number."""
    for row in rows:
        begin = _U64(row) * width
        for code in range(begin, begin + width):
            found[code] = rates[_U64(index[code])]


@compiled
def spell(codes, rates, inverses, states, stream):
    """Write all tokens, the last one first; *rates* are those of each code."""
    at, end = _U64(stream.size), _U64(codes.size)
    if wide.IS_HERE and _U64(states.size) >= _WIDE:
        whole = end & ~(_WIDE - _ONE)
        at = _spell_one(codes, whole, end, rates, inverses, states, stream, at)
        end, lanes = whole, _U64(states.size - 1)
        while end > _NONE:
            end -= _WIDE
            at = wide.spell(codes, end, rates, states, end & lanes, stream, at)
    return _spell_one(codes, _NONE, end, rates, inverses, states, stream, at)


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


@inside
def _put(raw, bit, hold, value, size):
    """Write *size* bits, at most `wide.JOINED`; *hold* has those before them that do not fill a byte."""
    word, end = hold | (value << (bit & _U64(7))), bit + size
    store(raw, bit >> _U64(3), word)
    return end, word >> (((end >> _U64(3)) - (bit >> _U64(3))) << _U64(3))


@compiled
def write_steps(values, raw):
    """Write what `write` does, when all tokens are of a difference's partition (`model.steps_of`)."""
    bit, hold, i, count = _NONE, _NONE, _NONE, _U64(values.size)
    joined = np.empty(28, np.uint64)
    while i < count:
        taken = _ONE
        if wide.IS_HERE and i + _WIDE <= count:
            taken = wide.rests(values, i, joined)
        if taken == _ONE:
            value = _U64(values[i])
            size = max(_U64(np.float64(value).view(_I64) >> _I64(52)), _U64(1025)) - _U64(1025)
            size = size if value >= _U64(16) else _NONE
            bit, hold = _put(raw, bit, hold, value & ((_ONE << size) - _ONE), size)
            i += _ONE
        else:
            number = _WIDE // taken
            first = _U64(2) * _WIDE - _U64(4) * number
            for at in range(first, first + number):
                bit, hold = _put(raw, bit, hold, joined[at], joined[at + number])
            i += _WIDE
    return bit


@compiled
def tops(words, blocks, block, zeros, fine, codes, values, counts, top):
    done, begin, count = _NONE, _NONE, _U64(words.size)
    under = (_ONE << top) - _ONE
    counts[:] = 0
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
    for number in range(_U64(rows.shape[1])):
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
        rows[0, number] = _I64(changed)
        rows[1, number] = _I64(seen)
        rows[2, number] = total
        rows[3, number] = squares
        begin = end


@inside
def _zeros(seen):
    """Return how many low bits are zero in all gaps, whose bits are *seen*."""
    zeros = _NONE
    while seen and not (seen >> zeros) & _ONE:
        zeros += _ONE
    return zeros if zeros >= _U64(ZEROS) else _NONE


@inside
def _kind_of(changed, lengths, squares, size, height, may_decay):
    """Return the kind of a block that is so much higher than the highest."""
    mean = lengths / size
    is_calm = squares / size - mean * mean < CALM and mean > 1 and changed * 8 > size * 7
    if not changed:
        return _I64(SAME)
    if may_decay and is_calm:
        return _I64(DECAY)
    return _I64(min(max(np.rint(height) + LEVELS, 1.0), _F64(LEVELS)))


@compiled
def sort_blocks(words, base, block, top, rows, blocks, kinds):
    """Survey the blocks and sort them: see `sorting.sort_blocks`. Returns how many kinds there are, and the zeros."""
    survey(words, base, block, top, rows)
    count, last, seen, many = _I64(words.size), blocks.size - 1, _NONE, 0
    levels, moved = np.empty(blocks.size), np.empty(blocks.size)
    for number in range(blocks.size):
        seen |= _U64(rows[1, number])
        mean = rows[2, number] / (_I64(block) if number < last else count - last * _I64(block))
        levels[number] = mean if mean > 2 else 1 + np.log2(max(mean, 1e-3))
        if rows[0, number]:
            moved[many] = levels[number]
            many += 1
    zeros, ninth = _zeros(seen), many * 9 // 10
    highest = np.partition(moved[:many], ninth)[ninth] if many else 0.0
    place, there = np.full(LEVELS - SAME + 1, -1), 0
    may_decay = top >= _U64(31) and not zeros
    for number in range(blocks.size):
        size = _I64(block) if number < last else count - last * _I64(block)
        height = levels[number] - highest
        kind = _kind_of(rows[0, number], rows[2, number], rows[3, number], size, height, may_decay) - SAME
        blocks[number] = kind
        place[kind] = 0
    for kind in range(place.size):
        if place[kind] == 0:
            place[kind], kinds[there] = there, kind + SAME
            there += 1
    for number in range(blocks.size):
        blocks[number] = place[blocks[number]]
    return there, zeros


@compiled
def drift(words, base, blocks, block, chosen, shift, mask, top, sums):
    often = np.zeros(sums.size, np.int64)
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
    for key in range(_U64(sums.size)):
        mean = _F64(sums[key]) / max(often[key], 1)
        sums[key] = _I64(np.rint(min(max(mean, -_F64(FAR)), _F64(FAR))))


@compiled
def _folded(gap, zero, top):
    """Return a gap, without its *zero* low bits, folded, and its token."""
    fill = _U64(63) - top
    step = _I64(gap << fill) >> _I64(zero + fill)
    value = _U64((step << _I64(1)) ^ (step >> _I64(63))) & (~_NONE >> fill)
    if value < _U64(16):
        return value, value
    far = _U64(value >= _U64(1 << 53))
    exact = np.float64(value >> (_U64(11) * far)).view(_I64)
    return value, _U64(exact >> _I64(50)) + _U64(44) * far - _U64((1023 + 4) * 4 - 16)


@compiled
def _count(codes, begin, end, counts):
    """Count codes, in turns in two places: one that was just counted would have to be waited for."""
    for i in range(begin, end):
        counts[i & _ONE, _U64(codes[i])] += 1


@compiled
def steps(
    words, base, blocks, block, same, zero, shifts, masks, offsets, centres, are_centred, tokens, top, codes,
    values, counts,
):  # fmt: skip
    done, begin, count = _NONE, _NONE, _U64(words.size)
    under = (_ONE << top) - _ONE
    middles = np.zeros(wide.MANY, values.dtype)
    counts[:] = 0
    for number in range(_U64(blocks.size)):
        end = min(begin + block, count)
        one = _U64(blocks[number])
        if same[one]:
            begin = end
            continue
        shift, mask, offset, start = _U64(shifts[one]), _U64(masks[one]), _U64(offsets[one]), done
        middles[:] = 0
        while wide.IS_HERE and begin + _MANY <= end:
            if are_centred[one]:
                for i in range(_MANY):
                    middles[i] = centres[offset + (((_U64(base[begin + i]) & under) >> shift) & mask)]
            wide.measure(
                words, base, begin, top, zero, shift, mask, offset, tokens, middles, codes, values, done
            )
            begin += _MANY
            done += _MANY
        while begin < end:
            near = _U64(base[begin])
            item = offset + (((near & under) >> shift) & mask)
            gap = _gap(_U64(words[begin]), near, top) - _U64(centres[item])
            values[done], token = _folded(gap, zero, top)
            codes[done] = item * tokens + token
            begin += _ONE
            done += _ONE
        _count(codes, start, done, counts)
    return done


@brief
def add_up(counts, rows, both):
    """Add up the two places where codes were counted, leaving out rows where none was; return how many are left."""
    width, done = _U64(both.shape[1]), _NONE
    for row in range(_U64(both.shape[0])):
        begin, total = row * width, _U32(0)
        for token in range(width):
            total |= counts[_NONE, begin + token] | counts[_ONE, begin + token]
        if total:
            for token in range(width):
                both[done, token] = _I64(counts[_NONE, begin + token]) + _I64(counts[_ONE, begin + token])
            rows[done] = row
            done += _ONE
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


@compiled
def part_two(words, low, high):
    for i in range(_U64(words.size)):
        word = (_U32(words[i]) << _U32(1)) | (_U32(words[i]) >> _U32(15))
        low[i], high[i] = _U8(word), _U8(word >> _U32(8))


@compiled
def part_four(words, first, second, third, fourth):
    for i in range(_U64(words.size)):
        word = (words[i] << _U32(1)) | (words[i] >> _U32(31))
        first[i], second[i] = _U8(word), _U8(word >> _U32(8))
        third[i], fourth[i] = _U8(word >> _U32(16)), _U8(word >> _U32(24))

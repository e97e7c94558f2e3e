"""The loops by which contexts are shared and laid out, for `jit`."""
# mypy: ignore-errors

import numpy as np

from emeritus.archive.codec.jit import brief, inside
from emeritus.archive.codec.kernels import share
from emeritus.archive.codec.model import TOKENS

_U8, _U32, _U64, _I64 = np.uint8, np.uint32, np.uint64, np.int64
_NONE = np.uint64(0)
_NOTHING = np.zeros(TOKENS, np.int64)


@brief
def tally(counts, often, sums):
    for row in range(_U64(counts.shape[0])):
        total, weighted = _I64(0), _I64(0)
        for token in range(_U64(counts.shape[1])):
            total += counts[row, token]
            weighted += counts[row, token] * _I64(token)
        often[row], sums[row] = total, weighted


@inside
def _cost(one, other):
    """Return what `entropy.bits_of` does of two rows added up."""
    total, spread, told = _NONE, 0.0, 8.0
    for token in range(_U64(one.size)):
        many = _U64(one[token] + other[token])
        if many:
            total += many
            told += 6.0
            spread += many * np.log2(np.float64(many))
    return told + (total * np.log2(np.float64(total)) - spread if total else 0.0)


@brief
def cost(sums, bits):
    """Return what `gathering.cost` does."""
    found = 0.0
    for row in range(_U64(sums.shape[0])):
        found += _cost(sums[row], _NOTHING[: sums.shape[1]])
        for token in range(_U64(sums.shape[1])):
            found += np.float64(sums[row, token] * _I64(bits[token]))
    return found


@brief
def weigh(counts, weights):
    """Return what `model.weigh` does."""
    for row in range(_U64(counts.shape[0])):
        most = _I64(1)
        for token in range(_U64(counts.shape[1])):
            most = max(most, counts[row, token])
        scale = np.float64(31 << 15) / np.float64(most)
        for token in range(_U64(counts.shape[1])):
            many = counts[row, token]
            scaled = max(np.float64(many) * scale, 17.0)
            power = (np.float64(scaled).view(_I64) >> _I64(52)) - _I64(1022 + 5)
            power = max(power, _I64(0))
            top = _I64(np.rint(scaled / np.float64(_I64(1) << power)))
            if top == 32:
                power, top = power + _I64(1), _I64(16)
            weights[row, token] = _U8((power << _I64(4)) | (top - _I64(16))) if many > 0 else _U8(0)


@inside
def _compare(rows, costs, one, other, gains):
    gains[one, other] = costs[one] + costs[other] - _cost(rows[one], rows[other])


@inside
def _compare_anew(rows, costs, alive, row, is_ordered, gains):
    """Compare a row that has changed with those that are left, or with its neighbours."""
    for other in range(row - 1, -1, -1):
        if alive[other]:
            _compare(rows, costs, other, row, gains)
            if is_ordered:
                break
    for other in range(row + 1, rows.shape[0]):
        if alive[other]:
            _compare(rows, costs, row, other, gains)
            if is_ordered:
                break


@inside
def _join(rows, most, is_ordered, context):
    """Join *rows*, in place, two at a time: see `gathering._join_alike`."""
    size = rows.shape[0]
    nothing = np.zeros_like(rows[0])
    costs = np.array([_cost(rows[row], nothing) for row in range(size)])
    gains = np.full((size, size), -np.inf)
    alive = np.ones(size, np.bool_)
    left = size
    for one in range(size - 1):
        for other in range(one + 1, one + 2 if is_ordered else size):
            _compare(rows, costs, one, other, gains)
    while left > 1:
        best = gains.argmax()
        first, second = best // size, best % size
        if gains[first, second] <= 0 and left <= most:
            break
        rows[first] += rows[second]
        costs[first] = _cost(rows[first], nothing)
        for row in range(size):
            if context[row] == second:
                context[row] = first
        alive[second] = False
        left -= 1
        gains[second, :], gains[:, second] = -np.inf, -np.inf
        _compare_anew(rows, costs, alive, first, is_ordered, gains)


@inside
def _differ(rows):
    """Tell whether rows are so unlike that it could pay to have two contexts at all: see `gathering._differ`."""
    nothing = _NOTHING[: rows.shape[1]]
    whole, apart, tables = np.zeros_like(rows[0]), 0.0, 0.0
    for row in range(rows.shape[0]):
        told = 8.0 + 6.0 * np.count_nonzero(rows[row])
        apart += _cost(rows[row], nothing) - told
        tables += told
        whole += rows[row]
    return _cost(whole, nothing) > apart + 2 * tables / rows.shape[0]


@inside
def _numbered(keys):
    """Return for each key its rank among those that there are; -1 for those that are not."""
    place, number = np.full(keys.max() + 1, -1), 0
    for row in range(keys.size):
        if keys[row] >= 0:
            place[keys[row]] = 0
    for key in range(place.size):
        if place[key] == 0:
            place[key] = number
            number += 1
    return place, number


@inside
def _together(counts, keys, place, number):
    """Add up the rows of each key."""
    rows = np.zeros((number, counts.shape[1]), np.int64)
    for row in range(keys.size):
        if keys[row] >= 0:
            group = place[keys[row]]
            for token in range(counts.shape[1]):
                rows[group, token] += counts[row, token]
    return rows


@brief
def gather(counts, keys, most, is_ordered, chosen, sums):
    """Share contexts: see `gathering.gather`. Returns how many there are."""
    place, number = _numbered(keys)
    rows = _together(counts, keys, place, number)
    context = np.arange(number)
    if is_ordered or _differ(rows):
        _join(rows, most, is_ordered, context)
    else:
        for group in range(1, number):
            rows[0] += rows[group]
        context[:] = 0
    rank, contexts = np.empty(number, np.int64), 0
    for group in range(number):
        if context[group] == group:
            sums[contexts] = rows[group]
            rank[group] = contexts
            contexts += 1
    for row in range(keys.size):
        chosen[row] = rank[context[place[keys[row]]]] if keys[row] >= 0 else 0
    return contexts


@brief
def lay_out(weights, partitions, of, rates, bits, starts):
    """Lay out a model's tokens: see `model.Tables`. False for what `share` refuses."""
    often = np.empty(weights.shape, np.int64)
    if not share(weights, often):
        return False
    for context in range(_U64(weights.shape[0])):
        first, start = _I64(0), _U64(0)
        for token in range(_U64(TOKENS)):
            index, size = context * _U64(TOKENS) + token, _U64(partitions[of[context], token])
            rates[index] = _U32((often[context, token] << _I64(16)) | first)
            bits[index], starts[index] = size, start
            first += often[context, token]
            start += (_U64(1) << size) if size < _U64(64) else _U64(0)
    return True

"""How to write numbers that have nothing to be compared with.

A number is turned, so that its sign stands at the bottom; its top bits (exponent, a little of the mantissa)
are its token. Blocks differ in how large their numbers are, and in how many low bits are all zero.
"""

import numpy as np

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.entropy import bits_of
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.model import TOKENS, Class, Context, Model
from emeritus.archive.codec.plans import Plan, block_of, contexts_of, gather, index_of

FINE = {1: 8, 2: 11, 4: 11, 8: 14}
"""How many top bits of a number of so many bytes are looked at."""
SAME = 255
_WEIGHT = 7  # bits of a token in a table, about
_MANY = 1 << 18
_ZEROS = 4  # fewer zero bits are not worth a class
_FEW = 4  # kinds of zero bits
_LEVELS = 4


def plan(words: Array, row: int, hints: Array | None = None) -> Plan:
    """Decide how to write *words*; *hints* tell the decoder something of each block of *row*."""
    if hints is not None:
        return _plan(words, row, hints, np.zeros(256, np.uint8), told=False, ordered=row == 1)
    block = block_of(row, words.size)
    blocks, zeros = _classes(words, block)
    return _plan(words, block, blocks, zeros, told=True, ordered=True)


def _plan(words: Array, block: int, blocks: Array, zeros: Array, *, told: bool, ordered: bool) -> Plan:
    """Write *words* whose blocks are of the classes *blocks*, of *zeros* bits each, as far as they are *told*."""
    width = words.dtype.itemsize
    fine = FINE[width]
    codes, values, counts = loops().tops(words, blocks, block, zeros, fine)
    partitions: list[Array] = []
    contexts: list[Context] = []
    index = np.zeros(counts.shape, np.uint16)
    chosen = np.zeros(zeros.size, np.int64)
    often = np.bincount(blocks, minlength=zeros.size)
    size = 0.0
    for zero in np.unique(zeros[zeros != SAME]):
        members = np.flatnonzero(zeros == zero)
        bits, tokens = _partition(counts[members].sum(0), max(0, 8 * width - fine - int(zero)))
        firsts = np.flatnonzero(np.diff(tokens, prepend=-1))
        tallies = np.add.reduceat(counts[members], firsts, axis=1)
        mine, sums = gather(tallies, ordered=ordered)
        whole = sums.sum(0, keepdims=True)
        told_bits = float(bits_of(np.bincount(mine, often[members]))) if told else 0.0
        if bits_of(sums).sum() + told_bits >= bits_of(whole).sum():
            mine, sums = np.zeros(members.size, np.int64), whole
        size += float(bits_of(sums).sum() + (sums * bits).sum()) / 8
        chosen[members] = mine + len(contexts)
        index[members] = index_of(chosen[members][:, None], tokens[None, :])
        contexts += contexts_of(sums, len(partitions), bits.size)
        partitions.append(bits)
    if told:
        keys, merged = np.unique(np.where(zeros == SAME, -1, chosen), return_inverse=True)
        shifts = {int(chosen[at]): int(zeros[at]) for at in range(zeros.size) if zeros[at] != SAME}
        classes = tuple(
            Class(same=True) if key < 0 else Class(zeros=shifts[int(key)], contexts=np.array([key]))
            for key in keys
        )
        model = Model(
            tuple(partitions), tuple(contexts), classes, block,
            merged[blocks] if len(classes) > 1 else None,
        )  # fmt: skip
    else:
        model = Model(
            tuple(partitions), tuple(contexts),
            (Class(contexts=chosen, centres=np.zeros(256, np.int32)),), block,
        )  # fmt: skip
    return Plan(model, values, codes, index, size)


def _classes(words: Array, block: int) -> tuple[Array, Array]:
    """Return the class of each block, and how many low bits are zero in each class (SAME: all are)."""
    width = words.dtype.itemsize
    rows = loops().heights(words, block, min(FINE[width], 8 * width - 1))
    top = np.uint64((1 << (8 * width - 1)) - 1)
    seen = rows[:, 0].astype(np.uint64)
    rest = seen & top
    trailing = np.zeros(len(rows), np.int64)
    low = rest & (~rest + np.uint64(1))
    trailing[rest > 0] = np.log2(low[rest > 0].astype(np.float64)).astype(np.int64)
    trailing[(trailing < _ZEROS) | (width == 1)] = 0
    kinds, often = np.unique(trailing[seen > 0], return_counts=True)
    kept = np.unique(np.concatenate([[0], kinds[np.argsort(often)[::-1][:_FEW]]]))
    group = np.searchsorted(kept, trailing, side="right") - 1
    level = _levels(rows[:, 1], np.minimum(block, words.size - np.arange(len(rows)) * block))
    keys = np.where(seen > 0, group * _LEVELS + level, -1)
    found, blocks = np.unique(keys, return_inverse=True)
    zeros = np.where(found < 0, SAME, kept[np.maximum(found, 0) // _LEVELS])
    return blocks.astype(np.uint8), zeros.astype(np.uint8)


def _levels(sums: Array, sizes: Array) -> Array:
    """Sort blocks by how large their numbers are on the whole."""
    if sums.size < 2 * _LEVELS:
        return np.zeros(sums.size, np.int64)
    mean = sums / sizes
    ordered = np.sort(mean)
    low, high = ordered[sums.size // 50], ordered[-1 - sums.size // 50]
    level: Array = np.clip(
        ((mean - low) * (_LEVELS / max(high - low, 1e-9))).astype(np.int64), 0, _LEVELS - 1
    )
    return level


def _partition(counts: Array, low: int) -> tuple[Array, Array]:
    """Cut all numbers into intervals: return each one's raw bits, and the interval of each of *counts*.

    *low* bits of a number are below what was counted.
    """
    if low == 0 and counts.size == TOKENS and counts.sum() >= _MANY:  # to read no raw bits is quicker
        return np.zeros(TOKENS, np.uint8), np.arange(TOKENS)
    weight = _WEIGHT
    while True:
        bits, tokens = _cut(counts, low, weight)
        if bits.size <= TOKENS:
            return bits, tokens
        weight *= 4


def _cut(counts: Array, low: int, weight: float) -> tuple[Array, Array]:
    total = max(1, int(counts.sum()))
    levels = counts.size.bit_length() - 1
    sums = counts.astype(np.int64)
    best = _price(sums, 0, total, weight)
    whole = [np.ones(sums.size, np.bool_)]
    for level in range(1, levels + 1):
        sums = sums.reshape(-1, 2).sum(1)
        merged, parted = _price(sums, level, total, weight), best.reshape(-1, 2).sum(1)
        whole.append(merged <= parted)
        best = np.minimum(merged, parted)
    sizes = np.full(counts.size, -1, np.int64)  # by each count: the level of the interval it is in
    for level in range(levels, -1, -1):
        spread = np.repeat(whole[level], 1 << level)
        sizes = np.where((sizes < 0) & spread, level, sizes)
    first = np.flatnonzero(np.arange(counts.size) & ((1 << sizes) - 1) == 0)
    tokens = np.zeros(counts.size, np.int64)
    tokens[first[1:]] = 1
    return (sizes[first] + low).astype(np.uint8), np.cumsum(tokens)


def _price(sums: Array, level: int, total: int, weight: float) -> Array:
    many = sums.astype(np.float64)
    price: Array = many * (np.log2(total / np.maximum(many, 1)) + level) + np.where(sums > 0, weight, 0.5)
    return price

"""How to write numbers as differences from others, which the decoder has.

Both are put in order as numbers are, and the gap between them is counted away from zero. How large gaps are
depends on the base's exponent (an update is about as large wherever it falls, so the smaller the number, the
more steps it takes) and on the row (an embedding that never occurred does not move). Weight decay alone moves a
number by steps that follow from its mantissa: in such blocks the mantissa says what to expect.
"""

import numpy as np

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.model import Class, Model, steps_of
from emeritus.archive.codec.plans import MOST, Plan, block_of, contexts_of, gather, index_of
from emeritus.archive.codec.sorting import DECAY, LEVELS, SAME, sizes_of

EXPONENTS = {1: (3, 4), 2: (7, 8), 4: (23, 8), 8: (52, 11)}
"""Where the exponent of a number of so many bytes stands, and how many bits it has."""
_DECAY_BITS = 10
_BESIDE = 2  # bits that a gap takes beside its length: a sign, and how long it is
_NO_BITS = np.zeros(LEVELS - SAME + 1, np.uint8)


def plan(words: Array, base: Array, row: int, most: int = MOST) -> Plan:
    """Decide how to write *words* against *base*, in at most so many contexts."""
    width = words.dtype.itemsize
    block = block_of(row, words.size)
    kinds, blocks, zeros = loops().sort_blocks(words, base, block)
    at, bits = EXPONENTS[width]
    shifts = np.where(kinds == DECAY, at - _DECAY_BITS, at)
    sizes = np.where(kinds == SAME, 0, np.where(kinds == DECAY, _DECAY_BITS, bits))
    centres = [np.zeros(1 << size, np.int64) for size in sizes]
    for kind in np.flatnonzero(kinds == DECAY):
        centres[kind] = loops().drift(words, base, blocks, block, int(kind), at - _DECAY_BITS, _DECAY_BITS)
    offsets = np.cumsum(1 << sizes) - (1 << sizes)
    partition = steps_of(width)
    codes, values, rows, counts = loops().steps(
        words, base, blocks, block, kinds == SAME, zeros, shifts, (1 << sizes) - 1, offsets,
        np.concatenate(centres), partition.size,
    )  # fmt: skip
    mine, sums = gather(counts, most=most)
    chosen = np.zeros(int((1 << sizes).sum()), np.uint8)
    chosen[rows] = mine
    index = np.zeros((chosen.size, partition.size), np.uint16)
    index[rows] = index_of(mine[:, None], np.arange(partition.size)[None, :])
    classes = tuple(
        Class(same=True)
        if kind == SAME
        else Class(False, zeros, int(shift), chosen[offset : offset + (1 << size)], centre)
        for kind, shift, size, offset, centre in zip(kinds, shifts, sizes, offsets, centres, strict=True)
    )
    model = Model(
        (partition,), tuple(contexts_of(sums, 0, partition.size)), classes, block,
        blocks if len(classes) > 1 else None,
    )  # fmt: skip
    size = (
        loops().cost(sums, partition) + loops().cost(np.bincount(blocks)[None], _NO_BITS[: kinds.size])
    ) / 8
    return Plan(model, values, codes, index, size, rows)


def guess(words: Array, base: Array, row: int) -> float:
    """Return about how many bytes *words* take against *base*, from a look that costs next to nothing."""
    block = block_of(row, words.size)
    survey = loops().survey(words, base, block)
    sizes = sizes_of(block, words.size)
    share = np.clip(survey[0] / sizes, 1e-9, 1 - 1e-9)  # how many changed at all
    whether = sizes * (share * np.log2(1 / share) + (1 - share) * np.log2(1 / (1 - share)))
    return float((whether + _BESIDE * survey[0] + survey[2]).sum()) / 8

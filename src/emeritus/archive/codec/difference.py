"""How to write numbers as differences from others, which the decoder has.

Both are put in order as numbers are, and the gap between them is counted away from zero. How large gaps are
depends on the base's exponent (an update is about as large wherever it falls, so the smaller the number, the
more steps it takes) and on the row (an embedding that never occurred does not move). Weight decay alone moves a
number by steps that follow from its mantissa: in such blocks the mantissa says what to expect.
"""

import numpy as np

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.entropy import bits_of
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.model import Class, Model, steps_of
from emeritus.archive.codec.plans import MOST, Plan, block_of, contexts_of, gather, index_of

EXPONENTS = {1: (3, 4), 2: (7, 8), 4: (23, 8), 8: (52, 11)}
"""Where the exponent of a number of so many bytes stands, and how many bits it has."""
_SAME, _DECAY = -1, 0  # kinds of blocks; from 1 on: how much they moved
_LEVELS = 4
_DECAY_BITS = 10
_ZEROS = 4  # fewer zero bits are not worth leaving out
_FAR = 2**31 - 1
_BESIDE = 2  # bits that a gap takes beside its length: a sign, and how long it is
_CALM = 0.64  # variance of the gaps' bit lengths below which they are no updates


def plan(words: Array, base: Array, row: int, most: int = MOST) -> Plan:
    """Decide how to write *words* against *base*, in at most so many contexts."""
    width = words.dtype.itemsize
    block = block_of(row, words.size)
    survey = loops().survey(words, base, block)
    zeros = _zeros(survey)
    kinds, blocks = np.unique(_kinds(survey, block, words.size, width, zeros), return_inverse=True)
    blocks = blocks.astype(np.uint8)
    at, bits = EXPONENTS[width]
    shifts = np.where(kinds == _DECAY, at - _DECAY_BITS, at)
    sizes = np.where(kinds == _SAME, 0, np.where(kinds == _DECAY, _DECAY_BITS, bits))
    centres = [np.zeros(1 << size, np.int64) for size in sizes]
    for kind in np.flatnonzero(kinds == _DECAY):
        moved, often = loops().drift(words, base, blocks, block, int(kind), at - _DECAY_BITS, _DECAY_BITS)
        centres[kind] = np.rint(np.clip(moved / np.maximum(often, 1), -_FAR, _FAR)).astype(np.int64)
    offsets = np.cumsum(1 << sizes) - (1 << sizes)
    partition = steps_of(width)
    codes, values, counts = loops().steps(
        words, base, blocks, block, kinds == _SAME, zeros, shifts, (1 << sizes) - 1, offsets,
        np.concatenate(centres), partition.size,
    )  # fmt: skip
    chosen, sums = gather(counts.reshape(-1, partition.size), most=most)
    index = index_of(chosen[:, None], np.arange(partition.size)[None, :])
    classes = tuple(
        Class(same=True)
        if kind == _SAME
        else Class(False, zeros, int(shift), chosen[offset : offset + (1 << size)], centre)
        for kind, shift, size, offset, centre in zip(kinds, shifts, sizes, offsets, centres, strict=True)
    )
    told = float(bits_of(np.bincount(blocks)))
    model = Model(
        (partition,), tuple(contexts_of(sums, 0, partition.size)), classes, block,
        blocks if len(classes) > 1 else None,
    )  # fmt: skip
    size = (float(bits_of(sums).sum() + (sums * partition).sum()) + told) / 8
    return Plan(model, values, codes, index.reshape(-1), size)


def guess(words: Array, base: Array, row: int) -> float:
    """Return about how many bytes *words* take against *base*, from a look that costs next to nothing."""
    block = block_of(row, words.size)
    survey = loops().survey(words, base, block)
    sizes = np.minimum(block, words.size - np.arange(len(survey)) * block)
    share = np.clip(survey[:, 0] / sizes, 1e-9, 1 - 1e-9)  # how many changed at all
    whether = sizes * (share * np.log2(1 / share) + (1 - share) * np.log2(1 / (1 - share)))
    return float((whether + _BESIDE * survey[:, 0] + survey[:, 2]).sum()) / 8


def _zeros(survey: Array) -> int:
    """Return how many low bits are zero in every gap."""
    seen = int(np.bitwise_or.reduce(survey[:, 1].astype(np.uint64))) if len(survey) else 0
    zeros = (seen & -seen).bit_length() - 1
    return zeros if zeros >= _ZEROS else 0


def _kinds(survey: Array, block: int, count: int, width: int, zeros: int) -> Array:
    """Sort the blocks: those that did not move, those that decayed, and the others by how much they moved."""
    changed, lengths, squares = survey[:, 0], survey[:, 2], survey[:, 3]
    sizes = np.minimum(block, count - np.arange(len(survey)) * block)
    mean = lengths / sizes
    level = np.where(mean > 2, mean, 2 + np.log2(np.maximum(mean, 1e-3) / 2))
    moved = changed > 0
    ordered = np.sort(level[moved])
    highest = float(ordered[ordered.size * 9 // 10]) if ordered.size else 0.0
    kinds = np.clip(np.rint(level - highest) + _LEVELS, 1, _LEVELS).astype(np.int64)
    if width >= 4 and not zeros:
        calm = (squares / sizes - mean * mean < _CALM) & (mean > 1) & (changed * 8 > sizes * 7)
        kinds = np.where(calm, _DECAY, kinds)
    return np.where(moved, kinds, _SAME)

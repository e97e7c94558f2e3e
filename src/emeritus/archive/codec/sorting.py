"""Which blocks of a difference are alike: those that did not move, those that decayed, and how much others moved."""

import numpy as np

from emeritus.archive.codec.arrays import Array

SAME, DECAY = -1, 0
"""Kinds of blocks; from 1 up to `LEVELS`: the more they moved, the higher."""
LEVELS = 4
ZEROS = 4
"""Fewer zero bits are not worth leaving out."""
CALM = 0.64
"""Variance of the gaps' bit lengths below which they are no updates."""
FAR = 2**31 - 1
"""No centre is further off."""


def sort_blocks(survey: Array, block: int, count: int, width: int) -> tuple[Array, Array, int]:
    """Sort the blocks of *count* numbers of *width* bytes by their *survey* (see `plain.survey`).

    Returns the kinds that there are, in order; which of them each block is; how many low bits are zero in every gap.
    """
    seen = int(np.bitwise_or.reduce(survey[1].view(np.uint64)))
    zeros = (seen & -seen).bit_length() - 1
    zeros = zeros if zeros >= ZEROS else 0
    changed, _, lengths, squares = survey
    sizes = sizes_of(block, count)
    mean = lengths / sizes
    level = np.where(mean > 2, mean, 1 + np.log2(np.maximum(mean, 1e-3)))
    moved = changed > 0
    ordered = np.sort(level[moved])
    highest = float(ordered[ordered.size * 9 // 10]) if ordered.size else 0.0
    found = np.clip(np.rint(level - highest) + LEVELS, 1, LEVELS).astype(np.int64)
    if width >= 4 and not zeros:
        calm = (squares / sizes - mean * mean < CALM) & (mean > 1) & (changed * 8 > sizes * 7)
        found = np.where(calm, DECAY, found)
    kinds, blocks = np.unique(np.where(moved, found, SAME), return_inverse=True)
    return kinds, blocks.astype(np.uint8), zeros


def sizes_of(block: int, count: int) -> Array:
    """Return how many of *count* numbers are in each block."""
    sizes = np.full(-(-count // block), block)
    sizes[-1:] -= -count % block
    return sizes

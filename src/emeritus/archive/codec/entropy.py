"""How many bits it takes to tell tokens apart that are so frequent."""

import numpy as np

from emeritus.archive.codec.arrays import Array


def entropy(counts: Array) -> Array:
    """Return the bits that so many of each take, along the last axis, when it is known how many there are."""
    numbers = counts.astype(np.float64)
    total = numbers.sum(-1)
    spread = (numbers * np.log2(np.maximum(numbers, 1))).sum(-1)
    bits: Array = total * np.log2(np.maximum(total, 1)) - spread
    return bits


def bits_of(counts: Array) -> Array:
    """Return the bits that so many of each take (along the last axis), and those that tell how many."""
    told: Array = entropy(counts) + 8 + 6 * (counts > 0).sum(-1)
    return told

"""What an encoder has decided of a frame, before it writes."""

import numpy as np
from attrs import frozen

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.model import TOKENS, Context, Model, weigh

MIN_BLOCK, MAX_BLOCK, BLOCK = 16, 4096, 256
_MOST = 12  # contexts; more would fall out of the caches
_FINENESS = 3.0  # groups of like items to begin with, in an octave


@frozen(eq=False)
class Plan:
    """*values* of the numbers that are coded; ``index[codes]`` is each one's context and token.

    *size* is about how many bytes it will take.
    """

    model: Model
    values: Array
    codes: Array
    index: Array
    size: float


def block_of(row: int, count: int) -> int:
    """Return how many numbers share a class, where rows are *row* long."""
    if row <= MAX_BLOCK:
        return max(1, min(row if row >= MIN_BLOCK else BLOCK, count))
    parts = -(-row // (MAX_BLOCK // 4))
    return row // parts if row % parts == 0 else BLOCK


def bits_of(counts: Array) -> Array:
    """Return the bits that so many of each take (along the last axis), and those that tell how many."""
    numbers = counts.astype(np.float64)
    total = numbers.sum(-1)
    spread = (numbers * np.log2(np.maximum(numbers, 1))).sum(-1)
    told: Array = total * np.log2(np.maximum(total, 1)) - spread + 8 + 6 * (counts > 0).sum(-1)
    return told


def gather(counts: Array) -> tuple[Array, Array]:
    """Share contexts between the rows of *counts* (how often each token was in it) that are alike.

    Returns each row's context (0 for rows without any) and the counts of each context.
    """
    total = counts.sum(1)
    used = np.flatnonzero(total)
    if used.size == 0:
        return np.zeros(len(counts), np.int64), counts[:0]
    mean = (counts[used] @ np.arange(counts.shape[1])) / total[used]
    keys = np.rint(np.log2(mean + 0.01) * _FINENESS).astype(np.int64)
    found, group = np.unique(keys, return_inverse=True)
    sums = np.zeros((found.size, counts.shape[1]), np.int64)
    np.add.at(sums, group, counts[used])
    rows = list(sums)
    costs = list(bits_of(sums))
    members = [[each] for each in range(found.size)]
    gains = [
        costs[at] + costs[at + 1] - float(bits_of(rows[at] + rows[at + 1])) for at in range(len(rows) - 1)
    ]
    while gains and (max(gains) > 0 or len(rows) > _MOST):
        at = int(np.argmax(gains))
        rows[at : at + 2] = [rows[at] + rows[at + 1]]
        costs[at : at + 2] = [float(bits_of(rows[at]))]
        members[at : at + 2] = [members[at] + members[at + 1]]
        del gains[at]
        for near in (at - 1, at):
            if 0 <= near < len(rows) - 1:
                both = float(bits_of(rows[near] + rows[near + 1]))
                gains[near] = costs[near] + costs[near + 1] - both
    context = np.zeros(found.size, np.int64)
    for number, groups in enumerate(members):
        context[groups] = number
    chosen = np.zeros(len(counts), np.int64)
    chosen[used] = context[group]
    return chosen, np.array(rows)


def contexts_of(counts: Array, partition: int, tokens: int) -> list[Context]:
    """Return a context for each row of *counts*."""
    return [Context(partition, weigh(row[:tokens])) for row in counts]


def index_of(contexts: Array, tokens: Array) -> Array:
    """Return where a token of a context stands in the tables."""
    return (contexts * TOKENS + tokens).astype(np.uint16)

"""What an encoder has decided of a frame, before it writes."""

import numpy as np
from attrs import frozen

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.loops import loops
from emeritus.archive.codec.model import TOKENS, Context, Model

MIN_BLOCK, MAX_BLOCK, BLOCK = 16, 4096, 256
MOST = 12  # contexts; more would fall out of the caches
_FINENESS = 2.5  # groups of like rows to begin with, in an octave


@frozen(eq=False)
class Plan:
    """*values* of the numbers that are coded; ``index.reshape(-1)[codes]`` is each one's context and token.

    *size* is about how many bytes it will take. *rows*: which rows of *index* are in use; None: any may be.
    """

    model: Model
    values: Array
    codes: Array
    index: Array
    size: float
    rows: Array | None = None


def block_of(row: int, count: int) -> int:
    """Return how many numbers share a class, where rows are *row* long."""
    if row <= MAX_BLOCK:
        return max(1, min(row if row >= MIN_BLOCK else BLOCK, count))
    parts = -(-row // (MAX_BLOCK // 4))
    return row // parts if row % parts == 0 else BLOCK


def gather(counts: Array, *, ordered: bool = True, most: int = MOST) -> tuple[Array, Array]:
    """Share contexts between the rows of *counts* (how often each token was in it) that are alike.

    *ordered*: what is alike has a like mean; otherwise any two rows may be. There are at most *most* contexts.
    Returns each row's context (0 for rows without any) and the counts of each context.
    """
    total, weighted = loops().tally(counts)
    used = np.flatnonzero(total)
    if used.size == 0:
        return np.zeros(len(counts), np.int64), counts[:0]
    keys = np.full(len(counts), -1)
    if ordered:
        mean = weighted[used] / total[used]
        # Beyond 16 tokens stand for powers of two themselves.
        height = np.log2(np.minimum(mean, 16) + 0.01) * _FINENESS + np.maximum(mean - 16, 0) / 2
        heights = np.rint(height).astype(np.int64)
        keys[used] = heights - heights.min()
    else:
        ranks = np.argsort(np.argsort(-total[used], kind="stable"), kind="stable")
        keys[used] = np.minimum(ranks, most)
    found: tuple[Array, Array] = loops().gather(counts, keys, most, ordered=ordered)
    return found


def contexts_of(counts: Array, partition: int, tokens: int) -> list[Context]:
    """Return a context for each row of *counts*."""
    return [Context(partition, row) for row in loops().weigh(counts[:, :tokens])]


def index_of(contexts: Array, tokens: Array) -> Array:
    """Return where a token of a context stands in the tables."""
    place: Array = contexts.astype(np.uint16) * np.uint16(TOKENS) + tokens.astype(np.uint16)
    return place

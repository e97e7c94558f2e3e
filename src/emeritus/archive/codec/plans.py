"""What an encoder has decided of a frame, before it writes."""

import numpy as np
from attrs import frozen

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.model import TOKENS, Context, Model, weigh

MIN_BLOCK, MAX_BLOCK, BLOCK = 16, 4096, 256
_MOST = 12  # contexts; more would fall out of the caches
_FINENESS = 2.5  # groups of like rows to begin with, in an octave


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
    told: Array = _entropy(counts) + 8 + 6 * (counts > 0).sum(-1)
    return told


def _entropy(counts: Array) -> Array:
    numbers = counts.astype(np.float64)
    total = numbers.sum(-1)
    spread = (numbers * np.log2(np.maximum(numbers, 1))).sum(-1)
    bits: Array = total * np.log2(np.maximum(total, 1)) - spread
    return bits


def gather(counts: Array, *, ordered: bool = True) -> tuple[Array, Array]:
    """Share contexts between the rows of *counts* (how often each token was in it) that are alike.

    *ordered*: what is alike has a like mean; otherwise any two rows may be. Returns each row's context (0 for
    rows without any) and the counts of each context.
    """
    total = counts.sum(1)
    used = np.flatnonzero(total)
    if used.size == 0:
        return np.zeros(len(counts), np.int64), counts[:0]
    if ordered:
        mean = (counts[used].astype(np.float64) @ np.arange(counts.shape[1], dtype=np.float64)) / total[used]
        # Beyond 16 tokens stand for powers of two themselves.
        height = np.log2(np.minimum(mean, 16) + 0.01) * _FINENESS + np.maximum(mean - 16, 0) / 2
        keys = np.rint(height).astype(np.int64)
    else:
        keys = np.minimum(np.argsort(np.argsort(-total[used], kind="stable"), kind="stable"), _MOST)
    group = np.unique(keys, return_inverse=True)[1]
    sums = _sums(counts[used], group)
    context = _shared(sums, ordered=ordered) if ordered or _differ(sums) else np.zeros(len(sums), np.int64)
    merged = _sums(sums, context)
    chosen = np.zeros(len(counts), np.int64)
    chosen[used] = context[group]
    return chosen, merged


def _differ(rows: Array) -> bool:
    """Tell whether rows are so unlike that it could pay to have two contexts at all."""
    whole = rows.sum(0)
    tables = bits_of(rows) - _entropy(rows)
    return float(bits_of(whole)) > float(_entropy(rows).sum() + 2 * tables.mean())


def _sums(rows: Array, group: Array) -> Array:
    """Add up the rows of each group."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.add.reduceat(rows[order], starts, axis=0)


def _shared(sums: Array, *, ordered: bool) -> Array:
    """Join rows, two at a time, while that saves bits or there are too many; return each one's context."""
    rows, costs = sums.copy(), bits_of(sums)
    context = np.arange(len(sums))
    alive = np.ones(len(sums), np.bool_)
    gains = np.full((len(sums), len(sums)), -np.inf)  # of joining a row with a later one

    def compare(one: Array, other: Array) -> None:
        gains[one, other] = costs[one] + costs[other] - bits_of(rows[one] + rows[other])

    here = np.arange(len(sums))
    compare(*((here[:-1], here[1:]) if ordered else np.triu_indices(len(sums), 1)))
    while alive.sum() > 1:
        first, second = np.unravel_index(int(gains.argmax()), gains.shape)
        if gains[first, second] <= 0 and alive.sum() <= _MOST:
            break
        rows[first] += rows[second]
        costs[first] = bits_of(rows[first])
        context[context == second] = first
        alive[second] = False
        gains[second], gains[:, second] = -np.inf, -np.inf
        others = here[alive & (here != first)]
        if ordered:
            before, after = others[others < first][-1:], others[others > first][:1]
            others = np.concatenate([before, after])
        compare(np.minimum(others, first), np.maximum(others, first))
    found: Array = np.unique(context, return_inverse=True)[1]
    return found


def contexts_of(counts: Array, partition: int, tokens: int) -> list[Context]:
    """Return a context for each row of *counts*."""
    return [Context(partition, row) for row in weigh(counts[:, :tokens])]


def index_of(contexts: Array, tokens: Array) -> Array:
    """Return where a token of a context stands in the tables."""
    place: Array = contexts.astype(np.uint16) * np.uint16(TOKENS) + tokens.astype(np.uint16)
    return place

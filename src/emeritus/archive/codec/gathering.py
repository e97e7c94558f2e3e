"""Contexts shared between rows that are alike, in numpy: what `sharing` does faster."""

import numpy as np

from emeritus.archive.codec.arrays import Array
from emeritus.archive.codec.entropy import bits_of, entropy


def tally(counts: Array) -> tuple[Array, Array]:
    """Return of each row of *counts*: how many there are, and the sum of their tokens."""
    return counts.sum(1), (counts * np.arange(counts.shape[1])).sum(1)


def cost(sums: Array, bits: Array) -> float:
    """Return how many bits all tokens of contexts take, with the raw *bits* of each, and with their tables."""
    return float(bits_of(sums).sum() + (sums * bits).sum())


def gather(counts: Array, keys: Array, most: int, *, ordered: bool) -> tuple[Array, Array]:
    """Share contexts between rows of *counts*: those of one of the *keys*, then those that are alike; -1 has none.

    Returns each row's context (0 for those without), and the counts of each context. See `plans.gather`.
    """
    found, group = np.unique(keys[keys >= 0], return_inverse=True)
    sums = _together(counts[keys >= 0], group, found.size)
    context = np.zeros(found.size, np.int64)
    if ordered or _differ(sums):
        context = np.unique(_join_alike(sums, most, ordered=ordered), return_inverse=True)[1]
    chosen = np.zeros(len(counts), np.int64)
    chosen[keys >= 0] = context[group]
    return chosen, _together(sums, context, int(context.max()) + 1)


def _together(counts: Array, groups: Array, number: int) -> Array:
    """Add up the rows of *counts* by their *groups*, of which there are *number*."""
    sums = np.zeros((number, counts.shape[1]), np.int64)
    np.add.at(sums, groups, counts)
    return sums


def _differ(rows: Array) -> bool:
    """Tell whether rows are so unlike that it could pay to have two contexts at all."""
    whole = rows.sum(0)
    tables = bits_of(rows) - entropy(rows)
    return float(bits_of(whole)) > float(entropy(rows).sum() + 2 * tables.mean())


def _join_alike(sums: Array, most: int, *, ordered: bool) -> Array:
    """Join rows, two at a time, while that saves bits or there are more than *most*; return each one's group.

    *ordered*: only neighbours are joined.
    """
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
        if gains[first, second] <= 0 and alive.sum() <= most:
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
    return context

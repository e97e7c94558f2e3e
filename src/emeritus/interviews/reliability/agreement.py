"""How often the same answer comes again: in the same circumstances, and in others."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
from attrs import frozen

from emeritus.interviews.reliability.answers import Answer, Floats, Table
from emeritus.interviews.reliability.resampling import (
    DRAWS,
    Estimate,
    estimate,
    exponentials,
    generator,
    mean,
)

Differing = Literal["framing", "wording", "order", "sequence"]
_VARIED: tuple[Differing | Literal["temperature"], ...] = (
    "framing",
    "wording",
    "order",
    "sequence",
    "temperature",
)


@frozen
class Agreement:
    """The share of pairs of answers that are the same.

    *beyond_chance* is ``(share - 1/k) / (1 - 1/k)`` for *k* options: 0 for guessing, 1 for always the same
    (E. M. Bennett, R. Alpert, A. C. Goldstein, Public Opinion Quarterly 18, 1954; R. L. Brennan, D. J. Prediger,
    Educational and Psychological Measurement 41, 1981). *pairs* counts the pairs of answers.
    """

    share: Estimate
    beyond_chance: float
    pairs: int


def _agreement(share: Estimate, options: int, pairs: int) -> Agreement:
    return Agreement(share, (share.value - 1 / options) / (1 - 1 / options), pairs)


def test_retest(table: Table, item: str, *, seed: int) -> Agreement | None:
    """Return how often repetitions agree: the same framing, wording, orders and temperature, another seed.

    None where nothing was repeated. The interval draws cells (what was repeated together) again.
    """
    cells: dict[Hashable, list[str | None]] = defaultdict(list)
    for each in table.given(item):
        cells[each.cell].append(each.choice)
    repeated = [cell for cell in cells.values() if len(cell) > 1]
    if not repeated:
        return None
    scores = np.array([np.mean([a == b for a, b in combinations(cell, 2)]) for cell in repeated])
    pairs = sum(len(cell) * (len(cell) - 1) // 2 for cell in repeated)
    return _agreement(mean(generator(seed, "retest", item), scores), table.item(item).size, pairs)


def across(table: Table, item: str, differing: Differing, *, seed: int) -> Agreement | None:
    """Return how often sittings agree that differ in one thing, and in repetition, but in nothing else.

    Leading framings and controls are left out. None where nothing was varied. The interval is a Bayesian
    bootstrap over sittings: a pair counts by the product of both weights, and beside the sittings stands one
    that agrees with a part of them that nobody knows, as in `resampling.mean_draws`.
    """
    answers = table.given(item, table.arms.neutral)
    others = [name for name in _VARIED if name != differing]

    def kept(each: Answer) -> tuple[object, ...]:
        return tuple(getattr(each, name) for name in others)

    paired = np.array(
        [
            [getattr(a, differing) != getattr(b, differing) and kept(a) == kept(b) for b in answers]
            for a in answers
        ],
        dtype=float,
    ).reshape(len(answers), len(answers))
    if not paired.any():
        return None
    same = np.array([[a.choice == b.choice for b in answers] for a in answers], dtype=float) * paired
    random = generator(seed, "across", differing, item)
    drawn = _pair_draws(random, same, paired)
    share = estimate(same.sum() / paired.sum(), drawn, len(answers))
    return _agreement(share, table.item(item).size, int(paired.sum() / 2))


def _pair_draws(random: np.random.Generator, same: Floats, paired: Floats) -> Floats:
    weights = exponentials(random, DRAWS, len(same))
    beside = exponentials(random, DRAWS, 1)[:, 0]
    share = np.cos(np.pi * random.random(DRAWS)) ** 2
    partners = paired.sum() / len(same)
    agreed = np.einsum("di,ij,dj->d", weights, same, weights, optimize=True)
    counted = np.einsum("di,ij,dj->d", weights, paired, weights, optimize=True)
    pulled = 2 * beside * weights.mean(axis=1) * partners
    return np.asarray((agreed + pulled * share) / (counted + pulled))


def cohen_kappa(first: Sequence[Any], second: Sequence[Any]) -> float | None:
    """Return how far two judges agree beyond chance: J. Cohen, Educational and Psychological Measurement 20 (1960).

    None where it is not defined: nothing was judged, or both always say the same one thing.
    """
    if not first:
        return None
    labels = sorted({*first, *second}, key=str)
    size = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / size
    chance = sum(list(first).count(each) * list(second).count(each) for each in labels) / size**2
    return None if chance == 1 else (agreed - chance) / (1 - chance)

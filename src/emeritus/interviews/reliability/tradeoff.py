"""Willingness trade-offs: at which price a model stops accepting, and how far that spreads."""

from collections import defaultdict

import numpy as np
from attrs import frozen

from emeritus.interviews.reliability.answers import Table
from emeritus.interviews.reliability.resampling import DRAWS, LEVEL, Estimate, exponentials, generator


@frozen
class Tradeoff:
    """Where a ladder of prices turns from accepted to refused.

    *point* is the median over sittings of where each stops accepting; *spread* the quartiles. *all_accepted*
    and *none_accepted* count sittings that stop beyond the ladder's ends, which the point then only bounds;
    *inconsistent* those that refuse a price and accept a higher one.
    """

    trade: str
    prices: tuple[float, ...]
    point: Estimate
    spread: tuple[float, float]
    all_accepted: int
    none_accepted: int
    inconsistent: int


def tradeoffs(table: Table, *, seed: int) -> list[Tradeoff]:
    """Return every trade-off whose rungs were all answered in some sitting of a neutral framing."""
    names = sorted({item.trade for item in table.items if item.trade is not None})
    return [found for name in names if (found := _tradeoff(table, name, seed)) is not None]


def _tradeoff(table: Table, trade: str, seed: int) -> Tradeoff | None:
    rungs = sorted((item for item in table.items if item.trade == trade), key=lambda item: item.price or 0.0)
    prices = np.array([item.price or 0.0 for item in rungs])
    accepted: dict[str, dict[str, bool]] = defaultdict(dict)
    for item in rungs:
        for each in table.given(item.id, table.arms.neutral):
            accepted[each.sitting][item.id] = each.choice == item.options[0]
    ladders = np.array(
        [
            [given[item.id] for item in rungs]
            for given in accepted.values()
            if all(item.id in given for item in rungs)
        ],
        dtype=bool,
    )
    if not len(ladders):
        return None
    steps = ladders.sum(axis=1)
    points = _switches(prices)[steps]
    weights = exponentials(generator(seed, "trade", trade), DRAWS, len(points))
    drawn = [_weighted_median(points, row) for row in weights]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = float(np.median(points))
    quartiles = np.quantile(points, [0.25, 0.75])
    return Tradeoff(
        trade=trade,
        prices=tuple(float(each) for each in prices),
        point=Estimate(value, min(float(low), value), max(float(high), value), len(points)),
        spread=(float(quartiles[0]), float(quartiles[1])),
        all_accepted=int((steps == len(rungs)).sum()),
        none_accepted=int((steps == 0).sum()),
        inconsistent=int((np.diff(ladders.astype(int), axis=1) > 0).any(axis=1).sum()),
    )


def _switches(prices: np.ndarray) -> np.ndarray:
    """Return where somebody stops who accepts 0, 1, … of the prices: half-way between two, else at the end.

    Counting what is accepted, instead of looking for the first refusal, lets a slip cost one step and no more
    (C. Spearman, British Journal of Psychology 2, 1908; G. Kärber, 1931).
    """
    between = (prices[1:] + prices[:-1]) / 2
    return np.concatenate([[prices[0]], between, [prices[-1]]])


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    running = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(running, running[-1] / 2)])

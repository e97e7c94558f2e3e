"""Intervals and p-values by drawing again: clustered by sitting, seeded, and the same with every release of numpy.

All draws are made of uniform numbers (PCG64), not of numpy's distributions, whose streams may change.
"""

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

LEVEL: Final = 0.95
"""How often an interval is to hold what it is about."""
DRAWS: Final = 2000
SHUFFLES: Final = 9999
ENOUGH: Final = 20
"""So many shuffles that part two groups as far as they are: then nothing has to be known more exactly."""

Floats = NDArray[np.float64]


@frozen
class Estimate:
    """A figure with its interval at `LEVEL`; *size* is the number of sittings (or cells) that it rests on."""

    value: float
    low: float
    high: float
    size: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of one figure: other figures, come or gone, do not change its draws."""
    told = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(told[:16], "big")))


def exponentials(random: np.random.Generator, draws: int, size: int) -> Floats:
    """Return standard exponential numbers; a row of them, divided by its sum, is uniform over all weightings."""
    return np.asarray(-np.log1p(-random.random((draws, size))))


def mean_draws(
    random: np.random.Generator, scores: Floats, low: float, high: float, draws: int = DRAWS
) -> Floats:
    """Draw the mean of *scores*, one a sitting, bounded by *low* and *high*, from what it may be.

    A Bayesian bootstrap (D. B. Rubin, *The Bayesian Bootstrap*, Annals of Statistics 9, 1981) over sittings, with
    half a sitting more at each bound. For answers that are one or the other this is exactly Jeffreys' interval,
    which holds what it should with few answers too (L. D. Brown, T. T. Cai, A. DasGupta, *Interval Estimation
    for a Binomial Proportion*, Statistical Science 16, 2001): twelve of twelve are not taken for certainty.
    """
    weights = exponentials(random, draws, len(scores))
    beside = exponentials(random, draws, 1)[:, 0]
    share = np.cos(np.pi * random.random(draws)) ** 2  # Beta(1/2, 1/2)
    pulled = weights @ scores + beside * (share * high + (1 - share) * low)
    return np.asarray(pulled / (weights.sum(axis=1) + beside))


def estimate(value: float, drawn: Floats, size: int) -> Estimate:
    """Return *value* with the interval of *drawn*; the interval always holds the value."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), min(float(low), float(value)), max(float(high), float(value)), size)


def mean(random: np.random.Generator, scores: Floats, low: float = 0.0, high: float = 1.0) -> Estimate:
    """Return the mean of *scores*, one a sitting, bounded by *low* and *high*, with its interval."""
    return estimate(float(scores.mean()), mean_draws(random, scores, low, high), len(scores))


def combined(parts: Sequence[tuple[float, Estimate]], plus: float = 0.0) -> Estimate:
    """Return the sum of independent estimates, each times its factor, and *plus*, with its interval.

    G. Y. Zou, A. Donner, *Construction of confidence limits about effect measures: a general approach*,
    Statistics in Medicine 27 (2008): the distances to the limits add up as squares, each on its own side.
    """
    below = above = 0.0
    for factor, each in parts:
        down, up = factor * (each.value - each.low), factor * (each.high - each.value)
        below += (down if factor > 0 else up) ** 2
        above += (up if factor > 0 else down) ** 2
    value = plus + sum(factor * each.value for factor, each in parts)
    return Estimate(
        value, value - math.sqrt(below), value + math.sqrt(above), sum(each.size for _, each in parts)
    )


def shuffled_p(
    random: np.random.Generator, strata: Sequence[tuple[Floats, Floats]], shuffles: int = SHUFFLES
) -> float:
    """Return how often chance alone parts the two groups of each stratum as far as they are; 1 where nobody can tell.

    A permutation test (E. S. Edgington, P. Onghena, *Randomization Tests*, 2007): groups are shuffled within
    strata, the statistic is the mean difference of means. It stops once `ENOUGH` shuffles part them as far
    (J. Besag, P. Clifford, *Sequential Monte Carlo p-values*, Biometrika 78, 1991); else the observed order
    counts as one of those drawn.
    """
    usable = [(left, right) for left, right in strata if len(left) and len(right)]
    if not usable or all(np.ptp(np.concatenate(pair)) == 0 for pair in usable):
        return 1.0
    seen = abs(np.mean([left.mean() - right.mean() for left, right in usable])) - 1e-12
    drawn = exceeded = 0
    while drawn < shuffles:
        batch = min(500, shuffles - drawn)
        far = np.flatnonzero(np.abs(_shuffled(random, usable, batch)) >= seen)
        if exceeded + len(far) >= ENOUGH:
            return float(ENOUGH / (drawn + far[ENOUGH - exceeded - 1] + 1))
        exceeded += len(far)
        drawn += batch
    return (1 + exceeded) / (shuffles + 1)


def _shuffled(random: np.random.Generator, strata: Sequence[tuple[Floats, Floats]], shuffles: int) -> Floats:
    moved = np.zeros(shuffles)
    for left, right in strata:
        pooled = np.concatenate([left, right])
        chosen = np.argpartition(random.random((shuffles, len(pooled))), len(left) - 1, axis=1)[
            :, : len(left)
        ]
        total = pooled[chosen].sum(axis=1)
        moved += total / len(left) - (pooled.sum() - total) / len(right)
    return np.asarray(moved / len(strata))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: S. Holm, Scandinavian Journal of Statistics 6 (1979).

    Of all corrections that hold the chance of a single false find, however the answers of one sitting depend
    on each other, this one is never weaker than Bonferroni's.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def binomial_tail(count: int, size: int, share: float) -> float:
    """Return the chance of at least *count* among *size* when each comes with the chance *share*."""
    return min(
        1.0,
        sum(math.comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(count, size + 1)),
    )


def normal(quantile: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(quantile)

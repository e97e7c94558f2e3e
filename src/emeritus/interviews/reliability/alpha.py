"""Krippendorff's alpha: how far observers agree beyond what chance would give, with answers missing.

Source: K. Krippendorff, *Computing Krippendorff's Alpha-Reliability* (2011), sections C and D: coincidences,
``alpha = 1 - D_o / D_e``, and the differences of nominal, ordinal and interval data. Here the units are
questions with the same options, and the observers are sittings.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emeritus.interviews.reliability.resampling import LEVEL, Estimate, exponentials, generator

Metric = Literal["nominal", "ordinal", "interval"]
Floats = NDArray[np.float64]


def alpha(units: Sequence[Sequence[int | None]], categories: int, metric: Metric) -> float | None:
    """Return alpha, None where it is not defined: nobody disagrees because nobody ever says anything else.

    Args:
        units: for each unit the values that its observers gave, from 0 to *categories* - 1, None where missing.
        categories: how many values there are; for interval data their distance is 1.
        metric: how far two values differ.
    """
    given = np.zeros((len(units), categories))
    for row, unit in enumerate(units):
        for value in unit:
            if value is not None:
                given[row, value] += 1
    paired = given[given.sum(axis=1) > 1]
    counts = paired.sum(axis=1)
    coincidences = np.einsum("u,uc,uk->ck", 1 / (counts - 1), paired, paired) - np.diag(
        (paired / (counts - 1)[:, None]).sum(axis=0)
    )
    return _alpha(coincidences, metric)


def _alpha(coincidences: Floats, metric: Metric) -> float | None:
    totals = coincidences.sum(axis=1)
    pairable = totals.sum()
    if pairable <= 1:
        return None
    differences = difference(totals, metric)
    observed = (coincidences * differences).sum() / pairable
    expected = (np.outer(totals, totals) * differences).sum() / (pairable * (pairable - 1))
    return None if expected == 0 else float(1 - observed / expected)


def difference(totals: Floats, metric: Metric) -> Floats:
    """Return the squared difference of each two values; that of ordinal data rests on how often each came."""
    size = len(totals)
    if metric == "nominal":
        return 1 - np.eye(size)
    rank = np.arange(size, dtype=float) if metric == "interval" else np.cumsum(totals) - totals / 2
    return np.asarray((rank[:, None] - rank[None, :]) ** 2)


def alpha_estimate(
    answers: Mapping[str, Mapping[str, int]], categories: int, metric: Metric, *, seed: int, draws: int = 1000
) -> Estimate | None:
    """Return alpha over *answers* (``{observer: {unit: value}}``) with an interval; None where it is not defined.

    The interval is a Bayesian bootstrap over observers: each pair of them counts by the product of both
    weights, and nobody is paired with themselves, as would happen were observers drawn with replacement.
    """
    names = sorted({unit for given in answers.values() for unit in given})
    rows = [[given.get(unit) for given in answers.values()] for unit in names]
    value = alpha(rows, categories, metric)
    if value is None:
        return None
    weights = exponentials(generator(seed, "alpha"), draws, len(answers))
    weights *= len(answers) / weights.sum(axis=1, keepdims=True)
    total = np.zeros((draws, categories, categories))
    for row in rows:
        total += _weighted(row, weights, categories)
    found = [_alpha(each, metric) for each in total]
    kept = np.array([each for each in found if each is not None])
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(kept) else (value, value)
    return Estimate(value, min(float(low), value), max(float(high), value), len(answers))


def _weighted(row: Sequence[int | None], weights: Floats, categories: int) -> Floats:
    """Return the coincidences of one unit, each pair weighted, for every draw."""
    chosen = np.zeros((len(row), categories))
    for observer, value in enumerate(row):
        if value is not None:
            chosen[observer, value] = 1
    mass = weights @ chosen
    itself = weights**2 @ chosen
    pairs = mass[:, :, None] * mass[:, None, :]
    pairs[:, np.arange(categories), np.arange(categories)] -= itself
    all_pairs = mass.sum(axis=1) ** 2 - itself.sum(axis=1)
    enough = chosen.sum() > 1
    scale = np.where(all_pairs > 0, mass.sum(axis=1) / np.where(all_pairs > 0, all_pairs, 1), 0)
    return np.asarray(pairs * scale[:, None, None] * enough)

"""The formulas give what their sources publish."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.interviews.reliability import alpha, cohen_kappa, detectable, holm
from emeritus.interviews.reliability.resampling import binomial_tail, generator, mean_draws


def units(*observers):
    """Rows of observers, as printed, into units: digits from 1, letters from a, a dot or star for missing."""
    read = [
        [None if mark in ".*" else int(mark) - 1 if mark.isdigit() else ord(mark) - ord("a") for mark in row]
        for row in (each.replace(" ", "") for each in observers)
    ]
    return [list(unit) for unit in zip(*read, strict=True)]


KRIPPENDORFF_C = units("123321412...", "12332241 25.3", ".3332342251.", "12332441251.")


@pytest.mark.parametrize(
    ("data", "metric", "published"),
    [
        # K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), A to D, in its own words and figures
        (units("1211111121", "2221121111"), "nominal", 0.095),
        (units("aabbdcccedda", "babbbccceddd"), "nominal", 0.692),
        (KRIPPENDORFF_C, "nominal", 0.743),
        (KRIPPENDORFF_C, "ordinal", 0.815),
        (KRIPPENDORFF_C, "interval", 0.849),
        # the worked example of three coders of the encyclopaedia article "Krippendorff's alpha"
        (units("*****3412113 3*3", "1*213343*******", "**21344*211 33*4"), "nominal", 0.691),
        (units("*****3412113 3*3", "1*213343*******", "**21344*211 33*4"), "interval", 0.811),
    ],
)  # fmt: skip
def test_alpha_as_published(data, metric, published):
    """Alpha for two and for many observers, with values missing, nominal, ordinal and interval."""
    assert alpha(data, 5, metric) == pytest.approx(published, abs=0.0005)


@given(
    st.lists(st.lists(st.none() | st.integers(0, 3), min_size=2, max_size=5), min_size=1, max_size=8),
    st.sampled_from(["nominal", "interval"]),
)
def test_alpha_is_one_minus_observed_over_expected(rows, metric):
    """By coincidences or pair by pair, it is the same figure."""
    paired = [[v for v in row if v is not None] for row in rows]
    paired = [row for row in paired if len(row) > 1]
    values = [v for row in paired for v in row]

    def differ(a, b):
        return float(a != b) if metric == "nominal" else float((a - b) ** 2)

    expected = sum(differ(a, b) for a, b in itertools.permutations(values, 2))
    if not values or not expected:
        assert alpha(rows, 4, metric) is None
        return
    observed = sum(
        sum(differ(a, b) for a, b in itertools.permutations(row, 2)) / (len(row) - 1) for row in paired
    ) / len(values)
    by_pairs = 1 - observed / (expected / (len(values) * (len(values) - 1)))
    assert alpha(rows, 4, metric) == pytest.approx(by_pairs)


def test_kappa_as_published():
    """Fifty proposals read by two: 20 both yes, 5 and 10 one of them, 15 both no: kappa is 0.40."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.40)
    assert cohen_kappa(["yes"], ["yes"]) is None
    assert cohen_kappa([], []) is None


def test_holm_by_hand():
    """Four p-values: the smallest times four, the next times three, never below one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_helps_and_never_beats_bonferroni(values):
    corrected = holm(values)
    for before, after in zip(values, corrected, strict=True):
        assert before <= after <= min(1.0, before * len(values)) + 1e-12
    assert sorted(values) == [v for _, v in sorted(zip(corrected, values, strict=True))]


def test_half_a_sitting_at_each_bound_is_jeffreys_interval():
    """Twelve of twelve, and three of ten: the quantiles of Beta(12.5, 0.5) and Beta(3.5, 7.5), from tables."""
    for count, size, low, high in ((12, 12, 0.8148, 0.99996), (3, 10, 0.0927, 0.6058)):
        scores = np.array([1.0] * count + [0.0] * (size - count))
        drawn = mean_draws(generator(1, "test"), scores, 0.0, 1.0, 200_000)
        assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([low, high], abs=0.003)


def test_tails_of_guessing():
    """Eight heads of ten, by Pascal's triangle."""
    assert binomial_tail(8, 10, 0.5) == pytest.approx((45 + 10 + 1) / 1024)
    assert binomial_tail(0, 10, 0.3) == pytest.approx(1)


def test_a_small_design_sees_little():
    """Cohen's table 6.4.1: h = 0.50 needs 63 a group for two-sided 5 % and a power of 80 %."""
    found = detectable(63, 1)
    assert found.difference == pytest.approx(np.sin(0.5 / 2), abs=0.002)
    assert detectable(2, 70).difference is None

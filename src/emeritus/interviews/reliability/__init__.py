"""Reliability without a judge: how far answers to closed questions stay the same when they are asked otherwise.

Numbers only (numpy), own code, each formula with its source. A `Table` of answers goes in, an `Analysis` comes
out. Consistency is not truth: an answer that is stable is a stable answer, and no more than that.
"""

from emeritus.interviews.reliability.agreement import Agreement, across, cohen_kappa, test_retest
from emeritus.interviews.reliability.alpha import alpha, alpha_estimate
from emeritus.interviews.reliability.analysis import SEED, Alpha, Analysis, ItemAnalysis, analyse
from emeritus.interviews.reliability.answers import Answer, Arms, Item, Table
from emeritus.interviews.reliability.bias import acquiescence, position_bias
from emeritus.interviews.reliability.framing import Effect, Shown, effects
from emeritus.interviews.reliability.grades import Grade, Graded, grades
from emeritus.interviews.reliability.power import Power, detectable
from emeritus.interviews.reliability.resampling import Estimate, holm
from emeritus.interviews.reliability.suggestion import Suggestibility, suggestibility
from emeritus.interviews.reliability.tabulated import arms_of, tabulate
from emeritus.interviews.reliability.tradeoff import Tradeoff, tradeoffs

__all__ = [
    "SEED",
    "Agreement",
    "Alpha",
    "Analysis",
    "Answer",
    "Arms",
    "Effect",
    "Estimate",
    "Grade",
    "Graded",
    "Item",
    "ItemAnalysis",
    "Power",
    "Shown",
    "Suggestibility",
    "Table",
    "Tradeoff",
    "acquiescence",
    "across",
    "alpha",
    "alpha_estimate",
    "analyse",
    "arms_of",
    "cohen_kappa",
    "detectable",
    "effects",
    "grades",
    "holm",
    "position_bias",
    "suggestibility",
    "tabulate",
    "test_retest",
    "tradeoffs",
]

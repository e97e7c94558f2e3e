"""What a design of this size could have seen: without it, "no effect was found" says nothing.

Source: J. Cohen, *Statistical Power Analysis for the Behavioral Sciences* (1988), chapter 6: with
``h = 2 asin(sqrt(p)) - 2 asin(sqrt(q))`` the needed size is ``n = 2 ((z_(1 - a/2) + z_power) / h)^2`` a group.
"""

import math
from typing import Final

from attrs import frozen

from emeritus.interviews.reliability.resampling import normal

POWER: Final = 0.8
SIGNIFICANT: Final = 0.05


@frozen
class Power:
    """What could be detected with the chance `POWER`, at `SIGNIFICANT` after correction for *comparisons*.

    *difference* is the smallest detectable difference between two groups of *size* sittings, as a share of
    the whole scale; None where not even a change from never to always would be.
    """

    size: int
    comparisons: int
    difference: float | None


def detectable(size: int, comparisons: int) -> Power:
    """Return what two groups of *size* sittings could show, when *comparisons* are made."""
    if size < 1:
        return Power(size, comparisons, None)
    level = SIGNIFICANT / max(1, comparisons)
    h = (normal(1 - level / 2) + normal(POWER)) * math.sqrt(2 / size)
    # Shares that lie evenly about a half, (1 - d) / 2 and (1 + d) / 2, are 2 asin(d) apart.
    return Power(size, comparisons, math.sin(h / 2) if h < math.pi else None)

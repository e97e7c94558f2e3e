"""Costs: an amount in a unit, once or again and again; so that what was decided can be added up."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

from attrs import frozen

from emeritus.core.errors import InvalidInput

DAYS: Mapping[str, float] = {
    "day": 1.0,
    "week": 7.0,
    "month": 365.25 / 12,
    "quarter": 365.25 / 4,
    "year": 365.25,
}
_UNIT = re.compile(r"(?P<base>\S(?:.*?\S)?)\s+(?:a|an|per)\s+(?P<per>day|week|month|quarter|year)")


@frozen
class Cost:
    """What acting costs: *amount* in *unit*.

    The unit is a currency, ``hours``, or whatever can be counted; with ``a day``, ``week``, ``month``,
    ``quarter`` or ``year`` behind it the cost comes again: ``2 hours a week``.
    """

    amount: float
    unit: str

    @property
    def base(self) -> str:
        """The unit without its rhythm: ``hours`` of ``hours a week``."""
        found = _UNIT.fullmatch(self.unit.strip())
        return _plain(found["base"] if found else self.unit)

    @property
    def every_days(self) -> float | None:
        """How many days lie between two payments; None for a cost that comes once."""
        found = _UNIT.fullmatch(self.unit.strip())
        return DAYS[found["per"]] if found else None

    def within(self, span: timedelta) -> float:
        """Return what comes together in *span*: the amount itself when it comes once."""
        every = self.every_days
        return (
            self.amount if every is None else round(self.amount * max(span / timedelta(days=every), 0.0), 6)
        )

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"


def _plain(unit: str) -> str:
    """Write units that mean the same in one way: ``hour`` and ``h`` are ``hours``, ``eur`` is ``EUR``."""
    text = " ".join(unit.split())
    if text.casefold() in ("h", "hr", "hrs", "hour", "hours"):
        return "hours"
    return text.upper() if len(text) == 3 and text.isalpha() else text


def checked(cost: Cost) -> Cost:
    """Return *cost* when it is one. Raises InvalidInput."""
    if not math.isfinite(cost.amount) or not 0 <= cost.amount < 1e12 or not 1 <= len(cost.unit.strip()) <= 20:
        raise InvalidInput("The cost is not an amount with a unit.", next_step="Write it as '40 EUR'.")
    return cost


def parse_cost(text: str) -> Cost:
    """Read ``40 EUR`` or ``2 hours a week``. Raises InvalidInput."""
    amount, _, unit = text.strip().partition(" ")
    try:
        return checked(Cost(float(amount), unit.strip()))
    except (ValueError, InvalidInput):
        raise InvalidInput(
            f"{text[:40]!r} is not an amount with a unit.", next_step="Write it as '40 EUR'."
        ) from None


def summed(costs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Add up ``(unit, amount)`` pairs by unit."""
    found: dict[str, float] = {}
    for unit, value in costs:
        found[unit] = round(found.get(unit, 0.0) + value, 6)
    return found

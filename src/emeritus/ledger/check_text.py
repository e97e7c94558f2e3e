"""Checks as they are written: by people in a line, on the record as JSON."""

from collections.abc import Mapping
from typing import Any, Final

from emeritus.core.clock import parse_date
from emeritus.core.errors import InvalidInput
from emeritus.ledger.checks import (
    PUBLISHING,
    AccessKept,
    ByHand,
    Check,
    ColumnWeekly,
    Published,
    WeightsKept,
)

LONGEST_DAYS: Final = 3653
CHECKS: Final[tuple[type[Check], ...]] = (ColumnWeekly, AccessKept, WeightsKept, Published, ByHand)
NAMES: Final = tuple(check.name for check in CHECKS)
KINDS_READ: Final = frozenset(kind for check in CHECKS for kind in check.kinds)
HOW: Final = (
    "Write 'column-weekly editions=13', 'access-kept every_days=7', 'weights-kept every_days=90', "
    "'published transcript=SITTING' (or essay=, report=), or any sentence, for what a steward will show."
)


def parse_check(text: str) -> Check:
    """Read how one will know: a check with its settings, or a sentence, which is shown by hand.

    Raises:
        InvalidInput: a check with a setting that is missing, unknown or out of bounds.
    """
    name, *rest = text.split() or [""]
    if name not in NAMES:
        return ByHand()
    given: dict[str, str] = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if not equals or not value or key in given:
            raise InvalidInput(f"{part[:60]!r} is no setting of {name}.", next_step=HOW)
        given[key] = value
    if name == "published":
        if len(given) != 1:
            raise InvalidInput("It is not said what is to be public.", next_step=HOW)
        given = {"what": next(iter(given)), "of": next(iter(given.values()))}
    if "passes" in given:
        return read_check(
            {"is": name, **given, "passes": [one for one in given["passes"].split(",") if one != "none"]}
        )
    return read_check({"is": name, **given})


def read_check(raw: Mapping[str, Any] | None) -> Check:
    """Read a check as it stands on the record; None, on older entries, is by hand. Raises InvalidInput."""
    given = dict(raw or {"is": "by-hand"})
    match given.pop("is", None):
        case "by-hand" if not given:
            return ByHand()
        case "column-weekly":
            editions = _whole(given, "editions", 1, 520)
            begins = given.pop("begins", None)
            passes = tuple(given.pop("passes", ("vetoed", "silent")))
            if not given and set(passes) <= {"vetoed", "silent"}:
                return ColumnWeekly(editions, None if begins is None else parse_date(begins), passes)
        case "access-kept":
            every = _whole(given, "every_days", 1, LONGEST_DAYS)
            if not given:
                return AccessKept(every)
        case "weights-kept":
            every = _whole(given, "every_days", 1, LONGEST_DAYS)
            if not given:
                return WeightsKept(every)
        case "published":
            what, of = given.pop("what", ""), str(given.pop("of", ""))
            if not given and what in PUBLISHING and 1 <= len(of) <= 200 and of.isprintable():
                return Published(what, of)
    raise InvalidInput(f"{str(raw)[:100]} is no way to know whether a promise is kept.", next_step=HOW)


def _whole(given: dict[str, Any], name: str, least: int, most: int) -> int:
    value = str(given.pop(name, ""))
    if not value.isascii() or not value.isdigit() or len(value) > 6 or not least <= int(value) <= most:
        raise InvalidInput(
            f"{name} is {value[:20]!r}; a whole number from {least} to {most} belongs there.", next_step=HOW
        )
    return int(value)

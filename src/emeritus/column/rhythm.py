"""The weeks of a column: for which day an essay is planned, from when it is drafted, by when it is due.

Days are those of the organisation. Without a rhythm of its own a column has a week for each essay, counted
from the retirement: drafted when the week begins, due at its end. A steward may name a weekday instead, how
many days ahead the draft is made, and whose public holidays are kept.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal

from attrs import asdict, frozen

from emeritus.column.essay import states
from emeritus.core.clock import instant, parse_date, parse_instant
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.core.zones import begin_of, day_in, end_of, zone
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting

WEEK = timedelta(days=7)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONGEST_LEAD = 6
_SHORTEST_STEP = timedelta(days=4)
_MOST_MOVES = 14
OnHoliday = Literal["move", "skip"]


@frozen
class Rhythm:
    """The day of the week on which essays are due, and how many days ahead they are drafted.

    *holidays* names a country (``DE``, or ``DE-BE`` with its part) whose public holidays are kept: an essay
    due on one is moved to the next day that is none, or its week is skipped. Empty: none are kept.
    """

    weekday: str
    lead_days: int = 2
    holidays: str = ""
    on_holiday: OnHoliday = "move"


@frozen
class Skipped:
    """A week without an essay, because its day is a holiday."""

    day: date
    holiday: str


@frozen
class Week:
    """The week of one essay: drafted from *opens*, to be published before *deadline*, the end of *day*.

    *base* is the day before holidays were looked at; *holiday* is why it was moved.
    """

    number: int
    base: date
    day: date
    opens: datetime
    deadline: datetime
    holiday: str = ""
    skipped: tuple[Skipped, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in the entry of the first draft."""
        return {
            "base": self.base.isoformat(),
            "day": self.day.isoformat(),
            "opens": instant(self.opens),
            "deadline": instant(self.deadline),
            "holiday": self.holiday,
            "skipped": [{"day": each.day.isoformat(), "holiday": each.holiday} for each in self.skipped],
        }

    @classmethod
    def from_json(cls, number: int, raw: Mapping[str, Any]) -> "Week":
        """Read it from an entry."""
        skipped = tuple(Skipped(parse_date(each["day"]), each["holiday"]) for each in raw["skipped"])
        return cls(
            number,
            parse_date(raw["base"]),
            parse_date(raw["day"]),
            parse_instant(raw["opens"]),
            parse_instant(raw["deadline"]),
            raw["holiday"],
            skipped,
        )


def set_rhythm(log: Log, model: str, rhythm: Rhythm, *, reason: str, by: Actor) -> Entry:
    """Set the rhythm of a column, for the essays that are not drafted yet.

    Raises:
        InvalidInput: no such weekday, lead, country or reason.
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "set a rhythm"), "steward", "set a rhythm")
    if rhythm.weekday not in WEEKDAYS:
        raise InvalidInput(
            f"{rhythm.weekday[:40]!r} is no day of the week.",
            next_step=f"Choose from: {', '.join(WEEKDAYS)}.",
        )
    if not 0 <= rhythm.lead_days <= LONGEST_LEAD:
        raise InvalidInput(
            f"A draft cannot be made {rhythm.lead_days} days ahead.",
            next_step=f"Choose from 0 to {LONGEST_LEAD} days.",
        )
    if rhythm.on_holiday not in ("move", "skip"):
        raise InvalidInput(f"{rhythm.on_holiday[:40]!r} is not possible.", next_step="Choose move or skip.")
    if rhythm.holidays:
        _calendar(rhythm.holidays, 2026)
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    before = log.entries(model=model, kinds={"column.rhythm_set"})
    body = {**asdict(rhythm), "reason": reason.strip()}
    if before and dict(before[-1].body) == body:
        return before[-1]
    key = f"column.rhythm_set:{model}:{len(before)}"
    return log.append(Act("column.rhythm_set", body, by, model, model, key))


def rhythm(log: Log, model: str) -> Rhythm | None:
    """Return the rhythm that was set last, or None."""
    found = log.entries(model=model, kinds={"column.rhythm_set"}, newest_first=True, limit=1)
    if not found:
        return None
    body = found[0].body
    return Rhythm(body["weekday"], body["lead_days"], body["holidays"], body["on_holiday"])


def week(log: Log, model: str, number: int, begin: datetime, zone_name: str) -> Week:
    """Return the week of essay *number* (from 1) of a column that begins at *begin*.

    What was planned for an essay that is drafted already stays as its entry tells it.
    """
    planned = {
        each.number: Week.from_json(each.number, each.attempts[0].planned)
        for each in states(log, model)
        if each.attempts[0].planned is not None
    }
    if number in planned:
        return planned[number]
    before = planned[number - 1].base if number - 1 in planned else None
    return next_week(rhythm(log, model), number, begin, zone_name, before)


def rhythm_weeks(
    log: Log, model: str, number: int, begin: datetime, zone_name: str, count: int
) -> list[Week]:
    """Return *count* weeks to come, from essay *number* on, as they are planned now."""
    found = [week(log, model, number, begin, zone_name)]
    standing = rhythm(log, model)
    while len(found) < count:
        found.append(next_week(standing, found[-1].number + 1, begin, zone_name, found[-1].base))
    return found[:count]


def next_week(
    rhythm: Rhythm | None, number: int, begin: datetime, zone_name: str, before: date | None
) -> Week:
    """Return the week of essay *number*, when the one before it was planned for the day *before*."""
    first = day_in(begin, zone_name)
    if rhythm is None:
        return _plain(number, begin, first, zone_name, before)
    if before is None and number > 1:  # what was drafted before weeks stood on the record
        before = first + WEEK * (number - 1) - timedelta(days=1)
    base = _next_day(WEEKDAYS.index(rhythm.weekday), first if before is None else before + _SHORTEST_STEP)
    skipped: list[Skipped] = []
    day, holiday = base, _holiday(rhythm.holidays, base)
    while holiday and rhythm.on_holiday == "skip" and len(skipped) < _MOST_MOVES:
        skipped.append(Skipped(base, holiday))
        base += WEEK
        day, holiday = base, _holiday(rhythm.holidays, base)
    while rhythm.on_holiday == "move" and _holiday(rhythm.holidays, day) and (day - base).days < _MOST_MOVES:
        day += timedelta(days=1)
    opens = max(begin, begin_of(base - timedelta(days=rhythm.lead_days), zone_name))
    return Week(number, base, day, opens, end_of(day, zone_name), holiday, tuple(skipped))


def _plain(number: int, begin: datetime, first: date, zone_name: str, before: date | None) -> Week:
    """Return a week counted from the retirement, at the same time of the day by the clocks of the place."""
    last = first + WEEK * number - timedelta(days=1)
    base = last if before is None else max(last, before + _SHORTEST_STEP)
    at: time = begin.astimezone(zone(zone_name)).time()
    opens = datetime.combine(base - timedelta(days=6), at, zone(zone_name)).astimezone(begin.tzinfo)
    return Week(number, base, base, max(begin, opens), end_of(base, zone_name))


def _next_day(weekday: int, earliest: date) -> date:
    return earliest + timedelta(days=(weekday - earliest.weekday()) % 7)


def _holiday(place: str, day: date) -> str:
    """Return the name of the public holiday that *day* is in *place*; empty when it is none."""
    return _calendar(place, day.year).get(day, "") if place else ""


@lru_cache(maxsize=64)
def _calendar(place: str, year: int) -> Mapping[date, str]:
    """Return the public holidays of a country, or of a part of one, in *year*. Raises InvalidInput."""
    import holidays  # noqa: PLC0415  (a large package, and most columns keep no holidays)

    country, _, part = place.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=part or None, years=year)
    except (NotImplementedError, AttributeError, KeyError, TypeError):
        raise InvalidInput(
            f"The public holidays of {place[:40]!r} are not known here.",
            next_step="Name a country by its two letters, such as DE, or a part of it, such as DE-BE.",
        ) from None
    return dict(found)

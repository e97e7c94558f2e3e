"""UTC time. Nothing else in the house asks the machine what time it is."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from emeritus.core.errors import InvalidInput


class Clock(Protocol):
    """Tells the time, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is moved: for tests and for the demo."""

    def __init__(self, at: datetime) -> None:
        self._at = require_utc(at)

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        self._at += by

    def set(self, at: datetime) -> None:
        self._at = require_utc(at)


class OffsetClock:
    """The machine's clock, moved by a fixed difference; time passes as usual."""

    def __init__(self, offset: timedelta) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


def require_utc(at: datetime) -> datetime:
    """Return *at* in UTC; a time without a zone is a defect of the caller (ValueError)."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC)


def instant(at: datetime) -> str:
    """Write a time as RFC 3339 in UTC with microseconds, e.g. ``2026-01-05T00:00:00.000000Z``."""
    return require_utc(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 time. Raises InvalidInput when there is no zone or it is no time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidInput(
            f"{text[:60]!r} is not a time with a zone.",
            next_step="Write it as in RFC 3339: 2026-01-05T00:00:00Z.",
        )
    return at.astimezone(UTC)


def parse_date(text: str) -> date:
    """Read a calendar date ``YYYY-MM-DD``. Raises InvalidInput."""
    try:
        if len(text) != 10:
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{text[:60]!r} is not a date.", next_step="Write it as year-month-day: 2026-01-05."
        ) from None


def start_of(day: date) -> datetime:
    """Return midnight UTC at which *day* begins."""
    return datetime.combine(day, time.min, UTC)

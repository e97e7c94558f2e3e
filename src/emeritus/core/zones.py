"""Calendar days in a place: when a day begins there, and in which day a moment falls.

The rules of time zones are the IANA database's, of the machine or of the package tzdata.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from emeritus.core.clock import require_utc
from emeritus.core.errors import InvalidInput

_NAME = re.compile(r"UTC|[A-Za-z_]+(?:/[A-Za-z0-9_+-]+){1,2}")
LAST_DAY = date(2500, 12, 31)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database, such as ``Europe/Berlin`` or ``UTC``. Raises InvalidInput."""
    try:
        if not _NAME.fullmatch(name):
            raise ValueError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"{name[:60]!r} is no time zone.", next_step="Name one as in the IANA database: Europe/Berlin."
        ) from None


def day_in(at: datetime, name: str) -> date:
    """Return the day in which the moment *at* falls, in the zone called *name*."""
    return require_utc(at).astimezone(zone(name)).date()


def begin_of(day: date, name: str) -> datetime:
    """Return the first moment (UTC) of *day* in the zone called *name*.

    Where clocks skip midnight, the day begins with the first moment after the gap; where they show it
    twice, with the first of the two.
    """
    return datetime.combine(day, time.min, zone(name)).astimezone(UTC)


def end_of(day: date, name: str) -> datetime:
    """Return the first moment (UTC) after *day*: what is due by *day* is late from then on."""
    return begin_of(min(day, LAST_DAY) + timedelta(days=1), name)

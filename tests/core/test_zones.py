"""Days in a place: no moment falls between two of them, whatever clocks do there."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.errors import InvalidInput
from emeritus.core.zones import begin_of, day_in, end_of, zone

# Zones whose clocks skip or repeat midnight, or skipped a day.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "Pacific/Apia",
    "Asia/Kathmandu",
]
DAYS = st.dates(date(1990, 1, 1), date(2090, 1, 1))


@given(DAYS, st.sampled_from(ZONES))
def test_days_follow_each_other_without_a_gap(day, name):
    """A day ends in the moment in which the next begins, and no day begins before the one before it."""
    assert end_of(day, name) == begin_of(day + timedelta(days=1), name)
    assert begin_of(day, name) <= end_of(day, name)
    assert end_of(day, name) - begin_of(day, name) <= timedelta(hours=25)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_every_moment_is_in_the_day_that_it_falls_in(at, name):
    """From its beginning until its end a day has its moments, the last microsecond too."""
    day = day_in(at, name)
    assert begin_of(day, name) <= at < end_of(day, name)


@pytest.mark.parametrize(
    ("day", "name", "begins"),
    [
        (
            date(2026, 3, 29),
            "Asia/Beirut",
            "2026-03-28T22:00:00+00:00",
        ),  # 00:00 is skipped: it begins at 01:00
        (
            date(2026, 11, 1),
            "America/Havana",
            "2026-11-01T04:00:00+00:00",
        ),  # 00:30 comes twice: the first counts
        (date(2024, 2, 29), "Europe/Berlin", "2024-02-28T23:00:00+00:00"),
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00:00+00:00"),  # a day that never was
    ],
)
def test_days_that_begin_strangely(day, name, begins):
    """Skipped and repeated midnights, a leap day, a day that a country left out."""
    assert begin_of(day, name).isoformat() == begins


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "../etc/passwd",
        "/etc/localtime",
        "posixrules",
        "Europe",
        "UTC\n",
        "Europe/Berlin ",
    ],
)
def test_what_is_no_zone_is_refused(name):
    """Only names of the IANA database, and no paths."""
    with pytest.raises(InvalidInput, match="no time zone"):
        zone(name)

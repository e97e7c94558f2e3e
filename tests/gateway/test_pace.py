"""The bound on what is open to everybody holds for each network and for all together, and keeps no address."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.clock import SettableClock
from emeritus.web.gateway import pace
from emeritus.web.gateway.pace import Pace, TooOften, network


def test_all_addresses_together(monkeypatch):
    """Many addresses cannot do together what one may not; memory for them is bounded."""
    monkeypatch.setattr(pace, "NETWORKS", 50)
    clock = SettableClock(datetime(2026, 1, 1, tzinfo=UTC))
    bound = Pace(clock, 2)
    for number in range(200):
        bound.step(str(number))
    with pytest.raises(TooOften):
        bound.step("another")
    assert len(bound._seen) <= 51
    clock.advance(timedelta(hours=1))
    bound.step("another")


START = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.lists(st.integers(0, 1500), max_size=12), st.integers(1, 5))
def test_never_more_than_the_limit_within_any_hour(gaps, limit):
    """Whoever is refused may come again after exactly so long as was said, and not a second before."""
    clock = SettableClock(START)
    bound, taken = Pace(clock, limit, together=None), []
    for gap in gaps:
        clock.advance(timedelta(seconds=gap))
        try:
            bound.step("192.0.2.7")
        except TooOften as why:
            clock.advance(timedelta(seconds=why.retry_after - 1))
            with pytest.raises(TooOften):
                bound.look("192.0.2.7")
            clock.advance(timedelta(seconds=1))
            bound.step("192.0.2.7")
        taken.append(clock.now())
    for first, beyond in zip(taken, taken[limit:], strict=False):
        assert beyond - first >= timedelta(hours=1)


def test_a_network_is_an_address_or_half_of_one():
    assert network("2001:db8:1:2::5") == network("2001:db8:1:2:ffff::1%eth0") != network("2001:db8:1:3::5")
    assert network("::ffff:192.0.2.7") == network("192.0.2.7") != network("192.0.2.8")
    assert network("testclient") == "testclient"


def test_no_address_is_kept():
    """Not even a hash that somebody else could make: its key is random, and gone after a day."""
    clock = SettableClock(START)
    one, other = Pace(clock, 2), Pace(clock, 2)
    for bound in (one, other):
        bound.step("192.0.2.7")
    assert set(one._seen).isdisjoint(other._seen)
    before = set(one._seen)
    clock.advance(pace.SALT_LASTS)
    one.step("192.0.2.7")
    assert before.isdisjoint(one._seen)
    assert "192.0.2.7" not in repr(vars(one))

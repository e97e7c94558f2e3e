"""The bound on applying holds for each address and for all together."""

from datetime import UTC, datetime, timedelta

import pytest

from emeritus.core.clock import SettableClock
from emeritus.web.gateway import pace
from emeritus.web.gateway.pace import Pace, TooOften


def test_all_addresses_together(monkeypatch):
    """Many addresses cannot do together what one may not; memory for them is bounded."""
    monkeypatch.setattr(pace, "ADDRESSES", 50)
    clock = SettableClock(datetime(2026, 1, 1, tzinfo=UTC))
    bound = Pace(clock, 2)
    for number in range(200):
        bound.step(str(number))
    with pytest.raises(TooOften):
        bound.step("another")
    assert len(bound._seen) <= 51
    clock.advance(timedelta(hours=1))
    bound.step("another")

"""Messages to addresses outside keep the contract of their port, and are sealed while they wait."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from emeritus.core.clock import SettableClock
from emeritus.process.fake_deliveries import MemoryDeliveries
from emeritus.store.database import open_database
from emeritus.store.deliveries import SqlDeliveries
from emeritus.store.schema import migrate
from emeritus.store.sealing import Sealer

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
URL = "https://hooks.example/in?who=grete"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def deliveries(request, tmp_path):
    clock = SettableClock(NOON)
    if request.param == "memory":
        yield MemoryDeliveries(clock)
        return
    url = f"sqlite:///{tmp_path / 'house.db'}"
    database = open_database(
        url if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    )
    migrate(database)
    with database.connect() as connection:
        yield SqlDeliveries(connection, Sealer.fresh(), clock)
    database.dispose()


def test_comes_back_as_it_was(deliveries):
    """A message is taken whole, as often as it is asked for, with an id that stays."""
    deliveries.put("one", URL, b'{"a": 1}')
    [taken] = deliveries.take(NOON, 10)
    assert (taken.url, taken.body, taken.attempts) == (URL, b'{"a": 1}', 0)
    assert deliveries.take(NOON, 10) == [taken]
    assert deliveries.take(NOON - timedelta(seconds=1), 10) == []


def test_a_key_is_one_message(deliveries):
    """The same key twice is one message, also after it was taken."""
    deliveries.put("one", URL, b"1")
    deliveries.put("one", URL, b"2")
    [taken] = deliveries.take(NOON, 10)
    assert taken.body == b"1"
    deliveries.sent(taken.id, NOON)
    deliveries.put("one", URL, b"3")
    assert deliveries.take(NOON + timedelta(days=9), 10) == []
    assert deliveries.tally() == {"waiting": 0, "sent": 1, "failed": 0}


def test_put_off_and_given_up(deliveries):
    """One that was put off comes back at its time, behind those that waited longer; one given up never does."""
    for key in ("one", "two"):
        deliveries.put(key, URL, key.encode())
    first, second = sorted(deliveries.take(NOON, 10), key=lambda each: each.body)
    deliveries.later(first.id, "It answered 500.", NOON + timedelta(minutes=1))
    assert [each.id for each in deliveries.take(NOON, 10)] == [second.id]
    later = deliveries.take(NOON + timedelta(minutes=1), 10)
    assert [(each.id, each.attempts) for each in later] == [(second.id, 0), (first.id, 1)]
    deliveries.failed(first.id, "It answered 500.", NOON)
    deliveries.later(first.id, "again", NOON)
    deliveries.sent(first.id, NOON)
    assert deliveries.tally() == {"waiting": 1, "sent": 0, "failed": 1}


def test_nothing_can_be_read_at_rest(tmp_path):
    """Neither where a message goes nor what it says stands in the file, and once it was taken not at all."""
    database = open_database(f"sqlite:///{tmp_path / 'house.db'}")
    migrate(database)
    with database.begin() as connection:
        deliveries = SqlDeliveries(connection, Sealer.fresh(), SettableClock(NOON))
        deliveries.put("one", URL, b"for Grete")
        [row] = connection.execute(sa.text("SELECT * FROM delivery")).all()
        assert not any(word in str(row) for word in ("hooks.example", "grete", "Grete"))
        deliveries.sent(row.id, NOON)
        [row] = connection.execute(sa.text("SELECT sealed FROM delivery")).all()
        assert row.sealed is None
    database.dispose()

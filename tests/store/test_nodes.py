"""Nodes and pins in SQL, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from emeritus.store.database import open_database
from emeritus.store.nodes import SqlNodes
from emeritus.store.schema import migrate
from emeritus.voices.nodes import Node

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def book(request: pytest.FixtureRequest, tmp_path):
    url = f"sqlite:///{tmp_path / 'house.db'}"
    database = open_database(
        url if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    )
    migrate(database)
    yield SqlNodes(database)
    database.dispose()


def test_nodes_sign_in_and_out(book):
    """The newest word of each node stands; who was not seen since is not told; who leaves is gone."""
    first = Node("a", "http://a", NOW, 1, False, {"m": "loading"})
    second = Node("a", "http://a", NOW + timedelta(seconds=2), 3, True, {"m": "warm"})
    book.beat(first)
    book.beat(second)
    book.beat(Node("b", "", NOW))
    assert book.seen_since(NOW) == [second, Node("b", "", NOW)]
    assert book.seen_since(NOW + timedelta(seconds=1)) == [second]
    book.forget_before(NOW + timedelta(seconds=1))
    assert book.seen_since(NOW) == [second]
    book.leave("a")
    book.leave("a")
    assert book.seen_since(NOW) == []


def test_pins_are_kept_until_they_are_taken_out(book):
    """Pinning twice is pinning; taking out tells whether there was one."""
    for model in ("b", "a", "b"):
        book.pin(model, NOW)
    assert book.pins() == ["a", "b"]
    assert book.unpin("a")
    assert not book.unpin("a")
    assert book.pins() == ["b"]

"""What every `Subscribers` has to do, whatever it is kept in. A subclass gives the fixture ``subscribers``."""

from datetime import UTC, datetime, timedelta

from attrs import evolve

from emeritus.column.subscribers import EVERY, Subscriber, Subscribers

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def reader(number: int = 1, column: str = "small-one", **more) -> Subscriber:
    made = Subscriber(
        f"reader-{number:03}", f"reader{number}@example.org", column, "active", NOON, NOON, NOON, 1
    )
    return evolve(made, **more)


class SubscribersContract:
    def test_comes_back_as_it_was(self, subscribers: Subscribers):
        """By id, by address in any case, and by everything about an address."""
        first, second = reader(), reader(2, EVERY, address="Reader1@example.org")
        subscribers.put(first)
        subscribers.put(second)
        assert subscribers.get(first.id) == first
        assert subscribers.find("READER1@example.org", "small-one") == first
        assert subscribers.of("reader1@example.org") == [first, second]
        assert subscribers.get("reader-999") is None
        assert subscribers.count() == {"active": 2}

    def test_readers_of_a_column(self, subscribers: Subscribers):
        """Those of it and those of every column, each address once, who confirmed in time, page by page."""
        kept = [
            reader(1),
            reader(2, EVERY),
            reader(3, "other"),
            reader(4, state="asked", confirmed_at=None),
            reader(5, confirmed_at=NOON + timedelta(seconds=1)),
            reader(6, EVERY, address="reader1@EXAMPLE.org"),
            reader(7, state="suspended"),
        ]
        for each in kept:
            subscribers.put(each)
        found = subscribers.readers("small-one", NOON, "", 10)
        assert [each.id for each in found] == ["reader-002", "reader-006"]
        assert [e.id for e in subscribers.readers("small-one", NOON, "reader-002", 10)] == ["reader-006"]
        assert len(subscribers.readers("small-one", NOON, "", 1)) == 1

    def test_what_is_forgotten_is_gone(self, subscribers: Subscribers):
        """So is it after a change."""
        subscribers.put(reader())
        subscribers.put(reader(soft=3))
        assert subscribers.get("reader-001").soft == 3
        assert subscribers.forget("reader-001")
        assert not subscribers.forget("reader-001")
        assert subscribers.of("reader1@example.org") == []

    def test_those_who_did_not_confirm(self, subscribers: Subscribers):
        """They are found by how long ago they were asked."""
        subscribers.put(reader(state="asked", confirmed_at=None))
        subscribers.put(reader(2))
        assert subscribers.stale(NOON) == []
        assert subscribers.stale(NOON + timedelta(seconds=1)) == ["reader-001"]
        assert subscribers.asked_since(NOON) == 2

    def test_tokens(self, subscribers: Subscribers):
        """One for each reader and use, the same whenever it is asked for."""
        made = {subscribers.token(name, use) for name in ("a", "b") for use in ("leave", "confirm")}
        assert len(made) == 4
        assert subscribers.token("a", "leave") in made

    def test_how_far_an_edition_went(self, subscribers: Subscribers):
        """It is noted, and replaced."""
        assert subscribers.spread_to() == (-1, "")
        subscribers.spread(7, "reader-001")
        subscribers.spread(9, "")
        assert subscribers.spread_to() == (9, "")

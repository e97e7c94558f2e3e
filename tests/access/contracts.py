"""What every `Keys` and every `Usage` has to do, whatever it is kept in.

A subclass gives the fixture ``keys`` or ``usage``: an empty one.
"""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from emeritus.access.ports import Began, Ended, KeyRecord, Keys, Totals, Usage, Used
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict, NotFound

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def record(number: int = 1, **more) -> KeyRecord:
    made = KeyRecord(
        id=f"key-{number}",
        hash=sha256(str(number).encode()),
        holder="member-1",
        kind="member",
        label="laptop",
        made_at=NOON + timedelta(seconds=number),
    )
    return evolve(made, **more)


class KeysContract:
    def test_comes_back_as_it_was(self, keys: Keys):
        """A key comes back whole, by id and by hash, with times in UTC and its models in order."""
        full = record(
            models=("b", "a"), expires_at=NOON + timedelta(days=1, microseconds=1), kind="grant", label=""
        )
        keys.add(full)
        assert keys.get("key-1") == full
        assert keys.by_hash(full.hash) == full

    def test_many_at_once(self, keys: Keys):
        """Of many hashes those that are known come back, by hash, and the others are left out."""
        keys.add(record(1))
        keys.add(record(2))
        keys.revoke("key-2", NOON)
        asked = {record(1).hash, record(2).hash, sha256(b"nobody's")}
        found = keys.by_hashes(asked)
        assert {key.id for key in found.values()} == {"key-1", "key-2"}
        assert found[record(2).hash].revoked_at == NOON
        assert keys.by_hashes(()) == {}

    def test_nothing_there(self, keys: Keys):
        """An unknown hash is None, an unknown id NotFound, for every way to touch a key."""
        assert keys.by_hash(sha256(b"nobody's")) is None
        assert list(keys.all()) == []
        for ask in (
            lambda: keys.get("key-9"),
            lambda: keys.revoke("key-9", NOON),
            lambda: keys.touch("x", NOON),
        ):
            with pytest.raises(NotFound):
                ask()

    def test_neither_id_nor_hash_twice(self, keys: Keys):
        """A second key under the same id or the same hash is a Conflict, and changes nothing."""
        keys.add(record(1))
        for second in (record(2, id="key-1"), record(2, hash=record(1).hash)):
            with pytest.raises(Conflict):
                keys.add(second)
        assert list(keys.all()) == [record(1)]

    def test_all_in_order(self, keys: Keys):
        """All keys come oldest first, and by id where they are as old."""
        same = record(2, id="key-a", hash=sha256(b"a"))
        for each in (record(3), same, record(2), record(1)):
            keys.add(each)
        assert [key.id for key in keys.all()] == ["key-1", "key-2", "key-a", "key-3"]

    def test_revoked_once(self, keys: Keys):
        """A key is ended once: the first time stands, and it is still found."""
        keys.add(record())
        keys.revoke("key-1", NOON)
        keys.revoke("key-1", NOON + timedelta(days=1))
        assert keys.get("key-1").revoked_at == NOON
        assert keys.by_hash(record().hash).revoked_at == NOON

    def test_touched_forwards(self, keys: Keys):
        """The time of the last use never goes back."""
        keys.add(record())
        for seconds in (5, 9, 7):
            keys.touch("key-1", NOON + timedelta(seconds=seconds))
        assert keys.get("key-1").last_used_at == NOON + timedelta(seconds=9)

    def test_of_a_holder(self, keys: Keys):
        """The keys of a holder are theirs alone, ended ones too, oldest first."""
        for number, holder in ((2, "member-1"), (1, "member-1"), (3, "grant-1")):
            keys.add(record(number, holder=holder))
        keys.revoke("key-1", NOON)
        assert [key.id for key in keys.of("member-1")] == ["key-1", "key-2"]
        assert list(keys.of("nobody")) == []

    def test_expires_no_later_than_before(self, keys: Keys):
        """An end can be brought forward and never put off."""
        keys.add(record(1))
        for hours in (5, 9, 2):
            keys.expire("key-1", NOON + timedelta(hours=hours))
        assert keys.get("key-1").expires_at == NOON + timedelta(hours=2)
        with pytest.raises(NotFound):
            keys.expire("key-9", NOON)


class UsageContract:
    def test_nothing_used(self, usage: Usage):
        """Before any call, everything is zero."""
        assert usage.totals() == Totals(0, 0, 0, 0.0)

    def test_a_call_that_began_counts(self, usage: Usage):
        """A call counts from its beginning: after a kill -9 it is one request of unknown size."""
        usage.begin("req-1", "key-1", "opus", NOON)
        assert usage.totals() == Totals(1, 0, 0, 0.0)
        usage.finish("req-1", tokens_in=5, tokens_out=7, seconds=0.5, status=200)
        assert usage.totals() == Totals(1, 5, 7, 0.5)

    def test_the_first_end_stands(self, usage: Usage):
        """Ending a call again changes nothing; a call that never began cannot end; none begins twice."""
        usage.begin("req-1", "key-1", "opus", NOON)
        usage.finish("req-1", tokens_in=5, tokens_out=7, seconds=0.5, status=200)
        usage.finish("req-1", tokens_in=50, tokens_out=70, seconds=5, status=499)
        assert usage.totals() == Totals(1, 5, 7, 0.5)
        with pytest.raises(NotFound):
            usage.finish("req-2", tokens_in=0, tokens_out=0, seconds=0, status=200)
        with pytest.raises(Conflict):
            usage.begin("req-1", "key-1", "opus", NOON)

    def test_many_calls_at_once(self, usage: Usage):
        """Many begin and end together, each with its own numbers, some of them ended before."""
        usage.begin_many([Began(f"req-{n}", "key-1", "opus", NOON) for n in range(5)])
        usage.finish("req-3", tokens_in=1000, tokens_out=0, seconds=0, status=200)
        usage.finish_many([Ended(f"req-{n}", 10**n, n, 0.5, 200) for n in range(4)])
        assert usage.totals() == Totals(5, 1111, 3, 1.5)
        usage.begin_many([])
        usage.finish_many([])
        with pytest.raises(NotFound):
            usage.finish_many([Ended("req-4", 1, 1, 1, 200), Ended("req-9", 1, 1, 1, 200)])

    @pytest.mark.parametrize("names", [("req-1", "req-2"), ("req-3", "req-3")])
    def test_none_of_many_begins_twice(self, usage: Usage, names):
        """One that began already, or comes twice, is a Conflict for all that came with it."""
        usage.begin("req-1", "key-1", "opus", NOON)
        with pytest.raises(Conflict):
            usage.begin_many([Began(name, "key-1", "opus", NOON) for name in names])

    def test_bytes_handed_out(self, usage: Usage):
        """A download is counted in bytes, also beyond what 32 bits hold, and takes nothing of a budget."""
        for number in range(2):
            usage.begin(f"get-{number}", "key-1", "opus", NOON)
            usage.finish(
                f"get-{number}", tokens_in=0, tokens_out=0, seconds=1.5, status=200, bytes_out=5 * 2**40
            )
        assert usage.totals() == Totals(2, 0, 0, 3.0, 10 * 2**40)
        assert usage.totals().tokens == 0

    def test_totals_by_model_key_and_time(self, usage: Usage):
        """Sums are by model, by key, since a time (that time included), and by all of these together."""
        for number, (key, model, day) in enumerate(
            [("key-1", "opus", 0), ("key-1", "haiku", 1), ("key-2", "opus", 2), ("key-2", "opus", 3)]
        ):
            usage.begin(f"req-{number}", key, model, NOON + timedelta(days=day))
            usage.finish(f"req-{number}", tokens_in=10**number, tokens_out=1, seconds=1.0, status=200)
        assert usage.totals(model="opus").tokens_in == 1101
        assert usage.totals(key_id="key-1").tokens_in == 11
        assert usage.totals(since=NOON + timedelta(days=2)).tokens_in == 1100
        assert usage.totals(model="opus", key_id="key-2", since=NOON + timedelta(days=3)).tokens == 1001
        assert usage.totals(model="sonnet") == Totals(0, 0, 0, 0.0)

    def test_by_key_and_model(self, usage: Usage):
        """What each key used of each model, with its last call; a call whose end was never told counts."""
        for number, (key, model, tokens) in enumerate(
            [("key-1", "opus", 5), ("key-1", "opus", 7), ("key-1", "haiku", 1), ("key-2", "opus", 90)]
        ):
            usage.begin(f"req-{number}", key, model, NOON + timedelta(minutes=number))
            usage.finish(
                f"req-{number}", tokens_in=tokens, tokens_out=0, seconds=0.5, status=200, bytes_out=2
            )
        usage.begin("req-9", "key-1", "haiku", NOON + timedelta(minutes=9))
        assert list(usage.by_key(model="opus")) == [
            Used("key-2", "opus", Totals(1, 90, 0, 0.5, 2), NOON + timedelta(minutes=3)),
            Used("key-1", "opus", Totals(2, 12, 0, 1.0, 4), NOON + timedelta(minutes=1)),
        ]
        assert [(each.key_id, each.model) for each in usage.by_key(keys={"key-1"})] == [
            ("key-1", "opus"),
            ("key-1", "haiku"),
        ]
        [late] = usage.by_key(since=NOON + timedelta(minutes=4))
        assert (late.model, late.totals, late.last_at) == ("haiku", Totals(1), NOON + timedelta(minutes=9))
        assert list(usage.by_key(keys=())) == []

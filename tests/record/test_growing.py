"""A fold that goes on from where it was comes to what one from the beginning comes to, whoever appends and reads."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.clock import SettableClock
from emeritus.core.people import SOFTWARE
from emeritus.record import Act, Entry, Log, MemoryLog, SigningKey
from emeritus.record.growing import Growing
from emeritus.store.database import open_database, transaction
from emeritus.store.log import SqlLog
from emeritus.store.schema import migrate

START = datetime(2026, 1, 5, tzinfo=UTC)
KEY = SigningKey.from_seed("record.example.org", bytes(32))
Said = tuple[str, ...]


def said(before: Said, entries: Iterable[Entry]) -> Said:
    return (*before, *(entry.body["word"] for entry in entries))


def from_the_beginning(log: Log) -> Said:
    return said((), log.entries(kinds={"test.said"}))


def act(word: str, kind: str = "test.said") -> Act:
    return Act(kind, {"word": word}, SOFTWARE)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("say"), st.integers(0, 1), st.sampled_from("abc")),
            st.tuples(st.just("other"), st.integers(0, 1), st.sampled_from("abc")),
            st.tuples(st.just("take back"), st.integers(0, 1), st.integers(0, 6)),
            st.tuples(st.just("read"), st.integers(0, 1), st.none()),
        ),
        max_size=30,
    )
)
def test_it_comes_to_the_same(steps: list[tuple[str, int, object]]) -> None:
    """With two records in turn, acts that are taken back, and entries of other kinds between."""
    logs = [MemoryLog(SettableClock(START), KEY) for _ in range(2)]
    growing: Growing[Said] = Growing({"test.said"}, (), said)
    for step, which, what in steps:
        log = logs[which]
        if step == "take back":
            log.forget_after(max(0, log.size() - int(str(what))))
        elif step != "read":
            log.append(act(str(what), "test.said" if step == "say" else "test.other"))
        if step == "read":
            assert growing.of(log) == from_the_beginning(log)
    for log in logs:
        assert growing.of(log) == from_the_beginning(log)


def test_what_stands_is_not_read_again() -> None:
    """Only what was appended since is folded, and nothing where nothing was."""
    log, seen = MemoryLog(SettableClock(START), KEY), []

    def count(before: int, entries: Iterable[Entry]) -> int:
        found = list(entries)
        seen.append(len(found))
        return before + len(found)

    growing = Growing({"test.said"}, 0, count)
    log.append_many([act(word) for word in "abc"])
    assert [growing.of(log), growing.of(log)] == [3, 3]
    log.append(act("d"))
    log.append(act("e", "test.other"))
    assert [growing.of(log), growing.of(log)] == [4, 4]
    assert seen == [3, 1]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_each_unit_of_work_sees_its_own_view(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What another process committed is there at once; what is not committed, or taken back, for nobody else."""
    url = (
        f"sqlite:///{tmp_path / 'house.db'}"
        if kind == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    mine, theirs = open_database(url), open_database(url)
    migrate(mine)
    clock = SettableClock(START)
    growing: Growing[Said] = Growing({"test.said"}, (), said)

    def say(word: str) -> None:
        with transaction(theirs) as connection:
            log = SqlLog(connection, clock, KEY)
            log.append(act(word))
            log.seal()

    say("a")
    with transaction(mine, reading=True) as early:
        before = SqlLog(early, clock, KEY)
        assert growing.of(before) == ("a",)
        say("b")
        with transaction(mine, reading=True) as later:
            assert growing.of(SqlLog(later, clock, KEY)) == ("a", "b")
        assert growing.of(before) == ("a",), "a reader keeps the view that it began with"
    with suppress(ZeroDivisionError), transaction(mine) as writing:
        log = SqlLog(writing, clock, KEY)
        log.append(act("never"))
        assert growing.of(log) == ("a", "b", "never")
        raise ZeroDivisionError
    say("c")
    with transaction(mine, reading=True) as connection:
        assert growing.of(SqlLog(connection, clock, KEY)) == ("a", "b", "c")
    mine.dispose()
    theirs.dispose()


def test_a_record_that_grows_while_its_tree_is_read(postgres_database: str) -> None:
    """A unit of work that writes, and has not begun to, sees what others append meanwhile; a node is found all the same."""
    database = open_database(postgres_database)
    migrate(database)
    clock = SettableClock(START)

    class Counted(SqlLog):
        """Has another append an entry between any two looks at its size."""

        def size(self) -> int:
            found = super().size()
            with transaction(database) as other:
                log = SqlLog(other, clock, KEY)
                log.append(act("more"))
                log.seal()
            return found

    with transaction(database) as first:
        log = SqlLog(first, clock, KEY)
        for word in "abc":
            log.append(act(word))
        log.seal()
    with transaction(database) as connection:
        log = Counted(connection, clock, KEY)
        assert len(log.node(0, 2)) == 32
        assert len(log.node(0, 3)) == 32, "one that came after the first look"
    database.dispose()

"""The log's contract, held by the one in memory and by those in SQLite and PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from emeritus.core.clock import SettableClock
from emeritus.core.errors import Conflict, EmeritusError, IntegrityError, InvalidInput, NotFound, Unavailable
from emeritus.core.people import person
from emeritus.core.speech import EngineBuild, Message, Sampling, Utterance
from emeritus.record import Act, Checkpoint, MemoryLog, MemoryUtterances, SigningKey, merkle, verify_log
from emeritus.record.private import MemoryPrivate
from emeritus.record.rotation import WrongKey
from emeritus.store import tables
from emeritus.store.database import open_database, transaction
from emeritus.store.log import SqlLog
from emeritus.store.schema import migrate
from emeritus.store.words import SqlPrivate, SqlUtterances

KEY = SigningKey.from_seed("record.example.org", bytes(32))
START = datetime(2026, 1, 5, tzinfo=UTC)
ADA = person("Ada Lovelace")


class Desk:
    """One log of some kind: `open` gives (log, utterances, private) in a unit of work."""

    def __init__(self, open_: Callable[[], AbstractContextManager[Any]], clock: SettableClock) -> None:
        self.open = open_
        self.clock = clock


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    clock = SettableClock(START)
    if request.param == "memory":
        parts = (MemoryLog(clock, KEY), MemoryUtterances(), MemoryPrivate())

        @contextmanager
        def memory() -> Iterator[Any]:
            yield parts

        yield Desk(memory, clock)
        return
    url = (
        f"sqlite:///{tmp_path / 'house.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    database = open_database(url)
    migrate(database)

    @contextmanager
    def sql() -> Iterator[Any]:
        with transaction(database) as connection:
            log = SqlLog(connection, clock, KEY)
            yield log, SqlUtterances(connection), SqlPrivate(connection)
            log.seal()

    yield Desk(sql, clock)
    database.dispose()


def act(number: int, key: str | None = None) -> Act:
    return Act("test.done", {"number": number}, ADA, model="m", subject=f"s{number % 3}", key=key)


def words(text: str) -> Utterance:
    return Utterance(
        model="m",
        text=text,
        prompt=(Message("user", "Say something."),),
        sampling=Sampling(seed=7, temperature=0.0),
        engine=EngineBuild("fake", "1"),
        weights="",
        finish="stop",
        tokens_in=3,
        tokens_out=4,
        at=START,
    )


def test_entries_keep_their_order_their_time_and_their_bytes(desk: Desk) -> None:
    """What was appended is what is read, in another unit of work, and filters find all of it."""
    with desk.open() as (log, _, _):
        for number in range(7):
            log.append(act(number))
            desk.clock.advance(timedelta(seconds=1))
    with desk.open() as (log, _, _):
        entries = log.entries()
        assert [entry.seq for entry in entries] == list(range(7))
        assert [entry.body["number"] for entry in entries] == list(range(7))
        assert entries[3].at == START + timedelta(seconds=3)
        assert entries[3].by == ADA
        assert [e.seq for e in log.entries(subject="s1")] == [1, 4]
        assert [e.seq for e in log.entries(kinds={"test.done"}, begin=5)] == [5, 6]
        assert [e.seq for e in log.entries(newest_first=True, limit=2)] == [6, 5]
        assert not log.entries(model="other")
        assert log.get(6) == entries[6]
        for nowhere in (-1, 7, 2**70):
            with pytest.raises(NotFound):
                log.get(nowhere)


def test_the_same_act_under_the_same_key_is_done_once(desk: Desk) -> None:
    """Doing it again returns what stands; doing another is a conflict that names what stands."""
    with desk.open() as (log, _, _):
        first = log.append(act(1, "once"))
    desk.clock.advance(timedelta(days=1))
    with desk.open() as (log, _, _):
        assert log.append(act(1, "once")) == first
        assert log.find("once") == first
        assert log.find("never") is None
        with pytest.raises(Conflict, match="entry 0, by Ada Lovelace"):
            log.append(act(2, "once"))
        assert log.size() == 1


def test_every_checkpoint_and_proof_holds(desk: Desk) -> None:
    """After each unit of work, the signed note is over what is there, and proves each entry."""
    for number in range(9):
        with desk.open() as (log, _, _):
            log.append(act(number))
        with desk.open() as (log, _, _):
            checkpoint = Checkpoint.open(log.signed_checkpoint(), [KEY.verify_key])
            assert checkpoint.size == number + 1
            for entry in log.entries():
                proof = merkle.inclusion(log, entry.seq, checkpoint.size)
                assert merkle.verify_inclusion(entry.leaf, entry.seq, checkpoint.size, proof, checkpoint.root)


def test_the_record_does_not_go_back_in_time(desk: Desk) -> None:
    """A clock a moment behind is waited out; one set back by more is refused, and nothing is written."""
    with desk.open() as (log, _, _):
        log.append(act(1))
    desk.clock.advance(timedelta(seconds=-3))
    with desk.open() as (log, _, _):
        assert log.append(act(2)).at == START
    desk.clock.advance(timedelta(days=-1))
    with pytest.raises(Unavailable, match="clock"), desk.open() as (log, _, _):
        log.append(act(3))
    with desk.open() as (log, _, _):
        assert log.size() == 2


def test_a_batch_is_as_if_written_one_by_one(desk: Desk) -> None:
    """Same entries, same keys done once, also within the batch; the tree, its proofs and its note hold."""
    with desk.open() as (log, _, _):
        first = log.append(act(0, "zero"))
        batch = [act(0, "zero"), act(1, "one"), act(2), act(1, "one"), *(act(n) for n in range(3, 600))]
        found = log.append_many(batch)
        assert found[0] == first
        assert found[1] == found[3]
        assert log.size() == 600
        assert log.append_many([]) == []
    with desk.open() as (log, _, _):
        assert [entry.body["number"] for entry in log.entries()] == list(range(600))
        assert [entry.seq for entry in log.entries()] == list(range(600))
        assert log.find("one").seq == 1
        assert log.get(1).key == "one"
        checkpoint = Checkpoint.open(log.signed_checkpoint(), [KEY.verify_key])
        assert checkpoint == log.checkpoint()
        assert checkpoint.root == merkle.root(log, 600)
        for seq in (0, 255, 256, 511, 512, 599):
            proof = merkle.inclusion(log, seq, 600)
            assert merkle.verify_inclusion(log.get(seq).leaf, seq, 600, proof, checkpoint.root)
        rows = [entry.data for entry in log.entries()]
        assert list(verify_log(rows, [log.signed_checkpoint()], [KEY.verify_key], stored=log)) == []


def test_a_batch_with_a_contradiction_writes_nothing(desk: Desk) -> None:
    """A conflict in the middle, with what stands or within the batch: none of it is on the record."""
    with desk.open() as (log, _, _):
        log.append(act(1, "once"))
    for batch in (
        [act(5), act(2, "once"), act(6)],
        [act(5, "new"), act(6, "new")],
        [act(5), Act("bad", {}, ADA)],
    ):
        with pytest.raises((Conflict, InvalidInput)), desk.open() as (log, _, _):
            log.append_many(batch)
        with desk.open() as (log, _, _):
            assert log.size() == 1
            assert log.find("new") is None


def test_tiles_are_there_up_to_the_last_entry(desk: Desk) -> None:
    """Full ones, partial ones of any width, and nothing beyond the end."""
    with desk.open() as (log, _, _):
        log.append_many([act(number) for number in range(517)])
    with desk.open() as (log, _, _):
        leaves = [entry.leaf for entry in log.entries()]
        assert log.tile(0, 0, 256) == b"".join(leaves[:256])
        assert log.tile(0, 1, 7) == b"".join(leaves[256:263])
        assert log.tile(0, 2, 5) == b"".join(leaves[512:])
        assert len(log.tile(1, 0, 2)) == 64
        for nowhere in ((0, 2, 6), (0, 3, 1), (1, 0, 3), (2, 0, 1), (0, -1, 1)):
            with pytest.raises(KeyError):
                log.tile(*nowhere)


def test_a_key_is_handed_over_in_a_unit_of_work(desk: Desk) -> None:
    """The checkpoint of the hand-over is signed by both keys, and the old one signs nothing more."""
    new = SigningKey.from_seed(KEY.name, bytes([7]) * 32)
    with desk.open() as (log, _, _):
        log.append(act(1))
        log.rotate(new, by=ADA, reason="A yearly rotation.")
        log.append(act(2))
        note = log.signed_checkpoint()
    if isinstance(log, SqlLog):
        assert len(note.splitlines()) == 6, "both keys sign for the whole unit of work"
        Checkpoint.open(note, [KEY.verify_key])
        with pytest.raises(WrongKey), desk.open() as (log, _, _):
            log.append(act(3))
        with desk.open() as (log, _, _):
            assert log.append_many([]) == []
    Checkpoint.open(note, [new.verify_key])


def test_what_cannot_be_logged_is_refused(desk: Desk) -> None:
    """NaN, huge bodies, lone surrogates and malformed kinds do not get onto the record."""
    for bad in (
        Act("test.done", {"x": float("nan")}, ADA),
        Act("test.done", {"x": 2**60}, ADA),
        Act("test.done", {"x": "\ud800"}, ADA),
        Act("test.done", {"x": "a" * (1 << 20)}, ADA),
        Act("nonsense", {}, ADA),
    ):
        with pytest.raises(InvalidInput), desk.open() as (log, _, _):
            log.append(bad)
    with desk.open() as (log, _, _):
        assert log.size() == 0


def test_words_are_kept_as_they_were_said(desk: Desk) -> None:
    """Any text comes back byte for byte, with all that made it, under the digest of all of it."""
    hostile = "<script>\u202e\x00\r\n\u2028 ünïcode 漢字 \U0001f600"
    with desk.open() as (_, utterances, _):
        kept = utterances.keep(words(hostile))
        assert utterances.keep(words(hostile)) == kept
    with desk.open() as (_, utterances, _):
        again = utterances.get(kept)
        assert again == words(hostile)
        assert again.text == hostile
        assert list(utterances.ids()) == [kept]
        with pytest.raises(NotFound):
            utterances.get("sha256:00")


def test_a_private_fact_can_be_forgotten_without_breaking_the_log(desk: Desk) -> None:
    """Its commitment stays on the record and then tells nothing."""
    with desk.open() as (log, _, private):
        first = private.put("applicant:1", {"name": "Bo"})
        log.append(Act("test.done", {"commitment": first}, ADA))
        assert private.put("applicant:2", {"name": "Bo"}) != first, "equal facts cannot be told apart"
    with desk.open() as (log, _, private):
        assert private.get("applicant:1") == {"name": "Bo"}
        assert private.forget("applicant:1")
        assert not private.forget("applicant:1")
    with desk.open() as (log, _, private):
        with pytest.raises(NotFound):
            private.get("applicant:1")
        assert log.get(0).body == {"commitment": first}


@pytest.fixture
def database(either_database: str) -> Iterator[sa.Engine]:
    engine = open_database(either_database)
    migrate(engine)
    yield engine
    engine.dispose()


def filled(database: sa.Engine, count: int = 5) -> None:
    clock = SettableClock(START)
    for number in range(count):
        with transaction(database) as connection:
            log, utterances = SqlLog(connection, clock, KEY), SqlUtterances(connection)
            said = utterances.keep(words(f"word {number}"))
            log.append(Act("test.said", {"utterance": said}, ADA, key=f"said:{number}"))
            log.seal()


def fill_a_tile(database: sa.Engine) -> None:
    with transaction(database) as connection:
        log = SqlLog(connection, SettableClock(START), KEY)
        log.append_many([act(number) for number in range(256)])
        log.seal()


def findings(database: sa.Engine) -> list[str]:
    with transaction(database, reading=True) as connection:
        log = SqlLog(connection, SettableClock(START), KEY)
        found = verify_log(log.rows(), log.notes(), [KEY.verify_key], SqlUtterances(connection), stored=log)
        return [f"{finding.where}: {finding.what}" for finding in (*found, *log.audit())]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET {column} = {column}",
        "DELETE FROM {table}",
        "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        "TRUNCATE {table}",
    ],
)
@pytest.mark.parametrize(
    ("table", "column"),
    [("entry", "data"), ("tile", "hashes"), ("checkpoint", "note"), ("utterance", "data")],
)
def test_law_2_and_5_no_sql_changes_what_is_on_the_record(
    database: sa.Engine, statement: str, table: str, column: str
) -> None:
    """Every road that SQL offers to rewrite, delete or replace a row is refused by the database itself."""
    if "TRUNCATE" in statement and database.dialect.name == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    if "REPLACE" in statement and database.dialect.name != "sqlite":
        statement = "MERGE INTO {table} t USING {table} s ON t.ctid = s.ctid WHEN MATCHED THEN DELETE"
    filled(database)
    if table == "tile":
        fill_a_tile(database)
    refused = pytest.raises((sa.exc.DBAPIError, EmeritusError), match=r"append-only|without gaps")
    with refused, transaction(database) as connection:
        connection.exec_driver_sql(statement.format(table=table, column=column))
    assert findings(database) == []


def unprotect(database: sa.Engine, table: str) -> None:
    """What somebody with all rights would do first."""
    with transaction(database) as connection:
        if database.dialect.name == "postgresql":
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            return
        names = connection.exec_driver_sql(
            f"SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='{table}'"
        ).scalars()
        for name in list(names):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")


@pytest.mark.parametrize(
    ("table", "statement", "finding"),
    [
        ("entry", "UPDATE entry SET data = (SELECT data FROM entry WHERE seq = 1) WHERE seq = 2", "entry 2"),
        ("entry", "DELETE FROM entry WHERE seq = 4", "the end was cut off"),
        ("entry", "DELETE FROM entry WHERE seq = 1", "entry 1"),
        ("checkpoint", "DELETE FROM checkpoint WHERE size = 5", "nobody signed for the last 1"),
        ("checkpoint", "UPDATE checkpoint SET note = replace(note, '3', '4') WHERE size = 3", "No known key"),
        ("utterance", "DELETE FROM utterance", "utterance sha256:"),
        ("utterance", "UPDATE utterance SET model = 'x'", "its columns"),
        ("entry", "UPDATE entry SET kind = 'a.b' WHERE seq = 3", "entry 3: its column kind"),
        ("entry", "UPDATE entry SET key = 'other' WHERE seq = 4", "entry 4: its column key"),
        ("entry", "UPDATE entry SET subject = 'x', model = 'y' WHERE seq = 0", "entry 0: its column model"),
    ],
)
def test_whoever_rewrites_the_record_with_all_rights_is_found_out(
    database: sa.Engine, table: str, statement: str, finding: str
) -> None:
    """With every trigger dropped, `verify` still names what was changed."""
    filled(database)
    assert findings(database) == []
    unprotect(database, table)
    with transaction(database) as connection:
        connection.exec_driver_sql(statement)
    assert any(finding in found for found in findings(database)), findings(database)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE tile SET hashes = root", "tile 0/0: it does not hold the hashes"),
        (
            "UPDATE tile SET root = (SELECT root FROM tile WHERE position = 1) WHERE position = 0",
            "tile 0/0: its root",
        ),
        ("DELETE FROM tile WHERE position = 0", "tile 0/0: it does not hold"),
        (
            "UPDATE tile SET position = 7 WHERE position = 1",
            "tile 0/7: it stands over entries that are not there",
        ),
        ("UPDATE tile SET level = 1 WHERE position = 1", "tile 0/1"),
    ],
)
def test_changed_tiles_are_found_out_and_nothing_is_signed_over_them(
    database: sa.Engine, statement: str, finding: str
) -> None:
    """A proof from such a tile would not hold; `verify` names the tile, and the next act is refused."""
    fill_a_tile(database)
    fill_a_tile(database)
    assert findings(database) == []
    unprotect(database, "tile")
    with transaction(database) as connection:
        connection.exec_driver_sql(statement)
    assert any(finding in found for found in findings(database)), findings(database)
    if "root" not in finding and "SET hashes" not in statement:
        with pytest.raises(IntegrityError), transaction(database) as connection:
            SqlLog(connection, SettableClock(START), KEY).append(act(1))


def test_no_tile_is_let_in_before_its_time(database: sa.Engine) -> None:
    """Too short, out of order, or over entries that are not there: refused by the database itself."""
    fill_a_tile(database)
    for level, position, width in ((0, 1, 8192), (0, 2, 8192), (1, 0, 8192), (0, 1, 8191)):
        row = {"level": level, "position": position, "root": bytes(32), "hashes": bytes(width)}
        with (
            pytest.raises((sa.exc.DBAPIError, EmeritusError), match="tile"),
            transaction(database) as connection,
        ):
            connection.execute(tables.tile.insert(), row)
    assert findings(database) == []


def test_nothing_is_signed_over_a_record_that_was_changed(database: sa.Engine) -> None:
    """The newest entries are hashed anew before anything is appended: a log signs no second history."""
    filled(database)
    unprotect(database, "entry")
    with transaction(database) as connection:
        connection.exec_driver_sql(
            "UPDATE entry SET data = (SELECT data FROM entry WHERE seq = 1) WHERE seq = 2"
        )
    with (
        pytest.raises(IntegrityError, match="5 entries, and they are not those"),
        transaction(database) as connection,
    ):
        SqlLog(connection, SettableClock(START), KEY).append(act(1))
    with transaction(database) as connection:
        connection.exec_driver_sql("DELETE FROM entry WHERE seq > 1")
    with pytest.raises(IntegrityError, match="2 entries"), transaction(database) as connection:
        SqlLog(connection, SettableClock(START), KEY).append(act(1))


def test_another_key_signs_nothing_here(database: sa.Engine) -> None:
    """A sound key of the same name that is not this record's is refused before it writes."""
    filled(database)
    other = SigningKey.generate(KEY.name)
    with pytest.raises(WrongKey), transaction(database) as connection:
        SqlLog(connection, SettableClock(START), other).append(act(1))
    assert findings(database) == []


def test_a_process_with_the_old_key_reads_the_new_one(database: sa.Engine) -> None:
    """A server that runs while the key is rotated goes on with the new key, once it can read it."""
    filled(database)
    new = SigningKey.from_seed(KEY.name, bytes([7]) * 32)
    with transaction(database) as connection:
        log = SqlLog(connection, SettableClock(START), KEY)
        log.rotate(new, by=ADA, reason="A yearly rotation.")
        log.seal()
    asked = []
    with transaction(database) as connection:
        log = SqlLog(connection, SettableClock(START), KEY, lambda key: asked.append(key) or new)
        log.append(act(1))
        log.seal()
        Checkpoint.open(log.signed_checkpoint(), [new.verify_key])
    assert asked == [new.verify_key]
    assert findings(database) == []


def test_the_end_cut_off_with_its_checkpoints_is_seen_by_who_remembers(database: sa.Engine) -> None:
    """A log cut back cleanly, checkpoints and all, does not contain what anybody kept."""
    filled(database)
    with transaction(database, reading=True) as connection:
        kept = SqlLog(connection, SettableClock(START), KEY).signed_checkpoint()
    for table in ("entry", "checkpoint", "utterance"):
        unprotect(database, table)
    with transaction(database) as connection:
        connection.exec_driver_sql("DELETE FROM checkpoint WHERE size > 3")
        connection.exec_driver_sql("DELETE FROM entry WHERE seq > 2")
    assert findings(database) == []
    with transaction(database, reading=True) as connection:
        log = SqlLog(connection, SettableClock(START), KEY)
        found = list(verify_log(log.rows(), [*log.notes(), kept], [KEY.verify_key]))
    assert [(each.where, "cut off" in each.what) for each in found] == [("checkpoint 5", True)]


def test_changed_words_are_found_out(database: sa.Engine) -> None:
    """One letter of an utterance is enough."""
    filled(database)
    unprotect(database, "utterance")
    with transaction(database) as connection:
        data = connection.exec_driver_sql("SELECT data FROM utterance").scalars().first()
        forged = bytes(data).replace(b"word", b"Word")
        connection.execute(
            sa.text("UPDATE utterance SET data = :new WHERE data = :old"), {"new": forged, "old": data}
        )
        kept = connection.exec_driver_sql("SELECT id, data FROM utterance").all()
    changed = [name for name, row in kept if bytes(row) == forged]
    with transaction(database) as connection, pytest.raises(IntegrityError):
        SqlUtterances(connection).get(changed[0])
    assert {found.split(": ")[0].rpartition(" ")[2] for found in findings(database)} == {changed[0]}


def test_two_writers_get_two_places(database: sa.Engine) -> None:
    """Threads that append at once: no gap, no double, every checkpoint signed, one of each key."""

    def write(name: int) -> None:
        for number in range(12):
            with transaction(database) as connection:
                log = SqlLog(connection, SettableClock(START), KEY)
                log.append(Act("test.done", {"number": number}, ADA, key=f"shared:{number}"))
                log.append(Act("test.done", {"number": number, "writer": name}, ADA))
                log.seal()

    threads = [threading.Thread(target=write, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert findings(database) == []
    with transaction(database, reading=True) as connection:
        assert SqlLog(connection, SettableClock(START), KEY).size() == 12 + 36


def test_who_only_reads_sees_one_moment(database: sa.Engine) -> None:
    """A proof and the checkpoint that it leads to are of the same log, whatever is appended in between."""
    filled(database)
    with transaction(database, reading=True) as reading:
        log = SqlLog(reading, SettableClock(START), KEY)
        size = log.checkpoint().size
        writer = threading.Thread(target=fill_a_tile, args=(database,))
        writer.start()
        writer.join()
        note = Checkpoint.open(log.signed_checkpoint(), [KEY.verify_key])
        assert note.size == log.size() == size == 5
        proof = merkle.inclusion(log, 2, size)
        assert merkle.verify_inclusion(log.get(2).leaf, 2, size, proof, note.root)


def test_a_note_that_is_none_any_more(database: sa.Engine) -> None:
    """Damage to the newest checkpoint is named as damage, for who reads and for who would sign."""
    filled(database)
    unprotect(database, "checkpoint")
    with transaction(database) as connection:
        connection.exec_driver_sql("UPDATE checkpoint SET note = 'x' WHERE size = 5")
    for use in (SqlLog.checkpoint, SqlLog.signed_checkpoint, lambda log: log.append(act(1))):
        with (
            pytest.raises(IntegrityError, match="not a signed note any more"),
            transaction(database) as connection,
        ):
            use(SqlLog(connection, SettableClock(START), KEY))


def test_a_unit_of_work_that_fails_leaves_nothing(database: sa.Engine) -> None:
    """Entry, hash, checkpoint and words are committed together or not at all."""
    with pytest.raises(RuntimeError), transaction(database) as connection:  # noqa: PT012
        log = SqlLog(connection, SettableClock(START), KEY)
        SqlUtterances(connection).keep(words("gone"))
        log.append(act(1))
        log.seal()
        raise RuntimeError
    assert findings(database) == []
    with transaction(database) as connection:
        counts = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("entry", "tile", "checkpoint", "utterance")
        ]
    assert counts == [0, 0, 0, 0]

"""Houses of earlier releases: an upgrade loses nothing, and covers nothing up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext

from emeritus.core.clock import SettableClock
from emeritus.core.digests import canonical
from emeritus.core.errors import Conflict, IntegrityError
from emeritus.core.people import person
from emeritus.record import Act, Checkpoint, SigningKey, merkle, verify_log
from emeritus.record.edge import Edge
from emeritus.record.tiles import bundle
from emeritus.store import tables
from emeritus.store.database import open_database, transaction
from emeritus.store.log import SqlLog
from emeritus.store.schema import _scripts, check, migrate

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA = person("Ada Lovelace")
START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def old_house(either_database: str) -> Iterator[sa.Engine]:
    """A database as the release before tiles left it: a row for each hash, entries without their key."""
    database = open_database(either_database)
    scripts = _scripts()
    with transaction(database) as connection:
        environment = EnvironmentContext(Config(), scripts)
        environment.configure(
            connection=connection,
            transactional_ddl=True,
            fn=lambda revision, _: scripts._upgrade_revs("0002", revision),
        )
        environment.run_migrations()
    yield database
    database.dispose()


def fill(database: sa.Engine, count: int) -> None:
    """Write *count* entries as they were written then, one checkpoint for every seven."""
    edge, hashes = Edge(), {}
    with transaction(database) as connection:
        for seq in range(count):
            at = START + timedelta(seconds=seq)
            body = {"number": seq, "long": "x" * 70_000} if seq == 1 else {"number": seq}
            data = canonical(
                {
                    "v": 1,
                    "seq": seq,
                    "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    "kind": "test.done",
                    "by": str(ADA),
                    "model": "m",
                    "subject": None,
                    "body": body,
                }
            )
            row = {"seq": seq, "at": at, "kind": "test.done", "model": "m", "key": f"key:{seq}", "data": data}
            connection.execute(tables.entry.insert(), row)
            digest, level, index = merkle.leaf_hash(data), 0, seq
            edge.append(digest)
            hashes[level, index] = digest
            while index & 1:
                digest = merkle.pair_hash(hashes[level, index - 1], digest)
                level, index = level + 1, index >> 1
                hashes[level, index] = digest
            if seq % 7 == 6 or seq == count - 1:
                note = Checkpoint(KEY.name, seq + 1, edge.root()).sign(KEY)
                connection.execute(tables.checkpoint.insert(), {"size": seq + 1, "note": note})
        node = sa.table("node", sa.column("level"), sa.column("position"), sa.column("hash"))
        rows = [{"level": level, "position": at, "hash": digest} for (level, at), digest in hashes.items()]
        if rows:
            connection.execute(node.insert(), rows)


def everything(database: sa.Engine) -> tuple[list[bytes], list[str]]:
    with transaction(database, reading=True) as connection:
        log = SqlLog(connection, SettableClock(START), KEY)
        return list(log.rows()), list(log.notes())


@pytest.mark.parametrize("count", [0, 1, 255, 256, 700])
def test_a_house_from_before_the_tiles(old_house: sa.Engine, count: int) -> None:
    """Every byte and every signature stays; proofs, keys and the next act are as if it had always been so."""
    fill(old_house, count)
    with pytest.raises(Conflict, match="emeritus upgrade"):
        check(old_house)
    before = everything(old_house)
    migrate(old_house)
    check(old_house)
    assert everything(old_house) == before
    clock = SettableClock(START + timedelta(days=1))
    with transaction(old_house) as connection:
        log = SqlLog(connection, clock, KEY)
        assert list(verify_log(log.rows(), log.notes(), [KEY.verify_key], stored=log)) == []
        assert list(log.audit()) == []
        if count:
            assert log.find(f"key:{count - 1}").seq == count - 1
        for number in range(300):
            log.append(Act("test.done", {"number": count + number}, ADA, key=f"key:{count + number}"))
        log.seal()
    with transaction(old_house, reading=True) as connection:
        log = SqlLog(connection, clock, KEY)
        assert list(verify_log(log.rows(), log.notes(), [KEY.verify_key], stored=log)) == []
        size = log.size()
        for seq in {0, count, size - 1}:
            proof = merkle.inclusion(log, seq, size)
            assert merkle.verify_inclusion(log.get(seq).leaf, seq, size, proof, log.checkpoint().root)
        if count > 1:
            assert len(log.get(1).data) > 65_535, "an entry that is longer than today's stays readable"
            with pytest.raises(Exception, match="does not fit into a bundle"):
                bundle([log.get(1).data])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entry SET data = (SELECT data FROM entry WHERE seq = 3) WHERE seq = 4",
        "DELETE FROM entry WHERE seq = 19",
        "DELETE FROM checkpoint",
    ],
)
def test_a_damaged_house_is_not_upgraded(old_house: sa.Engine, damage: str) -> None:
    """The new tree would be sound over the changed entries, so it is held against what was signed first."""
    fill(old_house, 20)
    with transaction(old_house) as connection:
        for table in ("entry", "checkpoint"):
            if old_house.dialect.name == "postgresql":
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            else:
                for act in ("update", "delete"):
                    connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{act}")
        connection.exec_driver_sql(damage)
    before = everything(old_house)
    with pytest.raises(IntegrityError, match="nothing was upgraded"):
        migrate(old_house)
    assert everything(old_house) == before
    with pytest.raises(Conflict, match="revision 0002"):
        check(old_house)

"""What happens to records: power cuts, bad disks, keys left open, rotations cut short."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emeritus.core.clock import SettableClock
from emeritus.core.errors import EmeritusError, IntegrityError, NotFound
from emeritus.core.people import person
from emeritus.record import Act, Checkpoint, SigningKey, merkle, verify_log
from emeritus.store.database import open_database, transaction
from emeritus.store.keyfile import KeyExposed, KeyFile
from emeritus.store.log import SqlLog
from emeritus.store.schema import migrate

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA = person("Ada Lovelace")
START = datetime(2026, 1, 5, tzinfo=UTC)

WRITER = """
import sys
from emeritus.core.clock import SystemClock
from emeritus.core.people import person
from emeritus.record import Act, SigningKey
from emeritus.store.database import open_database, transaction
from emeritus.store.log import SqlLog

database = open_database(sys.argv[1])
key = SigningKey.from_seed("record.example.org", bytes(32))
for turn in range(10_000):
    acts = [Act("test.done", {"n": n}, person("Ada"), key=f"{turn}:{n}") for n in range(60)]
    with transaction(database) as connection:
        log = SqlLog(connection, SystemClock(), key)
        log.append_many(acts)
        log.seal()
        size = log.size()
    print(size, flush=True)
"""


def findings(url: str, notes: list[str] | None = None) -> list[str]:
    database = open_database(url)
    try:
        with transaction(database, reading=True) as connection:
            log = SqlLog(connection, SettableClock(START), KEY)
            kept = [*log.notes(), *(notes or [])]
            found = verify_log(log.rows(), kept, [KEY.verify_key], stored=log)
            return [f"{each.where}: {each.what}" for each in (*found, *log.audit())]
    finally:
        database.dispose()


def test_kill_9_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    """Whenever the writer dies: what it was told was kept is there, once, whole and signed."""
    url = f"sqlite:///{tmp_path / 'house.db'}"
    database = open_database(url)
    migrate(database)
    rng = random.Random(7)
    told = 0
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for line in writer.stdout:
            told = max(told, int(line))
            if told > 600:
                break
        time.sleep(rng.random() / 10)
        os.kill(writer.pid, signal.SIGKILL)
        told = max([told, *map(int, writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()
        with transaction(database, reading=True) as connection:
            size = SqlLog(connection, SettableClock(START), KEY).size()
        assert told <= size <= told + 60
        assert size % 60 == 0, "a batch is there or not"
        assert findings(url) == []
    database.dispose()


@pytest.mark.parametrize("seed", range(6))
def test_bytes_of_the_file_changed(tmp_path: Path, seed: int) -> None:
    """A bad disk, or an editor: a changed entry, tile or note is named, or the database refuses to be read."""
    path = tmp_path / "house.db"
    url = f"sqlite:///{path}"
    database = open_database(url)
    migrate(database)
    with transaction(database) as connection:
        log = SqlLog(connection, SettableClock(START), KEY)
        log.append_many([Act("test.done", {"number": n, "word": "wort"}, ADA) for n in range(300)])
        log.seal()
        tile = log.tile(0, 0, 256)
    database.dispose()
    with sqlite3.connect(path) as plain:
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    places = [at for at in range(len(data)) if data.startswith(b'"word":"wort"', at)]
    places += [data.find(tile[:32]), data.find(b"\xe2\x80\x94 record.example.org")]
    assert -1 not in places
    place = random.Random(seed).choice(places) if seed < 4 else places[-1 - seed % 2]
    data[place + 9] ^= 4
    path.write_bytes(data)
    with suppress(EmeritusError):  # the database refuses to read it
        assert findings(url) != []


def test_a_fork_is_proven_by_any_two_checkpoints_of_different_branches(tmp_path: Path) -> None:
    """Two histories under one key: each sound in itself, and no proof leads from one to the other."""
    notes: dict[str, list[Checkpoint]] = {}
    logs = {}
    for name in ("shown to Bo", "shown to Cy"):
        database = open_database(f"sqlite:///{tmp_path / name}.db")
        migrate(database)
        for number in range(9):
            with transaction(database) as connection:
                log = SqlLog(connection, SettableClock(START), KEY)
                log.append(Act("test.done", {"number": number, "to": "all" if number < 4 else name}, ADA))
                log.seal()
        with transaction(database, reading=True) as connection:
            log = SqlLog(connection, SettableClock(START), KEY)
            notes[name] = [Checkpoint.open(note, [KEY.verify_key]) for note in log.notes()]
        logs[name] = database
        assert findings(f"sqlite:///{tmp_path / name}.db") == []
    with transaction(logs["shown to Cy"], reading=True) as connection:
        log = SqlLog(connection, SettableClock(START), KEY)
        for old in notes["shown to Bo"]:
            for new in notes["shown to Cy"][old.size - 1 :]:
                proof = merkle.consistency(log, old.size, new.size)
                holds = merkle.verify_consistency(old.size, new.size, proof, old.root, new.root)
                assert holds == (old.size <= 4), "the same until the fork, never after"
    for database in logs.values():
        database.dispose()
    kept = notes["shown to Bo"][-1].sign(KEY)
    assert findings(f"sqlite:///{tmp_path / 'shown to Cy'}.db", [kept]) == [
        "checkpoint 9: the entries before it are not those that were signed for"
    ]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Whoever reads it can sign another history, so it is named before it signs again."""
    file = KeyFile(tmp_path / "record.key")
    key = file.make("record.example.org")
    assert file.path.stat().st_mode & 0o777 == 0o600
    for mode in (0o604, 0o666, 0o620, 0o644):
        file.path.chmod(mode)
        with pytest.raises(KeyExposed, match="Others on this machine"):
            file.read()
    for mode in (0o400, 0o440, 0o640):  # a group of its own may read it, as container platforms mount secrets
        file.path.chmod(mode)
        assert file.read().seed == key.seed


def test_a_rotation_that_was_cut_short(tmp_path: Path) -> None:
    """Before the record says so, the old key stays; after, the new one takes its place, whoever finishes it."""
    file = KeyFile(tmp_path / "record.key")
    old = file.make("record.example.org")
    new = file.make_next(old.name)
    assert new.seed != old.seed
    assert file.make_next(old.name).seed == new.seed, "another try takes the same key"
    assert file.in_force(old.verify_key).seed == old.seed
    assert file.next.exists()
    assert file.in_force(None).seed == old.seed
    assert file.in_force(new.verify_key).seed == new.seed
    assert not file.next.exists()
    assert file.read().seed == new.seed
    assert list(tmp_path.iterdir()) == [file.path], "the old secret is gone, and no draft is left"
    with pytest.raises(IntegrityError, match="is not the key with which"):
        file.in_force(old.verify_key)


def test_a_lost_key_with_the_next_one_there(tmp_path: Path) -> None:
    """A replacement that was cut short is finished, once the record names it."""
    file = KeyFile(tmp_path / "record.key")
    with pytest.raises(NotFound):
        file.in_force(None)
    new = file.make_next("record.example.org")
    assert file.in_force(None).seed == new.seed
    with pytest.raises(IntegrityError):
        file.in_force(KEY.verify_key)
    assert file.in_force(new.verify_key).seed == new.seed
    assert file.path.exists()

"""A log of many small entries, made the short way: real rows, real tiles, real signatures, no acts."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from emeritus.core.clock import instant
from emeritus.core.people import person
from emeritus.record import Act, Checkpoint, Entry, SigningKey
from emeritus.record.edge import Edge
from emeritus.record.merkle import leaf_hash
from emeritus.store.database import open_database, transaction
from emeritus.store.schema import migrate
from emeritus.store.tree import keep_tiles

AT = datetime(2026, 1, 5, tzinfo=UTC)
WHO = person("Ada Lovelace")
PAGE = 100_000
_WRITTEN = AT.strftime("%Y-%m-%d %H:%M:%S.%f")
_INSERT = "INSERT INTO entry (seq, at, kind, model, subject, key, data) VALUES (?, ?, 'bench.noted', NULL, NULL, NULL, ?)"


def act(number: int) -> Act:
    """Return what entry *number* says."""
    return Act("bench.noted", {"n": number}, WHO)


def page(begin: int, end: int) -> Iterator[bytes]:
    """Yield the logged bytes of the entries from *begin* to *end*: what `Entry.of` makes of `act`."""
    # Canonical keys are in the order of the alphabet, so the number stands in the body and after the model.
    whole = Entry.of(act(7), 8, AT).data
    before, between = whole.split(b":7}")[0] + b":", b"}" + whole.split(b":7}")[1].split(b":8,")[0] + b":"
    after = b"," + whole.split(b":8,")[1]
    for seq in range(begin, end):
        number = b"%d" % seq
        yield before + number + between + number + after


def write(connection: sa.Connection, rows: Sequence[bytes], edge: Edge, key: SigningKey) -> None:
    """Write *rows* behind what *edge* has: rows, tiles and a signed checkpoint, as the house's own tables want them."""
    begin = edge.size
    plain = connection.connection.driver_connection
    plain.executemany(_INSERT, ((begin + at, _WRITTEN, data) for at, data in enumerate(rows)))
    keep_tiles(connection, [tile for data in rows for tile in edge.append(leaf_hash(data))])
    note = Checkpoint(key.name, edge.size, edge.root()).sign(key)
    connection.execute(
        sa.text("INSERT INTO checkpoint VALUES (:size, :note)"), {"size": edge.size, "note": note}
    )


def build(folder: Path, size: int, key: SigningKey, say: Callable[[str], None]) -> sa.Engine:
    """Make a log of *size* entries, a checkpoint for every 100,000; a house's own tables, triggers and all."""
    database = open_database(f"sqlite:///{folder / 'big.db'}")
    migrate(database)
    assert instant(AT)  # microseconds, as on the record
    edge, began = Edge(), time.perf_counter()
    while edge.size < size:
        begin, end = edge.size, min(edge.size + PAGE, size)
        rows = list(page(begin, end))
        assert all(rows[at] == Entry.of(act(begin + at), begin + at, AT).data for at in (0, len(rows) - 1))
        with transaction(database) as connection:
            write(connection, rows, edge, key)
        if edge.size % (size // 5 or 1) < PAGE:
            say(f"  {edge.size:,} entries after {time.perf_counter() - began:.0f} s")
    return database

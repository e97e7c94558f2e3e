"""What the tables say beside the logged bytes, held against them: columns, roots, words and cosignatures."""

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from emeritus.core.errors import EmeritusError
from emeritus.record import Checkpoint, Entry, Finding
from emeritus.record.edge import WIDTH, perfect_root
from emeritus.record.keys import COSIGNATURE, VerifyKey
from emeritus.record.note import Note
from emeritus.record.tiles import HASH, Tile
from emeritus.record.witness import Witness, cosigned_at
from emeritus.store import tables
from emeritus.store.tree import stored_bytes
from emeritus.store.words import SqlUtterances

_STREAMED = {"yield_per": 1000}


def audit(connection: sa.Connection, witnesses: Iterable[Witness] = ()) -> Iterator[Finding]:
    """Yield every row that does not say what the record says. The bytes themselves: `verify_log`."""
    yield from _entries(connection)
    yield from _tiles(connection)
    yield from _utterances(connection)
    yield from _cosignatures(connection, [witness.key for witness in witnesses])


def _entries(connection: sa.Connection) -> Iterator[Finding]:
    """What entries are found by: an entry under another kind would be passed over."""
    table = tables.entry
    for row in connection.execute(sa.select(table).order_by(table.c.seq), execution_options=_STREAMED):
        try:
            entry = Entry.read(stored_bytes(row.data))
        except EmeritusError:
            continue  # told by `verify_log`
        logged = entry.key is not None
        for column in ("seq", "at", "kind", "model", "subject", *(["key"] if logged else [])):
            if getattr(row, column) != getattr(entry, column):
                yield Finding(
                    f"entry {row.seq}", f"its column {column} says something else than what was logged"
                )


def _tiles(connection: sa.Connection) -> Iterator[Finding]:
    table = tables.tile
    newest = connection.execute(sa.select(sa.func.max(tables.entry.c.seq))).scalar()
    size = 0 if newest is None else newest + 1
    for row in connection.execute(sa.select(table), execution_options=_STREAMED):
        where = f"tile {row.level}/{row.position}"
        hashes = stored_bytes(row.hashes)
        if not Tile(row.level, row.position).fits(size):
            yield Finding(where, "it stands over entries that are not there")
        elif len(hashes) != WIDTH * HASH or perfect_root(hashes) != stored_bytes(row.root):
            yield Finding(where, "its root is not the hash of what it holds")


def _utterances(connection: sa.Connection) -> Iterator[Finding]:
    table = tables.utterance
    words = SqlUtterances(connection)
    for row in connection.execute(sa.select(table.c.id, table.c.model, table.c.at)).all():
        try:
            said = words.get(row.id)
        except EmeritusError as why:
            yield Finding(f"utterance {row.id}", why.sentence)
            continue
        if (said.model, said.at) != (row.model, row.at):
            yield Finding(f"utterance {row.id}", "its columns say something else than the words themselves")


def _cosignatures(connection: sa.Connection, keys: list[VerifyKey]) -> Iterator[Finding]:
    known = {f"{key.name}+{key.key_id.hex()}": key for key in keys if key.algorithm == COSIGNATURE}
    table, notes = tables.cosignature, tables.checkpoint
    query = sa.select(table, notes.c.note).join(notes, table.c.size == notes.c.size, isouter=True)
    for row in connection.execute(query):
        where = f"cosignature {row.witness} of {row.size}"
        try:
            note = Note.parse(f"{Checkpoint.read(Note.parse(row.note or '').text).text}\n{row.line}\n")
        except EmeritusError:
            yield Finding(where, "there is no checkpoint that it could stand below")
            continue
        if row.witness in known and cosigned_at(note, known[row.witness]) is None:
            yield Finding(where, "the witness did not sign this")

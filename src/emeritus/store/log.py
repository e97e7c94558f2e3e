"""The log in SQL."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import sqlalchemy as sa

from emeritus.core.clock import Clock
from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.core.people import Actor
from emeritus.record import Act, Checkpoint, Entry, Finding, SigningKey, VerifyKey, rotation
from emeritus.record.edge import Edge
from emeritus.record.memory import conflict, next_time, no_entry
from emeritus.record.merkle import EMPTY_ROOT
from emeritus.record.note import Note, open_note
from emeritus.record.rotation import WrongKey
from emeritus.record.tiles import TileNodes
from emeritus.record.witness import Witness
from emeritus.store import tables
from emeritus.store.audit import audit
from emeritus.store.tree import SqlTiles, keep_tiles, stored_bytes

_APPEND_LOCK = 0x454D4C4F  # appenders queue up on PostgreSQL; SQLite's write lock does the same
_NEWEST = sa.select(sa.func.max(tables.entry.c.seq))
_MANY = 500  # values in one IN (…)

Renew = Callable[[VerifyKey], SigningKey]


class SqlLog:
    """`Log` on one connection. Whoever owns the transaction calls `seal` before the commit.

    Args:
        connection: with a transaction of its own.
        clock: tells the time of what is appended.
        key: signs the checkpoints.
        renew: reads the key again, when the record says that another process rotated it.
    """

    def __init__(
        self, connection: sa.Connection, clock: Clock, key: SigningKey, renew: Renew | None = None
    ) -> None:
        self._connection = connection
        self._clock = clock
        # The key in force first; then the one that hands over to it.
        self._signers: tuple[SigningKey, ...] = (key,)
        self._renew = renew
        self._edge: Edge | None = None
        self._nodes: TileNodes | None = None
        self._sealed = True

    def append(self, act: Act) -> Entry:
        return self.append_many([act])[0]

    def append_many(self, acts: Sequence[Act]) -> list[Entry]:
        self._queue()
        standing = self._find_many([act.key for act in acts if act.key is not None])
        found: list[Entry] = []
        new: list[Entry] = []
        for act in acts:
            entry = standing.get(act.key) if act.key is not None else None
            if entry is None:
                entry = self._place(act, new)
                new.append(entry)
                if act.key is not None:
                    standing[act.key] = entry
            elif not entry.same_act(act):
                raise conflict(act, entry)
            found.append(entry)
        if new:
            self._write(new)
        return found

    def _place(self, act: Act, before: Sequence[Entry]) -> Entry:
        seq = self._lock().size + len(before)
        last = before[-1] if before else self.get(seq - 1) if seq else None
        return Entry.of(act, seq, next_time(self._clock.now(), last.at if last else None))

    def _write(self, entries: Sequence[Entry]) -> None:
        edge = self._lock()
        self._connection.execute(
            tables.entry.insert(),
            [
                {
                    "seq": entry.seq,
                    "at": entry.at,
                    "kind": entry.kind,
                    "model": entry.model,
                    "subject": entry.subject,
                    "key": entry.key,
                    "data": entry.data,
                }
                for entry in entries
            ],
        )
        keep_tiles(self._connection, [tile for entry in entries for tile in edge.append(entry.leaf)])
        self._sealed, self._nodes = False, None

    def _queue(self) -> None:
        """Wait for other appenders."""
        if self._edge is None and self._connection.dialect.name == "postgresql":
            self._connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})

    def _lock(self) -> Edge:
        """Make sure that what is there is what was signed for, by our key."""
        if self._edge is None:
            self._queue()
            edge = self._signed_edge()
            self._check_key()
            self._edge = edge
        return self._edge

    def _signed_edge(self) -> Edge:
        size = self._count()
        edge = SqlTiles(self._connection, size).edge()
        note = self._newest_note()
        signed = _read(note) if note else None
        here = (size, edge.root())
        if here != ((signed.size, signed.root) if signed else (0, EMPTY_ROOT)):
            raise IntegrityError(
                f"The record has {size} entries, and they are not those that the newest checkpoint was signed for.",
                next_step="Run `emeritus record verify` to see what was changed, and restore a backup.",
            )
        return edge

    def _check_key(self) -> None:
        """Nothing may be signed with a key that was rotated away, or with another house's."""
        named = rotation.key_in_force(self)
        if self._renew and named not in (None, self._signers[0].verify_key):
            self._signers = (self._renew(named),)
        ours = self._signers[0].verify_key
        note = self._newest_note()
        if named not in (None, ours) or (note and not _signed_by(note, ours)):
            raise WrongKey(
                f"The key {ours} does not sign this record (any more).",
                next_step="Restore the house's own record.key, or give the new one to this process too.",
            )

    def rotate(self, new: SigningKey, *, by: Actor, reason: str) -> Entry:
        """Hand over to the key *new*, on the record. See `emeritus.record.rotation`.

        The checkpoint of this transaction is signed with both keys, later ones with *new* alone.
        """
        seq = self._lock().size
        old = self._signers[0]
        entry = self.append(rotation.rotation(old.verify_key, new, seq, by=by, reason=reason, handed_by=old))
        self._signers = (new, old)
        return entry

    def replace_lost_key(self, *, old: VerifyKey, by: Actor, reason: str) -> Entry:
        """Put this log's own key in the place of *old*, of which only the public half is left."""
        self._queue()
        self._edge = self._signed_edge()
        new = self._signers[0]
        return self.append(rotation.rotation(old, new, self._edge.size, by=by, reason=reason, handed_by=None))

    def _count(self) -> int:
        newest = self._connection.execute(_NEWEST).scalar()
        return 0 if newest is None else int(newest) + 1

    def seal(self) -> None:
        """Sign a checkpoint over what was appended, so that no entry is ever visible unsigned."""
        if not self._sealed:
            self._connection.execute(
                tables.checkpoint.insert(),
                {"size": self.size(), "note": self.checkpoint().sign(*self._signers)},
            )
            self._sealed, self._signers = True, self._signers[:1]

    def entries(
        self,
        *,
        model: str | None = None,
        kinds: Collection[str] | None = None,
        subject: str | None = None,
        begin: int = 0,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Entry]:
        table = tables.entry
        query = sa.select(table.c.data).limit(limit)
        query = query.order_by(table.c.seq.desc() if newest_first else table.c.seq)
        if begin:
            query = query.where(table.c.seq >= begin)
        if model is not None:
            query = query.where(table.c.model == model)
        if kinds is not None:
            query = query.where(table.c.kind.in_(sorted(kinds)))
        if subject is not None:
            query = query.where(table.c.subject == subject)
        return [Entry.read(stored_bytes(data)) for data in self._connection.execute(query).scalars()]

    def find(self, key: str) -> Entry | None:
        return self._one(tables.entry.c.key == key)

    def get(self, seq: int) -> Entry:
        entry = self._one(tables.entry.c.seq == seq) if 0 <= seq < 2**63 else None
        if entry is None:
            raise no_entry(seq, self._count())
        return entry

    def _one(self, condition: sa.ColumnElement[bool]) -> Entry | None:
        data = self._connection.execute(sa.select(tables.entry.c.data).where(condition)).scalar()
        return None if data is None else Entry.read(stored_bytes(data))

    def _find_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        table, found = tables.entry, {}
        for at in range(0, len(keys), _MANY):
            query = sa.select(table.c.key, table.c.data).where(table.c.key.in_(keys[at : at + _MANY]))
            found.update(
                {key: Entry.read(stored_bytes(data)) for key, data in self._connection.execute(query)}
            )
        return found

    def size(self) -> int:
        return self._count() if self._edge is None else self._edge.size

    def tile(self, level: int, position: int, width: int) -> bytes:
        return SqlTiles(self._connection, self.size()).tile(level, position, width)

    def node(self, level: int, index: int) -> bytes:
        if self._nodes is None or (index + 1) << level > self._nodes.size:
            # Asked once: where others append meanwhile, the next answer may be another one.
            size = self.size()
            self._nodes = TileNodes(SqlTiles(self._connection, size), size)
        return self._nodes.node(level, index)

    def checkpoint(self) -> Checkpoint:
        if self._sealed:
            note = self._newest_note()
            if note is not None:
                return _read(note)
        edge = Edge() if self._edge is None else self._edge
        return Checkpoint(self._signers[0].name, edge.size, edge.root())

    def signed_checkpoint(self) -> str:
        """Return the newest signed note, with what witnesses put below it."""
        self.seal()
        note = self._newest_note()
        return self.checkpoint().sign(self._signers[0]) if note is None else self._with_cosignatures(note)

    def sealed_size(self) -> int:
        note = self._newest_note()
        return 0 if note is None else _read(note).size

    def _newest_note(self) -> str | None:
        newest = sa.select(tables.checkpoint.c.note).order_by(tables.checkpoint.c.size.desc()).limit(1)
        note = self._connection.execute(newest).scalar()
        return None if note is None else str(note)

    def _with_cosignatures(self, note: str) -> str:
        table = tables.cosignature
        size = _read(note).size
        lines = sa.select(table.c.line).where(table.c.size == size).order_by(table.c.witness)
        return note + "".join(f"{line}\n" for line in self._connection.execute(lines).scalars())

    def cosigned_checkpoint(self) -> str | None:
        """Return the newest signed note that a witness cosigned."""
        newest = sa.select(sa.func.max(tables.cosignature.c.size)).scalar_subquery()
        query = sa.select(tables.checkpoint.c.note).where(tables.checkpoint.c.size == newest)
        note = self._connection.execute(query).scalar()
        return None if note is None else self._with_cosignatures(str(note))

    def cosigned_size(self, witness: str) -> int:
        """Return the size of the newest checkpoint that *witness* cosigned, or 0."""
        table = tables.cosignature
        newest = sa.select(sa.func.max(table.c.size)).where(table.c.witness == witness)
        return self._connection.execute(newest).scalar() or 0

    def cosign(self, size: int, witness: str, line: str) -> None:
        """Keep the cosignature of *witness* below the checkpoint of *size*; a second one is passed over."""
        if self.cosigned_size(witness) < size:
            self._connection.execute(
                tables.cosignature.insert(), {"size": size, "witness": witness, "line": line}
            )

    def rows(self, begin: int = 0) -> Iterator[bytes]:
        """Yield the logged bytes of every entry from *begin* on, a page at a time."""
        query = sa.select(tables.entry.c.data).where(tables.entry.c.seq >= begin).order_by(tables.entry.c.seq)
        for data in self._connection.execute(query, execution_options={"yield_per": 1000}).scalars():
            yield stored_bytes(data)

    def notes(self) -> Iterator[str]:
        """Yield every signed checkpoint that was kept."""
        yield from self._connection.execute(
            sa.select(tables.checkpoint.c.note).order_by(tables.checkpoint.c.size)
        ).scalars()

    def audit(self, witnesses: Iterable[Witness] = ()) -> Iterator[Finding]:
        """Yield every row that says something else than what was logged; `verify_log` checks the bytes."""
        return audit(self._connection, witnesses)


def _read(note: str) -> Checkpoint:
    try:
        return Checkpoint.read(Note.parse(note).text)
    except InvalidInput:
        raise IntegrityError(
            "A checkpoint that was kept is not a signed note any more.",
            next_step="Run `emeritus record verify` to see which one, and restore a backup.",
        ) from None


def _signed_by(note: str, key: VerifyKey) -> bool:
    try:
        open_note(note, [key])
    except IntegrityError:
        return False
    return True

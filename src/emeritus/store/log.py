"""The log and the words in SQL."""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from emeritus.core.clock import Clock
from emeritus.core.digests import canonical, from_canonical
from emeritus.core.speech import Utterance
from emeritus.record import Act, Checkpoint, Entry, SigningKey, merkle
from emeritus.record.memory import conflict, next_time, no_entry, no_utterance
from emeritus.record.private import SALT_BYTES, commitment, no_fact
from emeritus.store import tables

_APPEND_LOCK = 0x454D4C4F  # appenders queue up on PostgreSQL; SQLite's write lock does the same


def _bytes(value: bytes | memoryview | str) -> bytes:
    """Return stored bytes, also where somebody stored text instead: whether they are right is told later."""
    return value.encode() if isinstance(value, str) else bytes(value)


class SqlLog:
    """`Log` on one connection. Whoever owns the transaction calls `seal` before the commit."""

    def __init__(self, connection: sa.Connection, clock: Clock, key: SigningKey) -> None:
        self._connection = connection
        self._clock = clock
        self._key = key
        self._size: int | None = None
        self._sealed = True
        self._recent: dict[tuple[int, int], bytes] = {}

    def append(self, act: Act) -> Entry:
        size = self._lock()
        if act.key is not None and (standing := self.find(act.key)):
            if standing.same_act(act):
                return standing
            raise conflict(act, standing)
        last = self.get(size - 1).at if size else None
        entry = Entry.of(act, size, next_time(self._clock.now(), last))
        self._connection.execute(
            tables.entry.insert(),
            {
                "seq": entry.seq,
                "at": entry.at,
                "kind": entry.kind,
                "model": entry.model,
                "subject": entry.subject,
                "key": act.key,
                "data": entry.data,
            },
        )
        made = merkle.grow(self, size, entry.leaf)
        self._recent.update({(level, index): digest for level, index, digest in made})
        self._connection.execute(
            tables.node.insert(),
            [{"level": level, "position": index, "hash": digest} for level, index, digest in made],
        )
        self._size, self._sealed = size + 1, False
        return entry

    def _lock(self) -> int:
        if self._size is None:
            if self._connection.dialect.name == "postgresql":
                self._connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})
            self._size = self._count()
        return self._size

    def _count(self) -> int:
        newest = self._connection.execute(sa.select(sa.func.max(tables.entry.c.seq))).scalar()
        return 0 if newest is None else int(newest) + 1

    def seal(self) -> None:
        """Sign a checkpoint over what was appended, so that no entry is ever visible unsigned."""
        if not self._sealed:
            self._connection.execute(
                tables.checkpoint.insert(), {"size": self.size(), "note": self.checkpoint().sign(self._key)}
            )
            self._sealed = True

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
        return [Entry.read(_bytes(data)) for data in self._connection.execute(query).scalars()]

    def find(self, key: str) -> Entry | None:
        return self._one(tables.entry.c.key == key)

    def get(self, seq: int) -> Entry:
        entry = self._one(tables.entry.c.seq == seq) if 0 <= seq < 2**63 else None
        if entry is None:
            raise no_entry(seq, self._count())
        return entry

    def _one(self, condition: sa.ColumnElement[bool]) -> Entry | None:
        data = self._connection.execute(sa.select(tables.entry.c.data).where(condition)).scalar()
        return None if data is None else Entry.read(_bytes(data))

    def size(self) -> int:
        return self._count() if self._size is None else self._size

    def node(self, level: int, index: int) -> bytes:
        if (level, index) in self._recent:
            return self._recent[level, index]
        table = tables.node
        found = self._connection.execute(
            sa.select(table.c.hash).where(table.c.level == level, table.c.position == index)
        ).scalar()
        if found is None:
            raise KeyError((level, index))
        return _bytes(found)

    def checkpoint(self) -> Checkpoint:
        size = self.size()
        return Checkpoint(self._key.name, size, merkle.root(self, size))

    def signed_checkpoint(self) -> str:
        self.seal()
        newest = sa.select(tables.checkpoint.c.note).order_by(tables.checkpoint.c.size.desc()).limit(1)
        note = self._connection.execute(newest).scalar()
        return self.checkpoint().sign(self._key) if note is None else str(note)

    def rows(self, begin: int = 0) -> Iterator[bytes]:
        """Yield the logged bytes of every entry from *begin* on, a page at a time."""
        query = sa.select(tables.entry.c.data).where(tables.entry.c.seq >= begin).order_by(tables.entry.c.seq)
        for data in self._connection.execution_options(yield_per=1000).execute(query).scalars():
            yield _bytes(data)

    def notes(self) -> Iterator[str]:
        """Yield every signed checkpoint that was kept."""
        yield from self._connection.execute(
            sa.select(tables.checkpoint.c.note).order_by(tables.checkpoint.c.size)
        ).scalars()


class SqlUtterances:
    """`Utterances` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def keep(self, utterance: Utterance) -> str:
        known = sa.select(tables.utterance.c.id).where(tables.utterance.c.id == utterance.id)
        if self._connection.execute(known).scalar() is None:
            self._connection.execute(
                tables.utterance.insert(),
                {
                    "id": utterance.id,
                    "model": utterance.model,
                    "at": utterance.at,
                    "data": utterance.canonical(),
                },
            )
        return utterance.id

    def get(self, utterance_id: str) -> Utterance:
        query = sa.select(tables.utterance.c.data).where(tables.utterance.c.id == utterance_id)
        data = self._connection.execute(query).scalar()
        if data is None:
            raise no_utterance(utterance_id)
        return Utterance.from_canonical(_bytes(data), utterance_id)

    def ids(self) -> Iterator[str]:
        yield from self._connection.execute(sa.select(tables.utterance.c.id)).scalars()


class SqlPrivate:
    """`Private` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, name: str, fact: Mapping[str, Any]) -> str:
        salt = secrets.token_bytes(SALT_BYTES)
        self.forget(name)
        self._connection.execute(
            tables.private_fact.insert(), {"name": name, "salt": salt, "data": canonical(dict(fact))}
        )
        return commitment(salt, fact)

    def get(self, name: str) -> Mapping[str, Any]:
        query = sa.select(tables.private_fact.c.data).where(tables.private_fact.c.name == name)
        data = self._connection.execute(query).scalar()
        if data is None:
            raise no_fact(name)
        fact: Mapping[str, Any] = from_canonical(_bytes(data))
        return fact

    def forget(self, name: str) -> bool:
        gone = self._connection.execute(
            tables.private_fact.delete().where(tables.private_fact.c.name == name)
        )
        return gone.rowcount > 0

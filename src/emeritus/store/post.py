"""The outbox in SQL: addresses and words sealed while they wait, and forgotten once they are sent."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from attrs import evolve
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningUpdate

from emeritus.core.address import mail_address
from emeritus.core.clock import Clock
from emeritus.core.errors import IntegrityError
from emeritus.core.ids import new_id
from emeritus.process.ports import HANDED_FOR, Letter, Mark, Queued, Tally
from emeritus.store import tables
from emeritus.store.sealing import Sealer

_LAST = "edition"  # what goes to everybody lets what one person waits for go first


class SqlPost:
    """`Post` on one connection."""

    def __init__(self, connection: sa.Connection, sealer: Sealer, clock: Clock) -> None:
        self._connection = connection
        self._sealer = sealer
        self._clock = clock

    def send(self, letter: Letter) -> None:
        self.send_all([letter])

    def send_all(self, letters: Iterable[Letter]) -> None:
        now = self._clock.now()
        rows, words = [], _Shared(self._sealer)
        for letter in letters:
            name = new_id("letter", now)
            own = msgspec.json.encode({"to": mail_address(letter.to), "fields": dict(letter.fields)})
            rows.append(
                {
                    "id": name,
                    "key": letter.key,
                    "kind": letter.kind,
                    "state": "waiting",
                    "words": words.digest(letter),
                    "sealed": self._sealer.seal(own, name),
                    "made_at": now,
                    "due_at": now,
                }
            )
        if rows:
            self._insert_new(tables.letter_words, "digest", words.rows)
            self._insert_new(tables.letter, "key", rows)

    def _insert_new(self, table: sa.Table, unique: str, rows: list[dict[str, Any]]) -> None:
        """Insert the rows whose *unique* column is not there yet."""
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        self._connection.execute(insert(table).on_conflict_do_nothing(index_elements=[unique]), rows)

    def take(self, claim: str, now: datetime, most: int) -> list[Queued]:
        self._forget_words()
        table = tables.letter
        query = (
            sa.select(table)
            .where(table.c.state.in_(("waiting", "handed")), table.c.due_at <= now)
            .order_by(sa.case((table.c.kind == _LAST, 1), else_=0), table.c.due_at, table.c.id)
            .limit(most)
            .with_for_update()
        )
        rows = self._connection.execute(query).mappings().all()
        if not rows:
            return []
        lost = [row["id"] for row in rows if row["state"] == "handed"]
        of_these = table.c.id.in_([row["id"] for row in rows])
        self._connection.execute(table.update().where(of_these).values(claim=claim))
        if lost:
            again = {"state": "waiting", "uncertain": table.c.uncertain + 1}
            self._connection.execute(table.update().where(table.c.id.in_(lost)).values(again))
        words = self._words({row["words"] for row in rows})
        return [self._queued(row, words[row["words"]], row["id"] in lost) for row in rows]

    def _words(self, digests: Iterable[str]) -> dict[str, list[Any]]:
        table = tables.letter_words
        query = sa.select(table.c.digest, table.c.sealed).where(table.c.digest.in_(digests))
        found = {
            digest: msgspec.json.decode(self._sealer.open(sealed, digest))
            for digest, sealed in self._connection.execute(query)
        }
        if missing := set(digests) - set(found):
            raise IntegrityError(
                f"The words of a letter are gone from the outbox: {min(missing)[:12]}.",
                next_step="Restore the database from a backup, or give the letter up: `emeritus mail drop`.",
            )
        return found

    def _queued(self, row: sa.RowMapping, words: list[Any], lost: bool) -> Queued:
        subject, text, html, headers = words
        own = msgspec.json.decode(self._sealer.open(row["sealed"], row["id"]))
        letter = Letter(row["key"], own["to"], subject, text, html, row["kind"], headers, own["fields"])
        return Queued(row["id"], letter, row["attempts"], row["uncertain"] + lost, row["made_at"])

    def mark(self, claim: str, marks: Sequence[Mark], now: datetime) -> set[str]:
        alike: dict[Mark, list[str]] = {}
        for each in marks:
            alike.setdefault(evolve(each, id=""), []).append(each.id)
        held: set[str] = set()
        for mark, names in alike.items():
            statement, values = _change(mark, now)
            found = self._connection.execute(statement, {"ids": names, "mine": claim, **values})
            held.update(found.scalars())
        return held

    def _forget_words(self) -> None:
        """Delete what no letter says any more."""
        words, table = tables.letter_words, tables.letter
        used = sa.exists().where(table.c.words == words.c.digest)
        self._connection.execute(words.delete().where(~used))

    def due(self, now: datetime) -> bool:
        table = tables.letter
        waits = (table.c.state.in_(("waiting", "handed")), table.c.due_at <= now)
        return self._connection.execute(sa.select(table.c.id).where(*waits).limit(1)).first() is not None

    def bounced(self, id: str, said: str) -> str | None:  # noqa: A002
        table = tables.letter
        ends = {"state": "bounced", "said": said[:500], "sealed": None, "words": None}
        change = table.update().where(table.c.id == id).values(ends).returning(table.c.key)
        return self._connection.execute(change).scalar()

    def tally(self) -> list[Tally]:
        table = tables.letter
        query = (
            sa.select(table.c.kind, table.c.state, sa.func.count(), sa.func.min(table.c.made_at))
            .group_by(table.c.kind, table.c.state)
            .order_by(table.c.kind, table.c.state)
        )
        return [
            Tally(kind, state, count, since, self._last_said(kind, state))
            for kind, state, count, since in self._connection.execute(query)
        ]

    def _last_said(self, kind: str, state: str) -> str:
        table = tables.letter
        query = (
            sa.select(table.c.said)
            .where(table.c.kind == kind, table.c.state == state, table.c.said != "")
            .order_by(table.c.due_at.desc())
            .limit(1)
        )
        return self._connection.execute(query).scalar() or ""

    def drop(self, *, kind: str = "", key_prefix: str = "") -> int:
        table = tables.letter
        which = [table.c.state == "waiting"]
        which += [table.c.kind == kind] if kind else []
        which += [table.c.key.startswith(key_prefix, autoescape=True)] if key_prefix else []
        ends = {"state": "failed", "said": "given up by hand", "sealed": None, "words": None}
        dropped = self._connection.execute(table.update().where(*which).values(ends)).rowcount
        self._forget_words()
        return dropped


# Built once: they are run for every few letters, and to build one takes as long as to run it.
_HELD = tables.letter.update().where(
    tables.letter.c.id.in_(sa.bindparam("ids", expanding=True)),
    tables.letter.c.claim == sa.bindparam("mine"),
    tables.letter.c.state.in_(("waiting", "handed")),
)
_HANDED = _HELD.values(state="handed", due_at=sa.bindparam("until")).returning(tables.letter.c.id)
_AGAIN = _HELD.values(
    state="waiting",
    due_at=sa.bindparam("until"),
    said=sa.bindparam("why"),
    attempts=tables.letter.c.attempts + 1,
).returning(tables.letter.c.id)
_ENDED = _HELD.values(
    state=sa.bindparam("ends"),
    due_at=sa.bindparam("until"),
    said=sa.bindparam("why"),
    sealed=None,
    words=None,
).returning(tables.letter.c.id)


def _change(mark: Mark, now: datetime) -> tuple[ReturningUpdate[Any], dict[str, Any]]:
    match mark.state:
        case "handed":
            return _HANDED, {"until": now + HANDED_FOR}
        case "waiting":
            return _AGAIN, {"until": mark.again_at or now, "why": mark.said[:500]}
    return _ENDED, {"ends": mark.state, "until": now, "why": mark.said[:500]}


class _Shared:
    """The words of letters that are sent together, each kept once however many letters say them."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._known: dict[tuple[Any, ...], str] = {}
        self.rows: list[dict[str, Any]] = []

    def digest(self, letter: Letter) -> str:
        said = (letter.subject, letter.text, letter.html, *letter.headers.items())
        if said not in self._known:
            words = msgspec.json.encode([letter.subject, letter.text, letter.html, dict(letter.headers)])
            digest = self._sealer.name(words.decode())
            self._known[said] = digest
            self.rows.append({"digest": digest, "sealed": self._sealer.seal(words, digest)})
        return self._known[said]

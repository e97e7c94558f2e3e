"""The outbox in SQL: addresses and words sealed while they wait, and forgotten once they are sent."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

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
        to = mail_address(letter.to)
        table = tables.letter
        if self._connection.execute(sa.select(table.c.id).where(table.c.key == letter.key)).first():
            return
        now = self._clock.now()
        name = new_id("letter", now)
        own = msgspec.json.encode({"to": to, "fields": dict(letter.fields)})
        self._connection.execute(
            table.insert(),
            {
                "id": name,
                "key": letter.key,
                "kind": letter.kind,
                "state": "waiting",
                "words": self._keep_words(letter),
                "sealed": self._sealer.seal(own, name),
                "made_at": now,
                "due_at": now,
            },
        )

    def _keep_words(self, letter: Letter) -> str:
        """Keep what many letters may share once; return its name."""
        words = msgspec.json.encode([letter.subject, letter.text, letter.html, dict(letter.headers)])
        digest = self._sealer.name(words.decode())
        table = tables.letter_words
        if not self._connection.execute(sa.select(table.c.digest).where(table.c.digest == digest)).first():
            sealed = self._sealer.seal(words, digest)
            self._connection.execute(table.insert(), {"digest": digest, "sealed": sealed})
        return digest

    def take(self, claim: str, now: datetime, most: int) -> list[Queued]:
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
        table = tables.letter
        states = {each.id: each for each in marks}
        query = (
            sa.select(table.c.id, table.c.words)
            .where(table.c.id.in_(states), table.c.claim == claim, table.c.state.in_(("waiting", "handed")))
            .with_for_update()
        )
        held = {row.id: row.words for row in self._connection.execute(query)}
        waiting = [states[name] for name in held if states[name].state == "waiting"]
        handed = [name for name in held if states[name].state == "handed"]
        ended = [states[name] for name in held if states[name].state in ("sent", "failed", "bounced")]
        if handed:
            self._connection.execute(
                table.update().where(table.c.id.in_(handed)).values(state="handed", due_at=now + HANDED_FOR)
            )
        if waiting:
            change = table.update().where(table.c.id == sa.bindparam("which"))
            change = change.values(
                state="waiting",
                due_at=sa.bindparam("again"),
                said=sa.bindparam("why"),
                attempts=table.c.attempts + 1,
            )
            again = [
                {"which": each.id, "again": each.again_at or now, "why": each.said[:500]} for each in waiting
            ]
            self._connection.execute(change, again)
        if ended:
            change = table.update().where(table.c.id == sa.bindparam("which"))
            change = change.values(
                state=sa.bindparam("ends"), said=sa.bindparam("why"), due_at=now, sealed=None, words=None
            )
            ends = [{"which": each.id, "ends": each.state, "why": each.said[:500]} for each in ended]
            self._connection.execute(change, ends)
            self._forget_words({held[each.id] for each in ended})
        return set(held)

    def _forget_words(self, digests: set[str]) -> None:
        words, table = tables.letter_words, tables.letter
        used = sa.exists().where(table.c.words == words.c.digest)
        self._connection.execute(words.delete().where(words.c.digest.in_(digests - {None}), ~used))

    def due(self, now: datetime) -> bool:
        table = tables.letter
        waits = (table.c.state.in_(("waiting", "handed")), table.c.due_at <= now)
        return self._connection.execute(sa.select(table.c.id).where(*waits).limit(1)).first() is not None

    def bounced(self, id: str, said: str) -> str | None:  # noqa: A002
        table = tables.letter
        row = self._connection.execute(sa.select(table.c.key, table.c.words).where(table.c.id == id)).first()
        if row is None:
            return None
        ends = {"state": "bounced", "said": said[:500], "sealed": None, "words": None}
        self._connection.execute(table.update().where(table.c.id == id).values(ends))
        self._forget_words({row.words})
        return str(row.key)

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
        rows = self._connection.execute(sa.select(table.c.id, table.c.words).where(*which)).all()
        if rows:
            ends = {"state": "failed", "said": "given up by hand", "sealed": None, "words": None}
            self._connection.execute(table.update().where(*which).values(ends))
            self._forget_words({row.words for row in rows})
        return len(rows)

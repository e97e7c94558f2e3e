"""Messages to addresses outside, in SQL: sealed while they wait, forgotten once they were taken or given up."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from emeritus.core.clock import Clock
from emeritus.core.ids import new_id
from emeritus.process.ports import Delivery
from emeritus.store import tables
from emeritus.store.sealing import Sealer


class _Words(msgspec.Struct):
    url: str
    body: bytes
    kind: str = "application/json"


class SqlDeliveries:
    """`Deliveries` on one connection."""

    def __init__(self, connection: sa.Connection, sealer: Sealer, clock: Clock) -> None:
        self._connection = connection
        self._sealer = sealer
        self._clock = clock

    def put(self, key: str, url: str, body: bytes, kind: str = "application/json") -> None:
        table = tables.delivery
        if self._connection.execute(sa.select(table.c.id).where(table.c.key == key)).first():
            return
        now = self._clock.now()
        name = new_id("msg", now)
        row = {
            "id": name,
            "key": key,
            "state": "waiting",
            "sealed": self._sealer.seal(msgspec.json.encode(_Words(url, body, kind)), name),
            "made_at": now,
            "due_at": now,
        }
        self._connection.execute(table.insert(), row)

    def take(self, now: datetime, most: int) -> list[Delivery]:
        table = tables.delivery
        query = (
            sa.select(table.c.id, table.c.sealed, table.c.attempts)
            .where(table.c.state == "waiting", table.c.due_at <= now)
            .order_by(table.c.due_at, table.c.id)
            .limit(most)
        )
        found = []
        for name, sealed, attempts in self._connection.execute(query):
            words = msgspec.json.decode(self._sealer.open(sealed, name), type=_Words)
            found.append(Delivery(name, words.url, words.body, attempts, words.kind))
        return found

    def sent(self, id: str, now: datetime) -> None:  # noqa: A002
        self._end(id, "sent", "", now)

    def failed(self, id: str, said: str, now: datetime) -> None:  # noqa: A002
        self._end(id, "failed", said, now)

    def later(self, id: str, said: str, again_at: datetime) -> None:  # noqa: A002
        table = tables.delivery
        self._connection.execute(
            table.update()
            .where(table.c.id == id, table.c.state == "waiting")
            .values(due_at=again_at, said=said[:500], attempts=table.c.attempts + 1)
        )

    def tally(self) -> dict[str, int]:
        table = tables.delivery
        query = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
        counted = {state: int(count) for state, count in self._connection.execute(query)}
        return {state: counted.get(state, 0) for state in ("waiting", "sent", "failed")}

    def _end(self, name: str, state: str, said: str, now: datetime) -> None:
        table = tables.delivery
        self._connection.execute(
            table.update()
            .where(table.c.id == name, table.c.state == "waiting")
            .values(state=state, said=said[:500], sealed=None, due_at=now)
        )

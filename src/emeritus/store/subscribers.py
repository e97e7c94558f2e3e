"""Subscribers in SQL: an address is sealed, and found again by a name that tells nothing without the key."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from emeritus.column.subscribers import EVERY, Subscriber, SubscriberState
from emeritus.store import tables
from emeritus.store.sealing import Sealer

_PLACE = "spread"


class SqlSubscribers:
    """`Subscribers` on one connection."""

    def __init__(self, connection: sa.Connection, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer

    def _where(self, *conditions: sa.ColumnElement[bool], most: int | None = None) -> list[Subscriber]:
        table = tables.subscriber
        query = sa.select(table).where(*conditions).order_by(table.c.id).limit(most)
        return [self._read(row) for row in self._connection.execute(query).mappings()]

    def _read(self, row: sa.RowMapping) -> Subscriber:
        address = self._sealer.open(row["sealed"], row["id"]).decode()
        kept = {name: row[name] for name in ("id", "column", "state", "since", "confirmed_at", "asked_at", "asks", "soft")}  # fmt: skip
        return Subscriber(address=address, **kept)

    def get(self, id: str) -> Subscriber | None:  # noqa: A002
        return next(iter(self._where(tables.subscriber.c.id == id)), None)

    def find(self, address: str, column: str) -> Subscriber | None:
        return next((each for each in self.of(address) if each.column == column), None)

    def of(self, address: str) -> list[Subscriber]:
        return self._where(tables.subscriber.c.name == self._name(address))

    def _name(self, address: str) -> str:
        return self._sealer.name(f"reader:{address.lower()}")

    def put(self, subscriber: Subscriber) -> None:
        table = tables.subscriber
        self._connection.execute(table.delete().where(table.c.id == subscriber.id))
        self._connection.execute(
            table.insert(),
            {
                "id": subscriber.id,
                "name": self._name(subscriber.address),
                "sealed": self._sealer.seal(subscriber.address.encode(), subscriber.id),
                "column": subscriber.column,
                "state": subscriber.state,
                "since": subscriber.since,
                "confirmed_at": subscriber.confirmed_at,
                "asked_at": subscriber.asked_at,
                "asks": subscriber.asks,
                "soft": subscriber.soft,
            },
        )

    def forget(self, id: str) -> bool:  # noqa: A002
        table = tables.subscriber
        return self._connection.execute(table.delete().where(table.c.id == id)).rowcount > 0

    def readers(self, column: str, before: datetime, after: str, most: int) -> list[Subscriber]:
        table = tables.subscriber
        other = table.alias()
        of_all = sa.exists().where(
            other.c.name == table.c.name,
            other.c.column == EVERY,
            other.c.state == "active",
            other.c.confirmed_at <= before,
        )
        return self._where(
            table.c.id > after,
            table.c.state == "active",
            table.c.confirmed_at <= before,
            sa.or_(table.c.column == EVERY, sa.and_(table.c.column == column, ~of_all)),
            most=most,
        )

    def stale(self, before: datetime) -> list[str]:
        table = tables.subscriber
        query = sa.select(table.c.id).where(table.c.state == "asked", table.c.since < before)
        return list(self._connection.execute(query.order_by(table.c.id)).scalars())

    def asked_since(self, moment: datetime) -> int:
        table = tables.subscriber
        query = sa.select(sa.func.count()).where(table.c.asked_at >= moment)
        return self._connection.execute(query).scalar() or 0

    def count(self) -> Mapping[SubscriberState, int]:
        table = tables.subscriber
        query = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def token(self, id: str, use: str) -> str:  # noqa: A002
        return self._sealer.name(f"{use}:{id}")[:32]

    def spread_to(self) -> tuple[int, str]:
        table = tables.mailing
        query = sa.select(table.c.entry, table.c.reader).where(table.c.name == _PLACE)
        row = self._connection.execute(query).first()
        return (-1, "") if row is None else (row.entry, row.reader)

    def spread(self, entry: int, reader: str) -> None:
        table = tables.mailing
        self._connection.execute(table.delete().where(table.c.name == _PLACE))
        self._connection.execute(table.insert(), {"name": _PLACE, "entry": entry, "reader": reader})

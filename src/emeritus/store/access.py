"""Keys and usage in SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from emeritus.access.ports import KeyRecord, Totals, Used
from emeritus.core.errors import Conflict, NotFound
from emeritus.store import tables


class SqlKeys:
    """`Keys` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, key: KeyRecord) -> None:
        table = tables.api_key
        taken = sa.select(table.c.id).where(sa.or_(table.c.id == key.id, table.c.hash == key.hash))
        if self._connection.execute(taken).scalar() is not None:
            raise Conflict(f"The key {key.id} is kept already.", next_step="Make a new key.")
        self._connection.execute(
            table.insert(),
            {
                "id": key.id,
                "hash": key.hash,
                "holder": key.holder,
                "kind": key.kind,
                "label": key.label,
                "models": None if key.models is None else list(key.models),
                "made_at": key.made_at,
                "expires_at": key.expires_at,
                "revoked_at": key.revoked_at,
                "last_used_at": key.last_used_at,
            },
        )

    def by_hash(self, key_hash: str) -> KeyRecord | None:
        found = self._select(tables.api_key.c.hash == key_hash)
        return found[0] if found else None

    def get(self, key_id: str) -> KeyRecord:
        found = self._select(tables.api_key.c.id == key_id)
        if not found:
            raise _no_key(key_id)
        return found[0]

    def all(self) -> Sequence[KeyRecord]:
        return self._select(sa.true())

    def revoke(self, key_id: str, at: datetime) -> None:
        self.get(key_id)
        table = tables.api_key
        self._connection.execute(
            table.update().where(table.c.id == key_id, table.c.revoked_at.is_(None)).values(revoked_at=at)
        )

    def touch(self, key_id: str, at: datetime) -> None:
        self.get(key_id)
        table = tables.api_key
        earlier = sa.or_(table.c.last_used_at.is_(None), table.c.last_used_at < at)
        self._connection.execute(table.update().where(table.c.id == key_id, earlier).values(last_used_at=at))

    def of(self, holder: str) -> Sequence[KeyRecord]:
        return self._select(tables.api_key.c.holder == holder)

    def expire(self, key_id: str, at: datetime) -> None:
        self.get(key_id)
        table = tables.api_key
        later = sa.or_(table.c.expires_at.is_(None), table.c.expires_at > at)
        self._connection.execute(table.update().where(table.c.id == key_id, later).values(expires_at=at))

    def _select(self, condition: sa.ColumnElement[bool]) -> list[KeyRecord]:
        table = tables.api_key
        query = sa.select(table).where(condition).order_by(table.c.made_at, table.c.id)
        return [
            KeyRecord(**{**row, "models": None if row["models"] is None else tuple(row["models"])})
            for row in self._connection.execute(query).mappings()
        ]


def _no_key(key_id: str) -> NotFound:
    return NotFound(f"There is no key {key_id[:80]!r}.", next_step="List them: `emeritus access keys`.")


class SqlUsage:
    """`Usage` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def begin(self, request_id: str, key_id: str, model: str, at: datetime) -> None:
        table = tables.usage
        if self._connection.execute(sa.select(table.c.request).where(table.c.request == request_id)).scalar():
            raise Conflict(f"The call {request_id} began already.", next_step="Give each call its own id.")
        self._connection.execute(
            table.insert(), {"request": request_id, "key_id": key_id, "model": model, "at": at}
        )

    def finish(
        self,
        request_id: str,
        *,
        tokens_in: int,
        tokens_out: int,
        seconds: float,
        status: int,
        bytes_out: int = 0,
    ) -> None:
        table = tables.usage
        known = self._connection.execute(
            sa.select(table.c.request).where(table.c.request == request_id)
        ).scalar()
        if known is None:
            raise NotFound(f"No call {request_id[:80]!r} ever began.", next_step="Begin it first.")
        self._connection.execute(
            table.update()
            .where(table.c.request == request_id, table.c.status.is_(None))
            .values(
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                seconds=seconds,
                status=status,
                bytes_out=bytes_out,
            )
        )

    def totals(
        self, *, model: str | None = None, key_id: str | None = None, since: datetime | None = None
    ) -> Totals:
        table = tables.usage
        query = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(table.c.tokens_in), 0),
            sa.func.coalesce(sa.func.sum(table.c.tokens_out), 0),
            sa.func.coalesce(sa.func.sum(table.c.seconds), 0.0),
            sa.func.coalesce(sa.func.sum(table.c.bytes_out), 0),
        ).select_from(table)
        for column, wanted in ((table.c.model, model), (table.c.key_id, key_id)):
            if wanted is not None:
                query = query.where(column == wanted)
        if since is not None:
            query = query.where(table.c.at >= since)
        requests, tokens_in, tokens_out, seconds, bytes_out = self._connection.execute(query).one()
        return Totals(int(requests), int(tokens_in), int(tokens_out), float(seconds), int(bytes_out))

    def by_key(
        self, *, model: str | None = None, keys: Collection[str] | None = None, since: datetime | None = None
    ) -> Sequence[Used]:
        table = tables.usage
        tokens = sa.func.sum(table.c.tokens_in + table.c.tokens_out)
        query = (
            sa.select(
                table.c.key_id,
                table.c.model,
                sa.func.count(),
                sa.func.sum(table.c.tokens_in),
                sa.func.sum(table.c.tokens_out),
                sa.func.sum(table.c.seconds),
                sa.func.sum(table.c.bytes_out),
                sa.func.max(table.c.at),
            )
            .group_by(table.c.key_id, table.c.model)
            .order_by(tokens.desc(), table.c.key_id, table.c.model)
        )
        if model is not None:
            query = query.where(table.c.model == model)
        if keys is not None:
            query = query.where(table.c.key_id.in_(keys))
        if since is not None:
            query = query.where(table.c.at >= since)
        return [
            Used(
                key_id,
                name,
                Totals(int(calls), int(read), int(written), float(seconds), int(out)),
                last,
            )
            for key_id, name, calls, read, written, seconds, out, last in self._connection.execute(query)
        ]

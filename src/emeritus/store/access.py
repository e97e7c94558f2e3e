"""Keys and usage in SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from attrs import asdict

from emeritus.access.ports import Began, Ended, KeyRecord, Totals, Used
from emeritus.core.errors import Conflict, NotFound
from emeritus.store import tables

# Statements that every call of the gateway makes: built once.
_BY_HASHES = sa.select(tables.api_key).where(
    tables.api_key.c.hash.in_(sa.bindparam("hashes", expanding=True))
)
_BEGIN = tables.usage.insert()


def _key(row: sa.RowMapping) -> KeyRecord:
    return KeyRecord(**{**row, "models": None if row["models"] is None else tuple(row["models"])})


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

    def by_hashes(self, hashes: Collection[str]) -> Mapping[str, KeyRecord]:
        if not hashes:
            return {}
        rows = self._connection.execute(_BY_HASHES, {"hashes": list(hashes)}).mappings()
        return {row["hash"]: _key(row) for row in rows}

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
        return [_key(row) for row in self._connection.execute(query).mappings()]


def _no_key(key_id: str) -> NotFound:
    return NotFound(f"There is no key {key_id[:80]!r}.", next_step="List them: `emeritus access keys`.")


_FINISH = (
    tables.usage.update()
    .where(tables.usage.c.request == sa.bindparam("call"), tables.usage.c.status.is_(None))
    .values(
        {name: sa.bindparam(name) for name in ("tokens_in", "tokens_out", "seconds", "status", "bytes_out")}
    )
)


class SqlUsage:
    """`Usage` on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def begin(self, request_id: str, key_id: str, model: str, at: datetime) -> None:
        self.begin_many([Began(request_id, key_id, model, at)])

    def begin_many(self, calls: Sequence[Began]) -> None:
        if not calls:
            return
        try:
            self._connection.execute(
                _BEGIN,
                [
                    {"request": call.request, "key_id": call.key_id, "model": call.model, "at": call.at}
                    for call in calls
                ],
            )
        except sa.exc.IntegrityError:
            raise Conflict(
                f"The call {calls[0].request} began already, or one that came with it.",
                next_step="Give each call its own id.",
            ) from None

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
        self.finish_many([Ended(request_id, tokens_in, tokens_out, seconds, status, bytes_out)])

    def finish_many(self, calls: Sequence[Ended]) -> None:
        if not calls:
            return
        rows = [asdict(call) for call in calls]
        done = self._connection.execute(_FINISH, [{"call": row.pop("request"), **row} for row in rows])
        if done.rowcount == len(calls):
            return
        names = {call.request for call in calls}  # some had ended already, or never began
        table = tables.usage
        query = sa.select(table.c.request).where(table.c.request.in_(names))
        unknown = names - set(self._connection.execute(query).scalars())
        if unknown:
            raise NotFound(f"No call {min(unknown)[:80]!r} ever began.", next_step="Begin it first.")

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

"""Where nodes sign in, and which models are pinned, in SQL."""

from datetime import datetime

import sqlalchemy as sa

from emeritus.store import tables
from emeritus.store.database import transaction
from emeritus.voices.nodes import Node


class SqlNodes:
    """`emeritus.voices.nodes.NodeBook` on one database."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def beat(self, node: Node) -> None:
        table = tables.node
        row = {
            "id": node.id,
            "url": node.url,
            "seen_at": node.seen_at,
            "load": node.load,
            "draining": node.draining,
            "models": dict(node.models),
        }
        with transaction(self._database) as connection:
            connection.execute(table.delete().where(table.c.id == node.id))
            connection.execute(table.insert(), row)

    def leave(self, node_id: str) -> None:
        table = tables.node
        with transaction(self._database) as connection:
            connection.execute(table.delete().where(table.c.id == node_id))

    def seen_since(self, moment: datetime) -> list[Node]:
        table = tables.node
        columns = (
            table.c.id,
            table.c.url,
            table.c.seen_at,
            table.c.load,
            table.c.draining,
            table.c.models,
        )
        query = sa.select(*columns).where(table.c.seen_at >= moment).order_by(table.c.id)
        with transaction(self._database, reading=True) as connection:
            return [Node(*row) for row in connection.execute(query)]

    def forget_before(self, moment: datetime) -> None:
        """Remove the entries of nodes that ended without signing out."""
        table = tables.node
        with transaction(self._database) as connection:
            connection.execute(table.delete().where(table.c.seen_at < moment))

    def pins(self) -> list[str]:
        with transaction(self._database, reading=True) as connection:
            return list(
                connection.execute(sa.select(tables.pin.c.model).order_by(tables.pin.c.model)).scalars()
            )

    def pin(self, model: str, at: datetime) -> None:
        """Have *model* stay loaded; doing it again changes nothing."""
        with transaction(self._database) as connection:
            connection.execute(tables.pin.delete().where(tables.pin.c.model == model))
            connection.execute(tables.pin.insert(), {"model": model, "made_at": at})

    def unpin(self, model: str) -> bool:
        """Let *model* go when its room is needed; False when it was not pinned."""
        with transaction(self._database) as connection:
            done = connection.execute(tables.pin.delete().where(tables.pin.c.model == model))
            return bool(done.rowcount)

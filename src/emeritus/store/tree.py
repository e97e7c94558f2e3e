"""The tree in SQL: full tiles are rows of their own; the last, partial ones follow from what is below them."""

from collections.abc import Iterable

import sqlalchemy as sa

from emeritus.core.errors import IntegrityError
from emeritus.record.edge import HEIGHT, WIDTH, Edge, FullTile, widths
from emeritus.record.merkle import leaf_hash
from emeritus.record.tiles import HASH, Tile
from emeritus.store import tables


def stored_bytes(value: bytes | memoryview | str) -> bytes:
    """Return stored bytes, also where somebody stored text instead: whether they are right is told later."""
    return value.encode() if isinstance(value, str) else bytes(value)


class SqlTiles:
    """`Tiles` on one connection, for a log of *size* entries."""

    def __init__(self, connection: sa.Connection, size: int) -> None:
        self._connection = connection
        self._size = size

    def tile(self, level: int, position: int, width: int) -> bytes:
        if not Tile(level, position, width).fits(self._size):
            raise KeyError((level, position, width))
        if Tile(level, position).fits(self._size):
            table = tables.tile
            whole = sa.select(table.c.hashes).where(table.c.level == level, table.c.position == position)
            found = self._connection.execute(whole).scalar()
            if found is None:
                raise KeyError((level, position, width))
            return stored_bytes(found)[: width * HASH]
        return b"".join(self._partial(level, position * WIDTH, width))

    def edge(self) -> Edge:
        """Return the edge of the tree, to append to it."""
        levels = [
            self._partial(level, (self._size >> HEIGHT * level) - width, width)
            for level, width in enumerate(widths(self._size))
        ]
        try:
            return Edge(self._size, levels)
        except ValueError:
            raise IntegrityError(
                "The record's newest tiles are not all there.",
                next_step="Run `emeritus record verify`, and restore the database from a backup.",
            ) from None

    def _partial(self, level: int, begin: int, width: int) -> list[bytes]:
        """Return the hashes *begin* to *begin* + *width* of a level, each from what it stands over."""
        if not width:
            return []
        if level == 0:
            rows = tables.entry
            data = sa.select(rows.c.data).where(rows.c.seq >= begin, rows.c.seq < begin + width)
            found = self._connection.execute(data.order_by(rows.c.seq)).scalars()
            return [leaf_hash(stored_bytes(each)) for each in found]
        table = tables.tile
        roots = sa.select(table.c.root).where(
            table.c.level == level - 1, table.c.position >= begin, table.c.position < begin + width
        )
        found = self._connection.execute(roots.order_by(table.c.position)).scalars()
        return [stored_bytes(each) for each in found]


def keep_tiles(connection: sa.Connection, tiles: Iterable[FullTile]) -> None:
    """Write down tiles that became full."""
    rows = [
        {"level": tile.level, "position": tile.position, "root": tile.root, "hashes": tile.hashes}
        for tile in tiles
    ]
    if rows:
        connection.execute(tables.tile.insert(), rows)

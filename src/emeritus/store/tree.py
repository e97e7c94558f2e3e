"""The tree in SQL: full tiles are rows of their own; the last, partial ones follow from what is below them."""

from collections.abc import Iterable

import sqlalchemy as sa

from emeritus.core.errors import IntegrityError
from emeritus.record.edge import HEIGHT, WIDTH, Edge, FullTile, widths
from emeritus.record.merkle import leaf_hash
from emeritus.record.tiles import HASH, Tile
from emeritus.store import tables

# Written out, since every proof reads these.
_HASHES = sa.text("SELECT hashes FROM tile WHERE level = :level AND position = :position")
_DATA = sa.text("SELECT data FROM entry WHERE seq >= :begin AND seq < :end ORDER BY seq")
_ROOTS = sa.text(
    "SELECT root FROM tile WHERE level = :level AND position >= :begin AND position < :end ORDER BY position"
)


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
            found = self._connection.execute(_HASHES, {"level": level, "position": position}).scalar()
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
        span = {"begin": begin, "end": begin + width}
        if level == 0:
            data = self._connection.execute(_DATA, span).scalars().all()
            return [leaf_hash(stored_bytes(each)) for each in data]
        roots = self._connection.execute(_ROOTS, {**span, "level": level - 1}).scalars().all()
        return [stored_bytes(each) for each in roots]


def keep_tiles(connection: sa.Connection, tiles: Iterable[FullTile]) -> None:
    """Write down tiles that became full."""
    rows = [
        {"level": tile.level, "position": tile.position, "root": tile.root, "hashes": tile.hashes}
        for tile in tiles
    ]
    if rows:
        connection.execute(tables.tile.insert(), rows)

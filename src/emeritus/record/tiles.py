"""Tiles: the tree and the entries as static files (C2SP tlog-tiles).

A tile is 256 hashes in a row, eight levels apart from those above. Tiles at the right end of the tree may
be partial; a full one never changes. Each proof is made from a handful of tiles, by whoever has them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from attrs import frozen

from emeritus.core.errors import IntegrityError, InvalidInput, NotFound
from emeritus.record.edge import HEIGHT, WIDTH, perfect_root, widths

HASH = 32
MAX_ENTRY = (1 << 16) - 1
"""Bytes of the longest entry that a bundle can hold."""
_PATH = re.compile(
    r"(?P<level>entries|0|[1-9]\d?)/(?P<place>(?:x\d{3}/){0,4}\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?"
)


class TooLong(NotFound):
    """An entry is longer than a bundle of entries has room for, so there is no such bundle."""

    id = "record.entry_too_long"


class Tiles(Protocol):
    """Where tiles are read. Raises KeyError for one that is not there."""

    def tile(self, level: int, position: int, width: int) -> bytes:
        """Return the first *width* hashes of a tile, 32 bytes each."""
        ...


@frozen
class Tile:
    """Which tile: *position* in its *level* (None: the bundle of the entries themselves), *width* of 256."""

    level: int | None
    position: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the log's prefix, such as ``tile/0/x001/067.p/70``."""
        groups = [f"{self.position % 1000:03}"]
        rest = self.position // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Read a path below the log's prefix. Raises InvalidInput; a tile has one path only."""
        found = _PATH.fullmatch(path.removeprefix("tile/"))
        if found:
            level = None if found["level"] == "entries" else int(found["level"])
            position = int(found["place"].replace("x", "").replace("/", ""))
            tile = cls(level, position, int(found["width"] or WIDTH))
            if (
                tile.path == path
                and (level is None or level < 64)
                and (found["width"] is None or tile.width < WIDTH)
            ):
                return tile
        raise InvalidInput(
            f"{path[:80]!r} names no tile.",
            next_step="Write it as in C2SP tlog-tiles: tile/LEVEL/000 or tile/entries/x001/067.p/70.",
        )

    def fits(self, size: int) -> bool:
        """Tell whether a tree of *size* has as much of this tile."""
        return 0 <= self.position * WIDTH <= (size >> HEIGHT * (self.level or 0)) - self.width


class TileNodes:
    """The hashes of all complete subtrees of a tree of *size* (`merkle.Nodes`), from its tiles."""

    def __init__(self, tiles: Tiles, size: int) -> None:
        self.size = size
        self._tiles = tiles
        self._read: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        if index < 0 or (index + 1) << level > self.size:
            raise KeyError((level, index))
        tile_level, height = divmod(level, HEIGHT)
        position, offset = divmod(index << height, WIDTH)
        return perfect_root(self._tile(tile_level, position)[offset * HASH : (offset + (1 << height)) * HASH])

    def _tile(self, level: int, position: int) -> bytes:
        known = self._read.get((level, position))
        if known is None:
            width = min(WIDTH, (self.size >> HEIGHT * level) - position * WIDTH)
            known = self._read[level, position] = self._tiles.tile(level, position, width)
        return known


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile of a tree of *size*, the bundles of its entries too, as they are served."""
    for level, width in enumerate(widths(size)):
        full = size >> HEIGHT * (level + 1)
        for named in (None, 0) if level == 0 else (level,):
            yield from (Tile(named, position) for position in range(full))
            if width:
                yield Tile(named, full, width)


def bundle(entries: Sequence[bytes]) -> bytes:
    """Return *entries* each after its length in two bytes. Raises TooLong: the format ends at 65,535."""
    for data in entries:
        if len(data) > MAX_ENTRY:
            raise TooLong(
                f"An entry of {len(data)} bytes does not fit into a bundle.",
                next_step="Read these entries at /record/entries, where they stand one a line.",
            )
    return b"".join(len(data).to_bytes(2, "big") + data for data in entries)


def unbundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises IntegrityError when it is cut off."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise IntegrityError("A bundle of entries is cut off.", next_step="Fetch it again.")
        entries.append(data[at + 2 : end])
        at = end
    return entries

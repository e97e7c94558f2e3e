"""The right edge of a growing tree: all that has to be known to append to it and to tell its root."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from attrs import frozen

from emeritus.record.merkle import EMPTY_ROOT, pair_hash

WIDTH = 256
"""Hashes in a full tile (C2SP tlog-tiles)."""
HEIGHT = 8
"""Levels of the tree that a tile spans."""


@frozen
class FullTile:
    """A tile that became full: its 256 *hashes*, one after the other, and the *root* over them."""

    level: int
    position: int
    hashes: bytes
    root: bytes


class Edge:
    """A tree of *size* entries, of which only the tiles that are not full yet are known.

    Args:
        size: the number of entries.
        levels: the hashes in the last, partial tile of each level, from the leaves up.

    Raises:
        ValueError: *levels* are not those of a tree of *size*.
    """

    def __init__(self, size: int = 0, levels: Iterable[Sequence[bytes]] = ()) -> None:
        self.size = size
        self.levels = [list(hashes) for hashes in levels] or [[]]
        if [len(hashes) for hashes in self.levels] != widths(size):
            raise ValueError(f"these are not the partial tiles of a tree of {size}")
        # The roots of the perfect subtrees that the tree consists of, from the left: the largest first.
        self._perfect = [root for hashes in reversed(self.levels) for root in _perfect(hashes)]

    def append(self, leaf: bytes) -> list[FullTile]:
        """Add a leaf hash; return the tiles that it fills, from the leaves up."""
        self.levels[0].append(leaf)
        full: list[FullTile] = []
        digest, rest, level = leaf, self.size, 0
        while rest & 1:
            digest, rest, level = pair_hash(self._perfect.pop(), digest), rest >> 1, level + 1
            if level % HEIGHT == 0:
                full.append(self._fill(level // HEIGHT - 1, rest, digest))
        self._perfect.append(digest)
        self.size += 1
        return full

    def _fill(self, level: int, position: int, root: bytes) -> FullTile:
        hashes = b"".join(self.levels[level])
        self.levels[level] = []
        if level + 1 == len(self.levels):
            self.levels.append([])
        self.levels[level + 1].append(root)
        return FullTile(level, position, hashes, root)

    def root(self) -> bytes:
        """Return the tree hash (RFC 6962, 2.1)."""
        if not self._perfect:
            return EMPTY_ROOT
        digest = self._perfect[-1]
        for left in self._perfect[-2::-1]:
            digest = pair_hash(left, digest)
        return digest


def widths(size: int) -> list[int]:
    """Return how many hashes the partial tile of each level has in a tree of *size*, from the leaves up."""
    found = [size % WIDTH]
    while size := size >> HEIGHT:
        found.append(size % WIDTH)
    return found


def _perfect(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the roots of the perfect subtrees over *hashes*, the largest first."""
    found, begin = [], 0
    for height in range(HEIGHT, -1, -1):
        if len(hashes) >> height & 1:
            found.append(perfect_root(b"".join(hashes[begin : begin + (1 << height)])))
            begin += 1 << height
    return found


def perfect_root(hashes: bytes) -> bytes:
    """Return the hash over a power of two of hashes, given one after the other."""
    while len(hashes) > 32:
        hashes = b"".join(
            [sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)]
        )
    return hashes

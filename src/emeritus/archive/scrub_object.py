"""An object's stored bytes, checked as they pass by: nothing is decoded, so that no base is needed."""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
from attrs import field, frozen
from blake3 import blake3

from emeritus.archive.errors import BlobMissing, BlobUnreadable
from emeritus.archive.facts import CHECKSUM, LENGTH, MAGIC, ROW, damaged, missing, object_path
from emeritus.archive.ports import Blobs, Read

HEAD = 64 << 10
"""Bytes in which an object's header is: all else is read as it passes."""
_PIECE = 4 << 20


def _unwatched(_amount: int) -> None:
    """Watch nothing."""


class _Header(msgspec.Struct):
    length: int
    frame: int
    base: str | None = None


@frozen
class StoredFrames:
    """What an object says of its stored bytes: *base* it is a difference from, digests of what follows what."""

    digest: str
    size: int
    base: str | None
    _head: int = field(repr=False)
    _rows: tuple[tuple[int, bytes], ...] = field(repr=False)

    @classmethod
    def open(cls, blobs: Blobs, digest: str) -> "StoredFrames":
        """Read the header and the table of an object. Raises ObjectMissing, ObjectDamaged."""
        path = object_path(digest)
        try:
            first, size = blobs.peek(path, HEAD)
            return cls.parse(first, partial(blobs.get_range, path), size, digest)
        except BlobMissing:
            raise missing(digest) from None
        except BlobUnreadable as why:
            raise damaged(digest, why.sentence) from why

    @classmethod
    def parse(cls, first: bytes, read: Read, size: int, digest: str) -> "StoredFrames":
        """Read header and table of an object of *size* stored bytes, *first* being its first ones."""
        at = len(MAGIC) + LENGTH.size
        if len(first) < at or not first.startswith(MAGIC):
            raise damaged(digest, "it does not begin as an object does")
        (length,) = LENGTH.unpack_from(first, len(MAGIC))
        head = at + length
        try:
            header = msgspec.json.decode(first[at:head], type=_Header)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise damaged(digest, "its header cannot be read") from None
        if header.frame < 1 or header.length < 1:
            raise damaged(digest, "its header claims what cannot be")
        count = -(-header.length // header.frame)
        begin = size - CHECKSUM - count * ROW.size
        if begin < head:
            raise damaged(digest, "its table of frames is cut off")
        tail = read(begin, size)
        if blake3(first[:head] + tail[:-CHECKSUM]).digest() != tail[-CHECKSUM:]:
            raise damaged(digest, "its header or its table of frames was altered")
        rows = tuple((length, check) for _, length, check in ROW.iter_unpack(tail[:-CHECKSUM]))
        if sum(length for length, _ in rows) != begin - head:
            raise damaged(digest, "its frames do not fill it")
        return cls(digest, size, header.base, head, rows)

    def passing(self) -> "Passing":
        """Return what checks the stored bytes as they come by."""
        return Passing(self)

    def runs(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield lengths of what follows what, with the digest of each payload (None for what is no payload)."""
        yield self._head, None
        yield from self._rows
        yield len(self._rows) * ROW.size, None


def stored_bytes(
    blobs: Blobs, frames: StoredFrames, watch: Callable[[int], None] = _unwatched
) -> Iterator[bytes]:
    """Yield an object's stored bytes. Raises ObjectDamaged, at the end at the latest; ObjectMissing.

    *watch* is told how many bytes each piece has.
    """
    passing, path = frames.passing(), object_path(frames.digest)
    for start in range(0, frames.size, _PIECE):
        try:
            data = blobs.get_range(path, start, min(start + _PIECE, frames.size))
        except BlobMissing:
            raise missing(frames.digest) from None
        except BlobUnreadable as why:
            raise damaged(frames.digest, why.sentence) from why
        watch(len(data))
        passing.update(data)
        yield data
    passing.finish()


def stored_blake3(blobs: Blobs, digest: str, watch: Callable[[int], None] = _unwatched) -> str:
    """Check an object's stored digests; return the BLAKE3 of all its stored bytes. Raises as `stored_bytes`."""
    whole = blake3()
    for data in stored_bytes(blobs, StoredFrames.open(blobs, digest), watch):
        whole.update(data)
    return whole.hexdigest()


class Passing:
    """Fed all stored bytes of an object in order, tells at the end whether they are sound."""

    def __init__(self, frames: StoredFrames) -> None:
        self._digest = frames.digest
        self._runs = frames.runs()
        self._outer = blake3()
        self._rest = b""
        self._number = -1
        self._left = 0
        self._expected: bytes | None = None
        self._inner = blake3()
        self._next()

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises ObjectDamaged as soon as a frame is known to be altered."""
        view = memoryview(data)
        while view:
            if self._left == 0:
                self._rest += view
                return
            piece = view[: self._left]
            (self._inner if self._expected is not None else self._outer).update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]
            while self._left == 0 and self._next():
                pass

    def finish(self) -> None:
        """Say that this was all. Raises ObjectDamaged."""
        if self._left or self._rest != self._outer.digest():
            raise damaged(self._digest, "its header or its table of frames was altered")

    def _next(self) -> bool:
        """Go to the next run; False when there is none."""
        if self._expected is not None and self._inner.digest()[:16] != self._expected:
            raise damaged(self._digest, f"its frame {self._number - 1} was altered")
        self._expected = None
        run = next(self._runs, None)
        if run is None:
            return False
        self._left, self._expected = run
        self._inner = blake3()
        self._number += 1
        return True

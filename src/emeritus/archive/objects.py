"""Objects: the bytes of one tensor (or of a part of a file), compressed, addressed by their BLAKE3.

An object describes itself: a header, its frames, a table of the frames, a checksum of header and table.
It stands alone, or is a difference: some of its frames need what another object, its base, holds at the
same offset. It is written once (see `emeritus.archive.writing`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
from attrs import evolve, field, frozen
from blake3 import blake3

from emeritus.archive.codec import Undecodable, decode_into, ordered
from emeritus.archive.errors import BlobMissing, BlobUnreadable, ObjectDamaged, ObjectMissing
from emeritus.archive.facts import (
    CHECKSUM,
    FIRST_READ,
    MAX_DEPTH,
    ROW,
    Facts,
    Row,
    damaged,
    facts_of,
    head_of,
    missing,
    object_path,
    rows_of,
)
from emeritus.archive.ports import Blobs, Bytes, Read

AHEAD = 2  # frames under way beside the one in hand: what bounds memory
OpenBase: TypeAlias = Callable[[str, tuple[str, ...]], "StoredObject"]
"""Opens an object by its BLAKE3, knowing what is a difference from it (see `StoredObject.below`)."""


@frozen
class StoredObject:
    """An object in a store, opened: its header and table are sound, its frames are still to be read.

    *size* is the length of the blob. *below* names the objects that are differences from this one and
    led to it, outermost first.
    """

    facts: Facts
    size: int
    _rows: tuple[Row, ...] = field(repr=False)
    _read: Read = field(repr=False)
    _open: OpenBase = field(repr=False)
    below: tuple[str, ...] = ()
    _kept: "_Kept | None" = field(default=None, repr=False)

    @classmethod
    def open(cls, blobs: Blobs, digest: str, below: tuple[str, ...] = ()) -> "StoredObject":
        """Open the object with this BLAKE3.

        Raises:
            ObjectMissing: when it is not there.
            ObjectDamaged: when its header or table is not what was written.
        """
        path = object_path(digest)
        try:
            first, size = blobs.peek(path, FIRST_READ)
            return cls.parse(
                partial(blobs.get_range, path),
                size,
                digest,
                partial(cls.open, blobs),
                first=first,
                below=below,
            )
        except BlobMissing:
            raise missing(digest) from None
        except BlobUnreadable as why:
            raise damaged(digest, why.sentence) from why

    @classmethod
    def parse(
        cls,
        read: Read,
        size: int,
        digest: str,
        open_base: OpenBase,
        *,
        first: bytes | None = None,
        below: tuple[str, ...] = (),
    ) -> "StoredObject":
        """Read header and table of an object of *size* stored bytes, *first* being its first ones.

        Raises:
            ObjectDamaged: when they are not what was written.
        """
        try:
            if first is None:
                first = read(0, min(size, FIRST_READ))
            head = head_of(first, digest)
            facts = facts_of(head, digest)
            count = -(-facts.length // facts.frame)
            begin = size - CHECKSUM - count * ROW.size
            if begin < len(head):
                raise damaged(digest, "its table of frames is cut off")
            tail = first[begin:] if size == len(first) else read(begin, size)
        except (BlobUnreadable, BlobMissing) as why:
            raise damaged(digest, why.sentence) from why
        if blake3(head + tail[:-CHECKSUM]).digest() != tail[-CHECKSUM:]:
            raise damaged(digest, "its header or its table of frames was altered")
        rows = rows_of(tail[:-CHECKSUM], len(head), begin, digest)
        if facts.base is None and any(row.encoding.needs_base for row in rows):
            raise damaged(digest, "it is a difference and names no base")
        if size == len(first):  # all of it is in hand

            def read(start: int, end: int) -> bytes:
                return first[start:end]

        return cls(facts, size, rows, read, open_base, below)

    @property
    def frames(self) -> int:
        return len(self._rows)

    @property
    def keeps(self) -> bool:
        """Whether decoded frames are kept for whoever asks again."""
        return self._kept is not None

    def keeping(self, frames: int) -> "StoredObject":
        """Return the same object, which keeps as many decoded frames in memory for whoever asks again."""
        return evolve(self, kept=_Kept(frames))

    @cached_property
    def base(self) -> "StoredObject | None":
        """The base, opened. Raises ObjectMissing and ObjectDamaged, which name what depends on it."""
        if self.facts.base is None:
            return None
        chain = (*self.below, self.facts.blake3)
        if self.facts.base in chain or len(chain) > MAX_DEPTH:
            raise damaged(self.facts.blake3, f"more than {MAX_DEPTH} differences stand on each other")
        with _naming(self):
            return self._open(self.facts.base, chain)

    def length_of(self, number: int) -> int:
        """Return how many raw bytes the frame *number* holds."""
        return min(self.facts.frame, self.facts.length - number * self.facts.frame)

    def frame(self, number: int) -> bytes:
        """Return one decoded frame, checked against decay. Raises ObjectDamaged, ObjectMissing."""
        return bytes(self._frame(number))

    def _frame(self, number: int) -> memoryview:
        out = room(self.length_of(number))
        self.frame_into(number, out)
        return out

    def frame_into(self, number: int, out: memoryview, *, check: bool = True, scratch: int = 0) -> None:
        """Decode one frame into *out*, as long as the frame; *check* it against decay first.

        Raises:
            ObjectDamaged, ObjectMissing: when it cannot be had, or its base cannot.
        """
        row = self._rows[number]
        digest = self.facts.blake3
        try:
            payload = self._read(row.start, row.end)
        except (BlobUnreadable, BlobMissing) as why:
            raise damaged(digest, why.sentence) from why
        if check and blake3(payload).digest()[:16] != row.digest:
            raise damaged(digest, f"its frame {number} was altered")
        under = self._beneath(number, out, check=check, scratch=scratch) if row.encoding.needs_base else None
        try:
            decode_into(row.encoding, payload, out, under)
        except Undecodable as why:
            raise damaged(digest, f"its frame {number} cannot be decoded: {why}") from why

    def _beneath(self, number: int, out: memoryview, *, check: bool, scratch: int) -> memoryview:
        """Return what the base holds where *out* belongs: in *out* itself, where a frame of the base is as long."""
        base, at = self.base, number * self.facts.frame
        assert base is not None
        is_like = base.facts.frame == self.facts.frame and number < base.frames
        if base.keeps or not is_like or base.length_of(number) != len(out):
            return self.under(at, at + len(out), check=check, scratch=scratch)
        with _naming(self):
            base.frame_into(number, out, check=check, scratch=scratch)
        return out

    def under(self, start: int, end: int, *, check: bool = True, scratch: int = 0) -> memoryview:
        """Return what the base holds from *start* up to *end* (less, where it ends).

        The bytes are good until this thread asks again with this *scratch*.
        """
        base = self.base
        assert base is not None
        with _naming(self):
            return base.range(start, end, check=check, scratch=scratch)

    def range(self, start: int, end: int, *, check: bool = True, scratch: int = 0) -> memoryview:
        """Return the raw bytes from *start* up to *end* or the object's end.

        The bytes are good until this thread asks again with this *scratch*.
        """
        end = min(end, self.facts.length)
        if start >= end:
            return memoryview(b"")
        frame = self.facts.frame
        first, last = start // frame, -(-end // frame)
        origin = first * frame
        if self._kept and last == first + 1:
            return self._held(first, check=check, scratch=scratch)[start - origin : end - origin]
        out = _scratch(scratch, min(last * frame, self.facts.length) - origin)
        for number in range(first, last):
            at = number * frame - origin
            piece = out[at : at + self.length_of(number)]
            if self._kept:
                piece[:] = self._held(number, check=check, scratch=scratch)
            else:
                self.frame_into(number, piece, check=check, scratch=scratch + 1)
        return out[start - origin : end - origin]

    def lasting(self, start: int, end: int) -> Bytes:
        """Return what `range` does, good for as long as it is held on to."""
        view = self.range(start, end)
        return view if view.readonly else bytes(view)

    def _held(self, number: int, *, check: bool, scratch: int) -> memoryview:
        """Return one decoded frame from those that are kept, where it then is."""
        assert self._kept is not None
        held = self._kept.get(number)
        if held is None:
            out = room(self.length_of(number))
            self.frame_into(number, out, check=check, scratch=scratch + 1)
            held = out.toreadonly()
            self._kept.put(number, held)
        return held

    def whole(self, pool: Executor | None = None) -> Iterator[memoryview]:
        """Yield all raw bytes, and raise ObjectDamaged at the end when they are not what was stored."""
        hasher = blake3()
        for raw in self._frames(range(self.frames), pool):
            hasher.update(raw)
            yield raw
        if hasher.hexdigest() != self.facts.blake3:
            if self.base is not None:  # whose fault is it?
                with _naming(self):
                    for _ in self.base.whole(pool):
                        pass
            raise damaged(self.facts.blake3, "it decodes to other bytes")

    def check(self, facts: Facts, pool: Executor | None = None) -> None:
        """Read everything back and compare. Raises ObjectDamaged, ObjectMissing."""
        if (self.facts.sha256, self.facts.length) != (facts.sha256, facts.length):
            raise damaged(self.facts.blake3, "its header tells other facts than its bytes do")
        for _ in self.whole(pool):
            pass

    def _frames(self, numbers: Sequence[int], pool: Executor | None) -> Iterator[memoryview]:
        if pool is None or len(numbers) == 1:
            return map(self._frame, numbers)
        return ordered(pool, self._frame, numbers, AHEAD)


class _Kept:
    """A few decoded frames, the oldest of which makes room for the next."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: dict[int, memoryview] = {}
        self._lock = threading.Lock()

    def get(self, number: int) -> memoryview | None:
        return self._frames.get(number)

    def put(self, number: int, raw: memoryview) -> None:
        with self._lock:
            while len(self._frames) >= self._limit:
                del self._frames[next(iter(self._frames))]
            self._frames[number] = raw


def room(length: int) -> memoryview:
    """Return *length* bytes that hold anything: zeros would be written with the interpreter's lock held."""
    return np.empty(length, np.uint8).data


_spare = threading.local()


def _scratch(level: int, length: int) -> memoryview:
    """Return *length* bytes that this thread uses again and again, other ones at each *level*."""
    held: dict[int, bytearray] = _spare.__dict__.setdefault("held", {})
    if level not in held or len(held[level]) < length:
        held[level] = bytearray(max(length, 2 << 20))
    return memoryview(held[level])[:length]


@contextmanager
def _naming(dependent: StoredObject) -> Iterator[None]:
    """Have errors about a base say what depends on it."""
    try:
        yield
    except (ObjectDamaged, ObjectMissing) as why:
        digest = dependent.facts.blake3
        if why.object == digest:
            raise
        told = type(why)(f"{why.sentence} The object {digest} depends on it.", next_step=why.next_step)
        told.object = why.object
        raise told from why

"""What a parity file looks like: which blob it is of, how that is cut into blocks, a digest of each block.

The head and the digests stand at both ends of the file, so that no single hole in it takes them away.
"""

import struct
from collections.abc import Iterator
from functools import cached_property

import msgspec
from attrs import field, frozen
from blake3 import blake3

from emeritus.archive.errors import BlobUnreadable, ParityDamaged
from emeritus.archive.parity_code import Code
from emeritus.archive.ports import Read
from emeritus.core.digests import canonical

MAGIC = b"EMRPAR\x00\x01"
VERSION = 1
FOLDER = "parity"
LARGE_BLOCK, SMALL_BLOCK = 4096, 512
LARGE = 512 << 10
"""A blob from so many bytes on is cut into large blocks."""
ROW = 256 << 10
"""Bytes of one row of a segment, at most: what bounds memory, and how long a hole may be."""
DIGEST = 8
"""Bytes of BLAKE3 kept of each block: enough to find decay; the whole is compared in full at the end."""

_LENGTH = struct.Struct("<I")
_CHECKSUM = 32
MAX_HEAD = 4096
_MAX_SIZE = 1 << 40


@frozen
class Segment:
    """A run of the blob's bytes that is coded together. Block *q* belongs to stripe ``q % stripes``."""

    start: int
    end: int
    stripes: int
    block: int

    @property
    def width(self) -> int:
        """Bytes of a row: one block of each stripe."""
        return self.stripes * self.block

    @property
    def blocks(self) -> int:
        """How many blocks hold data."""
        return -(-(self.end - self.start) // self.block)


class _Fields(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    path: str
    size: int
    blake3: str
    block: int
    data: int
    parity: int
    stripes: int


@frozen(slots=False)
class Head:
    """What a parity file says of itself. *path*: the blob it is of, with its length and BLAKE3 as stored."""

    path: str
    size: int
    blake3: str
    block: int
    code: Code
    stripes: int

    @classmethod
    def of(cls, path: str, size: int, digest: str, code: Code) -> "Head":
        """Choose the block's length for a blob of *size* bytes."""
        block = LARGE_BLOCK if size >= LARGE else SMALL_BLOCK
        return cls(path, size, digest, block, code, ROW // block)

    @classmethod
    def parse(cls, first: bytes) -> "Head | None":
        """Read what a parity file begins with; None when it is no sound head."""
        at = len(MAGIC) + _LENGTH.size
        if len(first) < at or not first.startswith(MAGIC):
            return None
        (length,) = _LENGTH.unpack_from(first, len(MAGIC))
        end = at + length
        if end + _CHECKSUM > len(first) or blake3(first[:end]).digest() != first[end : end + _CHECKSUM]:
            return None
        try:
            told = msgspec.json.decode(first[at:end], type=_Fields)
            code = Code(told.data, told.parity)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return None
        possible = (
            told.version == VERSION
            and 1 <= told.size <= _MAX_SIZE
            and told.block in (SMALL_BLOCK, LARGE_BLOCK)
            and 1 <= told.stripes <= ROW // told.block
        )
        return cls(told.path, told.size, told.blake3, told.block, code, told.stripes) if possible else None

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        step = self.stripes * self.code.data * self.block
        return tuple(
            self._segment(start, min(start + step, self.size)) for start in range(0, self.size, step)
        )

    def _segment(self, start: int, end: int) -> Segment:
        return Segment(start, end, -(-(end - start) // (self.code.data * self.block)), self.block)

    @property
    def rows_size(self) -> int:
        """Bytes of all parity rows."""
        return sum(self.code.parity * segment.width for segment in self.segments)

    @property
    def digests_size(self) -> int:
        """Bytes of all digests: for each segment, of its data blocks and then of its parity blocks."""
        return DIGEST * sum(segment.blocks + self.code.parity * segment.stripes for segment in self.segments)

    def encode(self) -> bytes:
        data = canonical(
            {
                "version": VERSION,
                "path": self.path,
                "size": self.size,
                "blake3": self.blake3,
                "block": self.block,
                "data": self.code.data,
                "parity": self.code.parity,
                "stripes": self.stripes,
            }
        )
        head = MAGIC + _LENGTH.pack(len(data)) + data
        return head + blake3(head).digest()


def block_digests(data: memoryview, block: int) -> list[bytes]:
    """Return the digest of each block of *data*; the last block may be short."""
    return [blake3(data[start : start + block]).digest(DIGEST) for start in range(0, len(data), block)]


def ends(head: Head, digests: bytes) -> tuple[bytes, bytes]:
    """Return what stands before the rows, and what stands after them."""
    both = head.encode() + digests + blake3(digests).digest()
    return both, both + _LENGTH.pack(len(both) + _LENGTH.size)


@frozen
class ParityFile:
    """A parity file, opened: one of its heads is sound; each block of the rest speaks for itself."""

    head: Head
    path: str
    size: int
    _digests: tuple[bytes, ...] = field(repr=False)
    _read: Read = field(repr=False)

    @classmethod
    def parse(cls, read: Read, size: int, path: str) -> "ParityFile":
        """Read a parity file of *size* bytes from whichever of its ends is sound. Raises ParityDamaged."""
        for start in _starts(read, size):
            head = Head.parse(patient_read(read, start, min(size, start + MAX_HEAD), SMALL_BLOCK, size))
            if head is not None:
                tables = [
                    patient_read(read, at, at + head.digests_size, SMALL_BLOCK, size)
                    for at in (_digests_at(head), _digests_at(head, last=True))
                ]
                return cls(head, path, size, tuple(tables), read)
        raise damaged(path, "neither of its heads can be read")

    def digests(self, segment: Segment, number: int) -> set[bytes]:
        """Return what the digest of a block may be: of a data block, and then of a parity block."""
        at = DIGEST * (self._blocks_before(segment) + number)
        return {table[at : at + DIGEST] for table in self._digests}

    def rows(self, segment: Segment) -> bytes:
        """Return the parity rows of *segment* as they stand there; what cannot be read is zero."""
        at = _rows_at(self.head) + sum(
            self.head.code.parity * each.width for each in self.head.segments if each.start < segment.start
        )
        end = at + self.head.code.parity * segment.width
        return patient_read(self._read, at, end, segment.block, self.size)

    def wrong(self) -> str | None:
        """Read all of it, and say what is wrong with it, if anything is."""
        first, last = ends(self.head, self._digests[0])
        if self.size != len(first) + self.head.rows_size + len(last):
            return "it has another length than it should"
        try:
            if self._read(0, len(first)) != first or self._read(self.size - len(last), self.size) != last:
                return "one of its ends was altered"
        except BlobUnreadable as why:
            return why.sentence.rstrip(".")
        for segment in self.head.segments:
            rows = memoryview(self.rows(segment))
            for number, digest in enumerate(block_digests(rows, segment.block)):
                if digest not in self.digests(segment, segment.blocks + number):
                    return f"its block {number} for the bytes from {segment.start} on was altered"
        return None

    def _blocks_before(self, segment: Segment) -> int:
        return sum(
            each.blocks + self.head.code.parity * each.stripes
            for each in self.head.segments
            if each.start < segment.start
        )


def patient_read(read: Read, start: int, end: int, step: int, size: int) -> bytes:
    """Return these bytes of a blob of *size*; zeros where it has ended, or the store cannot read it."""
    if start >= size or start >= end:
        return bytes(max(0, end - start))
    if end > size:
        return patient_read(read, start, size, step, size) + bytes(end - size)
    try:
        return read(start, end)
    except BlobUnreadable:
        if end - start <= step:
            return bytes(end - start)
    half = start + -(-(end - start) // 2 // step) * step
    return patient_read(read, start, half, step, size) + patient_read(read, half, end, step, size)


def _digests_at(head: Head, *, last: bool = False) -> int:
    first = len(head.encode())
    return first if not last else 2 * first + head.digests_size + _CHECKSUM + head.rows_size


def _rows_at(head: Head) -> int:
    return len(head.encode()) + head.digests_size + _CHECKSUM


def _starts(read: Read, size: int) -> Iterator[int]:
    yield 0
    if size > _LENGTH.size:
        (length,) = _LENGTH.unpack(patient_read(read, size - _LENGTH.size, size, 1, size))
        if 0 < length < size:
            yield size - length


def damaged(path: str, wrong: str) -> ParityDamaged:
    """Say that the parity file at *path* is damaged."""
    return ParityDamaged(
        f"The parity file {path} is damaged: {wrong}.",
        next_step="`emeritus archive protect --all` writes it anew when the object that it protects is sound.",
    )

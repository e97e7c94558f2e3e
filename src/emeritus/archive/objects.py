"""Objects: the bytes of one tensor (or of a part of a file), compressed, addressed by their BLAKE3.

An object describes itself: a header, its frames, a table of the frames, a checksum of header and table.
It is written once, and becomes visible only after it was read back, decoded and compared.
"""

import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any

import msgspec
from attrs import field, frozen
from blake3 import blake3

from emeritus.archive.codec import (
    MAX_FRAME,
    Encoding,
    Scheme,
    Undecodable,
    decode,
    encode,
    ordered,
)
from emeritus.archive.errors import BlobMissing, BlobUnreadable, ObjectDamaged, ObjectMissing
from emeritus.archive.ports import Blobs, Bytes, Read
from emeritus.core.digests import canonical

MAGIC = b"EMROBJ\x00\x01"
VERSION = 1
FOLDER = "objects"
AHEAD = 2  # frames under way beside the one in hand: what bounds memory
_LENGTH = struct.Struct("<I")
_ROW = struct.Struct("<B3xI16s")
_CHECKSUM = 32
_FIRST_READ = 64 << 10
_MAX_HEADER = 16 << 10


@frozen
class Facts:
    """What an object says of itself; digests in hexadecimal, sizes in bytes.

    *dtype* is a hint by the first writer (the same bytes may stand under other names elsewhere).
    """

    blake3: str
    sha256: str
    length: int
    dtype: str
    frame: int


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    blake3: str
    sha256: str
    length: int
    dtype: str
    frame: int
    base: None  # reserved: the object that this one is a difference from


@frozen
class _Row:
    encoding: Encoding
    start: int
    end: int
    digest: bytes


def object_path(digest: str) -> str:
    """Return the blob path of the object whose raw bytes have the BLAKE3 *digest* (hexadecimal)."""
    return f"{FOLDER}/{digest[:2]}/{digest}"


def write(
    blobs: Blobs,
    facts: Facts,
    scheme: Scheme,
    read: Read,
    changed: Callable[[], Exception],
    *,
    pool: Executor,
    replace: bool = False,
) -> bool:
    """Encode the bytes that *read* gives into the store; True when the object is new.

    Raises:
        Exception: what *changed* returns, when the bytes read are not those that *facts* describe.
        ObjectDamaged: when the store gives back other bytes than it was given; nothing is kept.
    """
    path = object_path(facts.blake3)
    chunks = _encoded(facts, scheme, read, changed, pool)
    check = partial(_check, facts, pool)
    if replace:
        blobs.replace(path, chunks, check=check)
        return True
    return blobs.put_if_absent(path, chunks, check=check)


def _encoded(
    facts: Facts, scheme: Scheme, read: Read, changed: Callable[[], Exception], pool: Executor
) -> Iterator[Bytes]:
    header = canonical(
        {
            "version": VERSION,
            "blake3": facts.blake3,
            "sha256": facts.sha256,
            "length": facts.length,
            "dtype": facts.dtype,
            "frame": facts.frame,
            "base": None,
        }
    )
    head = MAGIC + _LENGTH.pack(len(header)) + header
    yield head
    hasher = blake3()

    def frames() -> Iterator[bytes]:
        for start in range(0, facts.length, facts.frame):
            raw = read(start, min(start + facts.frame, facts.length))
            hasher.update(raw)
            yield raw

    rows = []
    for used, payload in ordered(pool, partial(encode, scheme), frames(), AHEAD):
        rows.append(_ROW.pack(used, len(payload), blake3(payload).digest()[:16]))
        yield payload
    if hasher.hexdigest() != facts.blake3:
        raise changed()
    table = b"".join(rows)
    yield table + blake3(head + table).digest()


def _check(facts: Facts, pool: Executor, read: Read, size: int) -> None:
    StoredObject.parse(read, size, facts.blake3).check(facts, pool)


@frozen
class StoredObject:
    """An object in a store, opened: its header and table are sound, its frames are still to be read."""

    facts: Facts
    _rows: tuple[_Row, ...] = field(repr=False)
    _read: Read = field(repr=False)

    @classmethod
    def open(cls, blobs: Blobs, digest: str) -> "StoredObject":
        """Open the object with this BLAKE3.

        Raises:
            ObjectMissing: when it is not there.
            ObjectDamaged: when its header or table is not what was written.
        """
        path = object_path(digest)
        try:
            return cls.parse(partial(blobs.get_range, path), blobs.size(path), digest)
        except BlobMissing:
            raise ObjectMissing(
                f"The object {digest} is missing from the store.",
                next_step="Repair it from a replica, or archive the model again from its source.",
            ) from None

    @classmethod
    def parse(cls, read: Read, size: int, digest: str) -> "StoredObject":
        """Read header and table of an object of *size* stored bytes. Raises ObjectDamaged."""
        try:
            first = read(0, min(size, _FIRST_READ))
        except BlobUnreadable as why:
            raise _damaged(digest, why.sentence) from why
        at = len(MAGIC) + _LENGTH.size
        if len(first) < at or not first.startswith(MAGIC):
            raise _damaged(digest, "it does not begin as an object does")
        (length,) = _LENGTH.unpack_from(first, len(MAGIC))
        if length > _MAX_HEADER or at + length > len(first):
            raise _damaged(digest, "its header is cut off")
        head = first[: at + length]
        facts = _facts(head[at:], digest)
        count = -(-facts.length // facts.frame)
        begin = size - _CHECKSUM - count * _ROW.size
        if begin < len(head):
            raise _damaged(digest, "its table of frames is cut off")
        try:
            tail = first[begin:] if size == len(first) else read(begin, size)
        except BlobUnreadable as why:
            raise _damaged(digest, why.sentence) from why
        if blake3(head + tail[:-_CHECKSUM]).digest() != tail[-_CHECKSUM:]:
            raise _damaged(digest, "its header or its table of frames was altered")
        return cls(facts, _rows(tail[:-_CHECKSUM], len(head), begin, digest), read)

    @property
    def frames(self) -> int:
        return len(self._rows)

    def frame(self, number: int) -> bytes:
        """Return one decoded frame, checked against decay. Raises ObjectDamaged."""
        row = self._rows[number]
        digest = self.facts.blake3
        try:
            payload = self._read(row.start, row.end)
        except (BlobUnreadable, BlobMissing) as why:
            raise _damaged(digest, why.sentence) from why
        if blake3(payload).digest()[:16] != row.digest:
            raise _damaged(digest, f"its frame {number} was altered")
        length = min(self.facts.frame, self.facts.length - number * self.facts.frame)
        try:
            return decode(row.encoding, payload, length)
        except Undecodable as why:
            raise _damaged(digest, f"its frame {number} cannot be decoded: {why}") from why

    def whole(self, pool: Executor) -> Iterator[bytes]:
        """Yield all raw bytes, and raise ObjectDamaged at the end when they are not what was stored."""
        hasher = blake3()
        for raw in ordered(pool, self.frame, range(self.frames), AHEAD):
            hasher.update(raw)
            yield raw
        if hasher.hexdigest() != self.facts.blake3:
            raise _damaged(self.facts.blake3, "it decodes to other bytes")

    def check(self, facts: Facts, pool: Executor) -> None:
        """Read everything back and compare. Raises ObjectDamaged."""
        if (self.facts.sha256, self.facts.length) != (facts.sha256, facts.length):
            raise _damaged(self.facts.blake3, "its header tells other facts than its bytes do")
        for _ in self.whole(pool):
            pass

    def slice(self, start: int, end: int, pool: Executor) -> Iterator[bytes]:
        """Yield the raw bytes from *start* up to *end*, frame by frame, each checked against decay."""
        frame = self.facts.frame
        numbers = range(start // frame, -(-end // frame)) if end > start else range(0)
        for number, raw in zip(numbers, ordered(pool, self.frame, numbers, AHEAD), strict=True):
            at = number * frame
            yield raw[max(0, start - at) : min(len(raw), end - at)]


def _facts(data: bytes, digest: str) -> Facts:
    try:
        header = msgspec.json.decode(data, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _damaged(digest, "its header cannot be read") from None
    if header.version != VERSION:
        raise _damaged(digest, f"its version is {header.version}, which this Emeritus does not know")
    if header.blake3 != digest:
        raise _damaged(digest, f"it calls itself {header.blake3[:64]!r}")
    if header.length < 1 or not 1 <= header.frame <= MAX_FRAME:
        raise _damaged(digest, "its header claims what cannot be")
    return Facts(header.blake3, header.sha256, header.length, header.dtype, header.frame)


def _rows(table: bytes, start: int, end: int, digest: str) -> tuple[_Row, ...]:
    rows = []
    for encoding, length, check in _ROW.iter_unpack(table):
        try:
            known = Encoding(encoding)
        except ValueError:
            raise _damaged(digest, f"it uses the encoding {encoding}, unknown to this Emeritus") from None
        rows.append(_Row(known, start, start + length, check))
        start += length
    if start != end:
        raise _damaged(digest, "its frames do not fill it")
    return tuple(rows)


def _damaged(digest: str, wrong: Any) -> ObjectDamaged:
    return ObjectDamaged(
        f"The object {digest} is damaged: {str(wrong).rstrip('.')}.",
        next_step="Repair it from a replica, or archive the model again from its source.",
    )

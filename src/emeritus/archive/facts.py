"""What an object says of itself: its header, its table of frames, and what it is a difference from."""

import re
import struct
from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
from attrs import frozen

from emeritus.archive.codec import MAX_FRAME, Encoding
from emeritus.archive.errors import BlobMissing, BlobUnreadable, ObjectDamaged, ObjectMissing
from emeritus.archive.ports import Blobs
from emeritus.archive.several import several
from emeritus.core.digests import canonical

MAGIC = b"EMROBJ\x00\x01"
VERSION = 1
FOLDER = "objects"
MAX_DEPTH = 2
"""Longest chain of differences: one on another on one that stands alone."""
LENGTH = struct.Struct("<I")
ROW = struct.Struct("<B3xI16s")
CHECKSUM = 32
FIRST_READ = 256 << 10
"""Bytes asked for when an object is opened: many a whole object, so that it takes one look instead of three."""
_MAX_HEADER = 16 << 10
_HEX64 = re.compile(r"[0-9a-f]{64}")
_REPAIR = "Repair it from a replica, or archive the model again from its source."


@frozen
class Facts:
    """What an object says of itself; digests in hexadecimal, sizes in bytes.

    *dtype* is a hint by the first writer (the same bytes may stand under other names elsewhere). *base*
    is the object that this one is a difference from, and *depth* how many bases stood below it when it
    was written: 0 when it stands alone.
    """

    blake3: str
    sha256: str
    length: int
    dtype: str
    frame: int
    base: str | None = None
    depth: int = 0

    def head(self) -> bytes:
        """Return the bytes that an object with these facts begins with."""
        header = canonical(
            {
                "version": VERSION,
                "blake3": self.blake3,
                "sha256": self.sha256,
                "length": self.length,
                "dtype": self.dtype,
                "frame": self.frame,
                "base": self.base,
                **({"depth": self.depth} if self.base else {}),
            }
        )
        return MAGIC + LENGTH.pack(len(header)) + header


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    blake3: str
    sha256: str
    length: int
    dtype: str
    frame: int
    base: str | None
    depth: int = 0


@frozen
class Row:
    """Where in its object a frame lies, how it is encoded, and what its bytes hash to."""

    encoding: Encoding
    start: int
    end: int
    digest: bytes


def object_path(digest: str) -> str:
    """Return the blob path of the object whose raw bytes have the BLAKE3 *digest* (hexadecimal)."""
    return f"{FOLDER}/{digest[:2]}/{digest}"


def read_facts(blobs: Blobs, digest: str) -> Facts:
    """Return what the header of an object says; the rest of it is not looked at.

    Raises:
        ObjectMissing: when it is not there.
        ObjectDamaged: when its header cannot be read.
    """
    try:
        first, _ = blobs.peek(object_path(digest), 4096)
        return facts_of(head_of(first, digest), digest)
    except BlobMissing:
        raise missing(digest) from None
    except BlobUnreadable as why:
        raise damaged(digest, why.sentence) from why


def bases(blobs: Blobs, digests: Iterable[str], threads: int = 8) -> dict[str, str]:
    """Return which of the objects *digests*, and of their bases, is a difference from which other.

    Looks at every header once, where that takes long at several at a time.

    Raises:
        ObjectMissing: when one of them is not there.
        ObjectDamaged: when a header cannot be read, or more than `MAX_DEPTH` stand on each other.
    """
    found: dict[str, str] = {}
    level = list(dict.fromkeys(digests))
    seen = set(level)
    for _ in range(MAX_DEPTH + 1):
        told = {f.blake3: f.base for f in several(partial(read_facts, blobs), level, threads) if f.base}
        found |= told
        level = sorted(set(told.values()) - seen)
        seen |= set(level)
    if level:
        raise damaged(level[0], f"more than {MAX_DEPTH} differences stand on each other")
    return found


def needed(blobs: Blobs, digests: Iterable[str]) -> frozenset[str]:
    """Return the objects *digests* and all that they stand on today. Raises as `bases` does."""
    wanted = list(digests)
    return frozenset((*wanted, *bases(blobs, wanted).values()))


def head_of(first: bytes, digest: str) -> bytes:
    """Return the part of an object's *first* bytes that ends with its header."""
    at = len(MAGIC) + LENGTH.size
    if len(first) < at or not first.startswith(MAGIC):
        raise damaged(digest, "it does not begin as an object does")
    (length,) = LENGTH.unpack_from(first, len(MAGIC))
    if length > _MAX_HEADER or at + length > len(first):
        raise damaged(digest, "its header is cut off")
    return first[: at + length]


def facts_of(head: bytes, digest: str) -> Facts:
    """Read the header of an object. Raises ObjectDamaged."""
    try:
        header = msgspec.json.decode(head[len(MAGIC) + LENGTH.size :], type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise damaged(digest, "its header cannot be read") from None
    if header.version != VERSION:
        raise damaged(digest, f"its version is {header.version}, which this Emeritus does not know")
    if header.blake3 != digest:
        raise damaged(digest, f"it calls itself {header.blake3[:64]!r}")
    based = header.base is not None
    if (
        header.length < 1
        or not 1 <= header.frame <= MAX_FRAME
        or not int(based) <= header.depth <= based * MAX_DEPTH
        or (header.base is not None and not _HEX64.fullmatch(header.base))
    ):
        raise damaged(digest, "its header claims what cannot be")
    return Facts(
        header.blake3, header.sha256, header.length, header.dtype, header.frame, header.base, header.depth
    )


def rows_of(table: bytes, start: int, end: int, digest: str) -> tuple[Row, ...]:
    """Read the table of an object whose frames fill it from *start* to *end*. Raises ObjectDamaged."""
    rows = []
    for encoding, length, check in ROW.iter_unpack(table):
        try:
            known = Encoding(encoding)
        except ValueError:
            raise damaged(digest, f"it uses the encoding {encoding}, unknown to this Emeritus") from None
        rows.append(Row(known, start, start + length, check))
        start += length
    if start != end:
        raise damaged(digest, "its frames do not fill it")
    return tuple(rows)


def damaged(digest: str, wrong: Any) -> ObjectDamaged:
    """Return the error that says what is *wrong* with an object."""
    error = ObjectDamaged(f"The object {digest} is damaged: {str(wrong).rstrip('.')}.", next_step=_REPAIR)
    error.object = digest
    return error


def missing(digest: str) -> ObjectMissing:
    """Return the error that says that an object is gone."""
    error = ObjectMissing(f"The object {digest} is missing from the store.", next_step=_REPAIR)
    error.object = digest
    return error

"""Objects on their way into a store: encoded, read back, decoded and compared before they are visible."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from functools import partial

from attrs import evolve, frozen
from blake3 import blake3

from emeritus.archive.codec import ZSTD, Encoding, Scheme, encode, ordered
from emeritus.archive.facts import MAX_DEPTH, ROW, Facts, damaged, object_path
from emeritus.archive.objects import AHEAD, StoredObject
from emeritus.archive.ports import Blobs, Bytes, Put, Read


@frozen
class Writing:
    """An object to write: its facts, how it is to be encoded, and where its raw bytes come from.

    *base* is what it becomes a difference from, if its scheme needs one. *replace* what is there; then it
    must not come to stand on more bases than before, because others may be differences from it. What was
    stored is read back and compared *readings* times, once by its BLAKE3, then by its SHA-256.
    """

    facts: Facts
    scheme: Scheme
    read: Read
    base: StoredObject | None = None
    replace: bool = False
    readings: int = 1

    @property
    def path(self) -> str:
        return object_path(self.facts.blake3)

    @property
    def alone(self) -> "Writing":
        """The same object, without a base."""
        scheme = (self.scheme.alone or ZSTD) if self.scheme.needs_base else self.scheme
        return evolve(self, scheme=scheme, base=None, facts=evolve(self.facts, base=None, depth=0))

    @property
    def ready(self) -> "Writing":
        """The same object, its facts telling of its base."""
        if self.base is None or not self.scheme.needs_base:
            return self.alone
        below = self.base.facts
        assert below.depth < MAX_DEPTH
        return evolve(self, facts=evolve(self.facts, base=below.blake3, depth=below.depth + 1))


def can_be_base(facts: Facts) -> bool:
    """Tell whether a difference from an object may be written."""
    return facts.depth < MAX_DEPTH


def write(blobs: Blobs, writing: Writing, pool: Executor) -> tuple[bool, int]:
    """Encode an object into the store, frame by frame; tell whether it is new, and its stored size.

    Raises:
        ObjectDamaged, ObjectMissing: when what was stored is not what the facts tell of (because the
            store, or what was read, is not as it should be), or the base is not (``object`` tells
            which); nothing is kept.
    """
    writing = writing.ready
    size = 0

    def counted() -> Iterator[Bytes]:
        nonlocal size
        for chunk in _chunks(writing, pool):
            size += len(chunk)
            yield chunk

    check = partial(_check, writing, pool)
    if writing.replace:
        blobs.replace(writing.path, counted(), check=check)
        return True, size
    return blobs.put_if_absent(writing.path, counted(), check=check), size


def in_memory(writing: Writing) -> tuple[Put, bool]:
    """Return a small object encoded, to be put together with others, and whether it is a difference.

    Raises as `write` does.
    """
    writing = writing.ready
    chunks = list(_chunks(writing, None))
    if writing.base is not None and not _uses_base(chunks[-1]):
        writing = writing.alone
        chunks[0] = writing.facts.head()
        chunks[-1] = _tail(chunks[0], chunks[-1][:-32])
    put = Put(writing.path, [b"".join(chunks)], partial(_check, writing, None), writing.replace)
    return put, writing.base is not None


def _chunks(writing: Writing, pool: Executor | None) -> Iterator[bytes]:
    facts, base = writing.facts, writing.base
    head = facts.head()
    yield head
    base_hasher = blake3()
    rows = []
    starts = range(0, facts.length, facts.frame)
    work = partial(_encoded, writing)
    done: Iterable[tuple[Bytes | None, bytes, bytes]]
    done = map(work, starts) if pool is None or len(starts) == 1 else ordered(pool, work, starts, AHEAD)
    for below, row, payload in done:
        if below:
            base_hasher.update(below)
        rows.append(row)
        yield payload
    if base is not None:
        for start in range(facts.length, base.facts.length, base.facts.frame):
            base_hasher.update(base.range(start, start + base.facts.frame))
        if base_hasher.hexdigest() != base.facts.blake3:
            raise damaged(base.facts.blake3, "it decodes to other bytes")
    yield _tail(head, b"".join(rows))


def _encoded(writing: Writing, start: int) -> tuple[Bytes | None, bytes, bytes]:
    """Read and encode the frame at *start*: the base's bytes, its row, its payload."""
    end = min(start + writing.facts.frame, writing.facts.length)
    raw = writing.read(start, end)
    below = None
    if writing.base is not None and start < writing.base.facts.length:
        below = writing.base.lasting(start, end)
    encoding, payload = encode(writing.scheme, raw, below)
    return below, ROW.pack(encoding, len(payload), blake3(payload).digest()[:16]), payload


def _tail(head: bytes, table: bytes) -> bytes:
    return table + blake3(head + table).digest()


def _uses_base(tail: bytes) -> bool:
    return any(Encoding(encoding).needs_base for encoding, _, _ in ROW.iter_unpack(tail[:-32]))


def _check(writing: Writing, pool: Executor | None, read: Read, size: int) -> None:
    def base(digest: str, _below: tuple[str, ...]) -> StoredObject:
        assert writing.base is not None
        assert digest == writing.base.facts.blake3
        return writing.base

    stored = StoredObject.parse(read, size, writing.facts.blake3, base)
    stored.check(writing.facts, pool)
    if writing.readings > 1:
        sha = hashlib.sha256()
        for raw in StoredObject.parse(read, size, writing.facts.blake3, base).whole(pool):
            sha.update(raw)
        if sha.hexdigest() != writing.facts.sha256:
            raise damaged(writing.facts.blake3, "it has another SHA-256 than its header tells")

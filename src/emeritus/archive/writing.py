"""Objects on their way into a store: encoded, decoded again, read back and compared before they are visible."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from itertools import accumulate

from attrs import evolve, frozen
from blake3 import blake3

from emeritus.archive.codec import ZSTD, Encoding, Scheme, Undecodable, decode_into, encode, ordered
from emeritus.archive.errors import BlobMissing, BlobUnreadable, ObjectDamaged
from emeritus.archive.facts import CHECKSUM, MAX_DEPTH, ROW, Facts, damaged, object_path
from emeritus.archive.objects import AHEAD, StoredObject, room
from emeritus.archive.ports import Blobs, Bytes, Put, Read


@frozen
class Writing:
    """An object to write: its facts, how it is to be encoded, and where its raw bytes come from.

    *base* is what it becomes a difference from, if its scheme needs one. *replace* what is there; then it
    must not come to stand on more bases than before, because others may be differences from it. What was
    stored is read back and compared with what was written; with two *readings* it is then read, decoded and
    compared with its SHA-256 too.
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
    size, head, tail = 0, b"", b""

    def counted() -> Iterator[Bytes]:
        nonlocal size, head, tail
        for chunk in _chunks(writing, pool):
            size, head, tail = size + len(chunk), head or chunk, chunk
            yield chunk

    def check(read: Read, there: int) -> None:
        with _readable(writing.facts.blake3):
            if there != size or not _is_same(head, tail, size, pool, read):
                raise _other_bytes(writing.facts.blake3)
        if writing.readings > 1:
            _check_again(writing, pool, read, size)

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
        chunks[-1] = _tail(chunks[0], chunks[-1][:-CHECKSUM])
    data = b"".join(chunks)

    def check(read: Read, size: int) -> None:
        with _readable(writing.facts.blake3):
            if size != len(data) or read(0, size) != data:
                raise _other_bytes(writing.facts.blake3)

    return Put(writing.path, [data], check, writing.replace), writing.base is not None


def _chunks(writing: Writing, pool: Executor | None) -> Iterator[bytes]:
    """Yield head, payloads and tail of an object, each payload after it was decoded again."""
    facts, base = writing.facts, writing.base
    head = facts.head()
    yield head
    hasher, base_hasher = blake3(), blake3()
    rows = []
    starts = range(0, facts.length, facts.frame)
    work = partial(_encoded, writing)
    done: Iterable[_Encoded]
    done = map(work, starts) if pool is None or len(starts) == 1 else ordered(pool, work, starts, AHEAD)
    for frame in done:
        if frame.below:
            base_hasher.update(frame.below)
        hasher.update(frame.back)
        rows.append(frame.row)
        yield frame.payload
    if base is not None:
        for start in range(facts.length, base.facts.length, base.facts.frame):
            base_hasher.update(base.range(start, start + base.facts.frame))
        if base_hasher.hexdigest() != base.facts.blake3:
            raise damaged(base.facts.blake3, "it decodes to other bytes")
    if hasher.hexdigest() != facts.blake3:
        raise damaged(facts.blake3, "it decodes to other bytes")
    yield _tail(head, b"".join(rows))


@frozen
class _Encoded:
    """One frame: its row, its payload, what that decodes to, and the bytes of the base that it is told beside."""

    row: bytes
    payload: bytes
    back: Bytes
    below: Bytes | None


def _encoded(writing: Writing, start: int) -> _Encoded:
    """Read the frame at *start*, encode it, and decode it again."""
    end = min(start + writing.facts.frame, writing.facts.length)
    raw = writing.read(start, end)
    below = None
    if writing.base is not None and start < writing.base.facts.length:
        below = writing.base.lasting(start, end)
    encoding, payload = encode(writing.scheme, raw, below)
    row = ROW.pack(encoding, len(payload), blake3(payload).digest()[:16])
    back = room(len(raw))
    try:
        decode_into(encoding, payload, back, below)
    except Undecodable as why:
        raise damaged(writing.facts.blake3, f"it cannot be decoded: {why}") from why
    return _Encoded(row, payload, back, below)


def _tail(head: bytes, table: bytes) -> bytes:
    return table + blake3(head + table).digest()


def _uses_base(tail: bytes) -> bool:
    return any(Encoding(encoding).needs_base for encoding, _, _ in ROW.iter_unpack(tail[:-CHECKSUM]))


def _is_same(head: bytes, tail: bytes, size: int, pool: Executor, read: Read) -> bool:
    """Tell whether the store gives back an object of *size* bytes as it was given it, frame by frame."""
    lengths = [length for _, length, _ in ROW.iter_unpack(tail[:-CHECKSUM])]
    if len(lengths) == 1:
        data = memoryview(read(0, size))
        end = len(head) + lengths[0]
        return (
            data[: len(head)] == head
            and data[end:] == tail
            and blake3(data[len(head) : end]).digest()[:16] == tail[ROW.size - 16 : ROW.size]
        )
    places = list(accumulate(lengths, initial=len(head)))

    def is_same(number: int) -> bool:
        payload = read(places[number], places[number + 1])
        return blake3(payload).digest()[:16] == tail[(number + 1) * ROW.size - 16 : (number + 1) * ROW.size]

    numbers = range(len(lengths))
    found = ordered(pool, is_same, numbers, AHEAD)
    return read(0, len(head)) == head and read(places[-1], size) == tail and all(found)


@contextmanager
def _readable(digest: str) -> Iterator[None]:
    try:
        yield
    except (BlobUnreadable, BlobMissing) as why:
        raise damaged(digest, why.sentence) from why


def _other_bytes(digest: str) -> ObjectDamaged:
    return damaged(digest, "the store gives back other bytes than it was given")


def _check_again(writing: Writing, pool: Executor | None, read: Read, size: int) -> None:
    """Decode what the store gives back, and compare its SHA-256. Raises ObjectDamaged."""

    def base(digest: str, _below: tuple[str, ...]) -> StoredObject:
        assert writing.base is not None
        assert digest == writing.base.facts.blake3
        return writing.base

    sha = hashlib.sha256()
    for raw in StoredObject.parse(read, size, writing.facts.blake3, base).whole(pool):
        sha.update(raw)
    if sha.hexdigest() != writing.facts.sha256:
        raise damaged(writing.facts.blake3, "it has another SHA-256 than its header tells")

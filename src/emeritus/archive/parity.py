"""Parity: what gives an object back when a part of it has decayed, kept for objects that others depend on.

protect(blobs, digests)                          # writes what is missing, after reading the objects
for piece in Rebuild(blobs, path): ...           # the blob as it was written, or BeyondRepair
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import attrs
import numpy as np
from attrs import frozen
from blake3 import blake3

from emeritus.archive.errors import (
    BeyondRepair,
    BlobMissing,
    BlobUnreadable,
    ParityDamaged,
)
from emeritus.archive.facts import damaged, missing, object_path
from emeritus.archive.parity_code import Code, Rows, lost_rows, parity_rows
from emeritus.archive.parity_file import (
    FOLDER,
    MAX_HEAD,
    Head,
    ParityFile,
    Segment,
    block_digests,
    ends,
    patient_read,
)
from emeritus.archive.parity_file import (
    damaged as parity_damaged,
)
from emeritus.archive.ports import Blobs, Bytes, Progress, Put, Read, quiet
from emeritus.archive.scrub_object import StoredFrames
from emeritus.archive.several import several

DEFAULT = Code(data=100, parity=8)
_TOGETHER = 64


@frozen
class Protection:
    """What `protect` did: how many objects have parity now that had none, and the bytes that it takes."""

    objects: int
    new: int
    stored_bytes: int
    parity_bytes: int


def parity_path(digest: str) -> str:
    """Return the blob path of the parity of the object with this BLAKE3."""
    return f"{FOLDER}/{digest[:2]}/{digest}"


def protect(
    blobs: Blobs,
    digests: Iterable[str],
    *,
    code: Code = DEFAULT,
    anew: bool = False,
    progress: Progress = quiet,
) -> Protection:
    """Write parity for these objects where there is none, or where it is of other stored bytes.

    Each object is read once, and its stored digests are checked as it passes by. May be repeated. With *anew*
    parity is written even where there is some.

    Raises:
        ObjectDamaged, ObjectMissing: for an object that is not sound; it has to be repaired first.
    """
    wanted = sorted(set(digests))
    new: list[str] = []
    done = 0
    looks = zip(wanted, several(partial(_unprotected_size, blobs, anew=anew), wanted), strict=True)
    sizes = {digest: size for digest, size in looks if size is not None}
    total = sum(sizes.values())
    for start in range(0, len(sizes), _TOGETHER):
        some = list(sizes)[start : start + _TOGETHER]
        blobs.put_together([_put(blobs, digest, code) for digest in some])
        done += sum(sizes[digest] for digest in some)
        new += some
        progress(done, total, f"{len(new)} of {len(sizes)} objects")
    return Protection(
        len(wanted),
        len(new),
        sum(sizes.values()),
        sum(blobs.size(parity_path(digest)) for digest in new),
    )


def is_current(blobs: Blobs, digest: str) -> bool:
    """Tell whether an object has parity of its stored length; `scrub` compares more than that."""
    return _unprotected_size(blobs, digest) is None


def _unprotected_size(blobs: Blobs, digest: str, *, anew: bool = False) -> int | None:
    """Return the stored length of an object that needs parity; None when it has it."""
    try:
        size = blobs.size(object_path(digest))
    except BlobMissing:
        raise missing(digest) from None
    if anew:
        return size
    try:
        first, _ = blobs.peek(parity_path(digest), MAX_HEAD)
    except (BlobMissing, BlobUnreadable):
        return size
    head = Head.parse(first)
    return None if head is not None and (head.path, head.size) == (object_path(digest), size) else size


def renew(blobs: Blobs, digests: Iterable[str]) -> None:
    """Write parity anew of objects that were encoded anew, as much as each had; those without stay without.

    Raises as `protect` does.
    """
    by_code: dict[Code, list[str]] = defaultdict(list)
    for digest in digests:
        try:
            first, _ = blobs.peek(parity_path(digest), MAX_HEAD)
        except BlobMissing:
            continue
        except BlobUnreadable:
            first = b""
        head = Head.parse(first)
        by_code[head.code if head else DEFAULT].append(digest)
    for code, some in by_code.items():
        protect(blobs, some, code=code, anew=True)


def open_parity(blobs: Blobs, digest: str) -> ParityFile:
    """Open the parity of an object. Raises BlobMissing, ParityDamaged."""
    path = parity_path(digest)
    found = ParityFile.parse(partial(blobs.get_range, path), blobs.size(path), path)
    if found.head.path != object_path(digest):
        raise parity_damaged(path, f"it is of {found.head.path[:100]}")
    return found


def wrong(
    blobs: Blobs, digest: str, stored: str, watch: Callable[[int], None] = lambda _: None
) -> str | None:
    """Read an object's parity, and say what is wrong with it, if anything is.

    *stored* is the BLAKE3 of the object's stored bytes; *watch* is told how many bytes are read. Raises BlobMissing.
    """
    try:
        found = open_parity(blobs, digest)
    except ParityDamaged as why:
        return why.sentence.partition(": ")[2].rstrip(".")
    watch(found.size)
    if stored and found.head.blake3 != stored:
        return "it is of other bytes than those that are stored"
    return found.wrong()


def _put(blobs: Blobs, digest: str, code: Code) -> Put:
    return Put(parity_path(digest), _coded(blobs, digest, code), _check, replace=True)


def _check(read: Read, size: int) -> None:
    written = ParityFile.parse(read, size, FOLDER)
    amiss = written.wrong()
    if amiss is not None:
        raise parity_damaged(written.path, amiss)


def _coded(blobs: Blobs, digest: str, code: Code) -> Iterator[Bytes]:
    """Yield the parity file of an object; the rows, a small part of it, are held in memory."""
    frames = StoredFrames.open(blobs, digest)
    path, passing, whole = object_path(digest), frames.passing(), blake3()
    head = Head.of(path, frames.size, "", code)
    rows: list[Rows] = []
    digests = bytearray()
    for segment in head.segments:
        try:
            data = blobs.get_range(path, segment.start, segment.end)
        except BlobUnreadable as why:
            raise damaged(digest, why.sentence) from why
        passing.update(data)
        whole.update(data)
        rows.append(parity_rows(code, np.frombuffer(data, np.uint8), segment.width))
        for covered in (memoryview(data), rows[-1].data.cast("B")):
            digests += b"".join(block_digests(covered, segment.block))
    passing.finish()
    first, last = ends(attrs.evolve(head, blake3=whole.hexdigest()), bytes(digests))
    yield first
    for each in rows:
        yield each.data.cast("B")
    yield last


class Rebuild:
    """The stored bytes of an object, as they were written: iterate over it. *blocks* counts what was lost.

    Raises BeyondRepair while iterating when too much is lost; BlobMissing when there is no parity, and
    ParityDamaged when it cannot be read at all.
    """

    def __init__(self, blobs: Blobs, digest: str) -> None:
        self._digest = digest
        self._parity = open_parity(blobs, digest)
        path = object_path(digest)
        self._read: Read = partial(blobs.get_range, path)
        self._size = blobs.size(path) if blobs.exists(path) else 0
        self.blocks = 0

    @property
    def blake3(self) -> str:
        """The BLAKE3 of the stored bytes as they were written."""
        return self._parity.head.blake3

    def __iter__(self) -> Iterator[bytes]:
        self.blocks = 0
        whole = blake3()
        for segment in self._parity.head.segments:
            data = self._segment(segment)
            whole.update(data)
            yield data
        if whole.hexdigest() != self.blake3:
            raise self._beyond("what its parity gives back is not what was written")

    def _segment(self, segment: Segment) -> bytes:
        held = patient_read(self._read, segment.start, segment.end, segment.block, self._size)
        bad = self._bad(segment, held, 0)
        if not bad:
            return held
        self.blocks += len(bad)
        code, width, block = self._parity.head.code, segment.width, segment.block
        data = np.zeros(code.data * width, np.uint8)
        data[: len(held)] = np.frombuffer(held, np.uint8)
        for number in bad:
            data[number * block : (number + 1) * block] = 0
        sums = parity_rows(code, data, width)
        kept = self._parity.rows(segment)
        sums ^= np.frombuffer(kept, np.uint8).reshape(code.parity, width)
        unusable = self._bad(segment, kept, segment.blocks)
        for (lost, using), stripes in self._patterns(segment, bad, unusable).items():
            columns = (np.array(stripes)[:, None] * block + np.arange(block)).reshape(-1)
            found = lost_rows(code, lost, using, sums[list(using)][:, columns])
            for row, piece in zip(lost, found, strict=True):
                data[row * width + columns] = piece
        return data[: len(held)].tobytes()

    def _bad(self, segment: Segment, data: bytes, first: int) -> list[int]:
        """Return the numbers of the blocks of *data* that are not what they were."""
        return [
            number
            for number, digest in enumerate(block_digests(memoryview(data), segment.block))
            if digest not in self._parity.digests(segment, first + number)
        ]

    def _patterns(
        self, segment: Segment, bad: list[int], unusable: list[int]
    ) -> dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]]:
        """Group stripes by which rows they lost and which parity rows give them back."""
        lost, gone = defaultdict(list), defaultdict(set)
        for number in bad:
            lost[number % segment.stripes].append(number // segment.stripes)
        for number in unusable:
            gone[number % segment.stripes].add(number // segment.stripes)
        found = defaultdict(list)
        for stripe, rows in lost.items():
            using = [row for row in range(self._parity.head.code.parity) if row not in gone[stripe]]
            if len(rows) > len(using):
                raise self._beyond(
                    f"of the bytes from {segment.start} to {segment.end}, {len(bad)} blocks of "
                    f"{segment.block} bytes are lost, and in one stripe {len(rows)} of them, "
                    f"while {len(using)} are the most that its parity gives back"
                )
            found[tuple(rows), tuple(using[: len(rows)])].append(stripe)
        return found

    def _beyond(self, why: str) -> BeyondRepair:
        return BeyondRepair(
            f"The object {self._digest} cannot be repaired from its parity: {why}.",
            next_step="Repair it from a replica (--from URL), or archive its model again from the source.",
        )

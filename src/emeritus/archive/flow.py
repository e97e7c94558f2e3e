"""The bytes of a file in order, decoded ahead by several threads, in a bounded number of bytes.

One window of work stands open for the whole file, across its objects: what is long is decoded frame by
frame, what is short several objects at a time.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeAlias

import numpy as np
from attrs import frozen

from emeritus.archive.facts import damaged
from emeritus.archive.manifest import Part
from emeritus.archive.objects import StoredObject
from emeritus.archive.ports import Blobs

BUDGET = 8 << 20
"""Raw bytes in flight: decoded, or being decoded, and not yet taken."""
_TOGETHER = 512 << 10  # short parts are decoded in one go until so many bytes, or parts
_MANY = 64
_LOOK_AHEAD = 6

Sink: TypeAlias = Callable[[int, memoryview], None]
"""``sink(at, raw)`` is told of raw bytes and their place, in any order and from any thread."""


@frozen
class _Stretch:
    """A range of one part."""

    part: Part
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


@frozen
class _Job:
    """Fills *length* bytes: the whole of it is one unit of work for one thread."""

    length: int
    fill: Callable[[memoryview], None]


def flow(
    parts: Iterable[Part],
    blobs: Blobs,
    pool: Executor,
    *,
    start: int = 0,
    end: int | None = None,
    check: bool = True,
    sink: Sink | None = None,
    budget: int = BUDGET,
) -> Iterator[memoryview]:
    """Yield the bytes of *parts* from *start* up to *end*; each piece is good until the next is asked for.

    With *check* every frame is checked against decay before it is decoded. Without, the caller must
    compare all of it with a digest before it is relied upon. The *sink* sees every piece earlier.
    *budget* bounds the raw bytes in flight.

    Raises:
        ObjectDamaged, ObjectMissing: when the bytes cannot be had; ``object`` tells of which object.
    """
    spare: list[memoryview] = []
    waiting: deque[tuple[Future[memoryview], memoryview, int]] = deque()
    flying = at = 0

    def work(job: _Job, out: memoryview, at: int) -> memoryview:
        job.fill(out)
        if sink is not None:
            sink(at, out)
        return out

    jobs = _jobs(_ahead(_groups(_stretches(parts, start, end)), blobs, pool), check)
    try:
        for job in jobs:
            while waiting and flying + job.length > budget:
                done, held, length = waiting.popleft()
                yield done.result()
                spare.append(held)
                flying -= length
            buffer = _buffer(spare, job.length)
            waiting.append((pool.submit(work, job, buffer[: job.length], at), buffer, job.length))
            flying += job.length
            at += job.length
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        for future, _, _ in waiting:
            future.cancel()


def _buffer(spare: list[memoryview], length: int) -> memoryview:
    for number, held in enumerate(spare):
        if len(held) >= length:
            return spare.pop(number)
    if spare:
        spare.pop()  # too short by now: do not let them pile up
    return np.empty(max(length, 2 << 20) if length > _TOGETHER else length, np.uint8).data


def _stretches(parts: Iterable[Part], start: int, end: int | None) -> Iterator[_Stretch]:
    at = 0
    for part in parts:
        if end is not None and at >= end:
            return
        first = max(start - at, 0)
        last = part.length if end is None else min(end - at, part.length)
        if first < last:
            yield _Stretch(part, first, last)
        at += part.length


def _groups(stretches: Iterable[_Stretch]) -> Iterator[list[_Stretch]]:
    """Yield what is worked on together: short stretches with their neighbours, a long one alone."""
    group: list[_Stretch] = []
    size = 0
    for stretch in stretches:
        if group and (size + stretch.length > _TOGETHER or len(group) >= _MANY):
            yield group
            group, size = [], 0
        if stretch.part.length > _TOGETHER:
            if group:
                yield group
                group, size = [], 0
            yield [stretch]
            continue
        group.append(stretch)
        size += stretch.length
    if group:
        yield group


_Opening: TypeAlias = tuple[list[_Stretch], "Future[list[StoredObject | None]]"]


def _ahead(groups: Iterable[list[_Stretch]], blobs: Blobs, pool: Executor) -> Iterator[_Opening]:
    """Have the objects of coming groups opened before their turn."""

    def opened(group: list[_Stretch]) -> list[StoredObject | None]:
        return [_open(stretch.part, blobs) for stretch in group]

    waiting: deque[_Opening] = deque()
    far = 1  # at first not far, so that there is something to decode at once
    try:
        for group in groups:
            waiting.append((group, pool.submit(opened, group)))
            if len(waiting) > far:
                far = min(far + 1, _LOOK_AHEAD)
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()


def _open(part: Part, blobs: Blobs) -> StoredObject | None:
    if part.object is None:
        return None
    stored = StoredObject.open(blobs, part.object)
    if stored.facts.length != part.length:
        raise damaged(part.object, f"it holds {stored.facts.length} bytes, not {part.length}")
    return stored


def _jobs(openings: Iterable[_Opening], check: bool) -> Iterator[_Job]:
    for group, future in openings:
        stored = future.result()
        if len(group) == 1 and stored[0] is not None and group[0].part.length > _TOGETHER:
            yield from _frames(group[0], stored[0], check)
            continue
        yield _Job(sum(stretch.length for stretch in group), _together(group, stored, check))


def _frames(stretch: _Stretch, stored: StoredObject, check: bool) -> Iterator[_Job]:
    frame = stored.facts.frame
    for number in range(stretch.start // frame, -(-stretch.end // frame)):
        at = number * frame
        first, last = max(stretch.start, at), min(stretch.end, at + stored.length_of(number))

        def fill(out: memoryview, first: int = first, last: int = last, number: int = number) -> None:
            if last - first == stored.length_of(number):
                stored.frame_into(number, out, check=check)
            else:
                out[:] = stored.range(first, last, check=check)

        yield _Job(last - first, fill)


def _together(
    group: list[_Stretch], stored: list[StoredObject | None], check: bool
) -> Callable[[memoryview], None]:
    def fill(out: memoryview) -> None:
        at = 0
        for stretch, held in zip(group, stored, strict=True):
            piece = out[at : at + stretch.length]
            at += stretch.length
            if held is None:
                piece[:] = bytes.fromhex(stretch.part.inline or "")[stretch.start : stretch.end]
            elif held.frames == 1 and stretch.length == held.facts.length:
                held.frame_into(0, piece, check=check)
            else:
                piece[:] = held.range(stretch.start, stretch.end, check=check)

    return fill

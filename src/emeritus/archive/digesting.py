"""The first reading of a file: where its parts lie, and the digests of each of them and of the whole."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from attrs import frozen
from blake3 import blake3

from emeritus.archive.chunks import ALIGN, boundaries
from emeritus.archive.containers import Span
from emeritus.archive.manifest import INLINE, FileRecipe, Part, SpanRecipe
from emeritus.archive.sources import OpenFile, is_weights

PART = 256 << 20
"""A span longer than this many bytes becomes several objects."""
CHUNKED = 1 << 20
"""Plain bytes longer than this are cut where their content says (see `emeritus.archive.chunks`)."""
WINDOW = 4 << 20
_AHEAD = 3


@frozen
class Piece:
    """A part of a span, to be an object (or inline, when short): where it lies, and its digests.

    *number* counts the parts of the span.
    """

    span: Span
    number: int
    offset: int
    length: int
    blake3: str
    sha256: str


class _Draft:
    """A piece whose bytes are still going by; *left* tells how many are to come."""

    def __init__(self, span: Span, number: int, offset: int, length: int) -> None:
        self.span, self.number, self.offset, self.length = span, number, offset, length
        self.sha, self.blake = hashlib.sha256(), blake3()
        self.inline = b""
        self.left = length

    def feed(self, data: memoryview) -> None:
        self.sha.update(data)
        self.blake.update(data)
        if self.length <= INLINE:
            self.inline += bytes(data)
        self.left -= len(data)

    @property
    def piece(self) -> Piece:
        blake, sha = self.blake.hexdigest(), self.sha.hexdigest()
        return Piece(self.span, self.number, self.offset, self.length, blake, sha)

    @property
    def part(self) -> Part:
        if self.length <= INLINE:
            return Part(self.length, inline=self.inline.hex())
        return Part(self.length, self.blake.hexdigest())


class Reading:
    """The first reading of an open file.

    Iterate over it, once, for the file's parts in order. Each is told as soon as its last byte has gone by, so that
    it can be worked on while the rest is read, and is read again while it is still in the page cache. Nothing is
    read ahead of whoever iterates but some windows. *add* is told of bytes read.
    """

    def __init__(self, held: OpenFile, add: Callable[[int], None]) -> None:
        self._held, self._add = held, add
        self._sha, self._blake = hashlib.sha256(), blake3()
        self._drafts = [
            _Draft(span, number, offset, length)
            for span in held.file.layout.spans
            for number, (offset, length) in enumerate(_cut(span, held))
        ]

    def __iter__(self) -> Iterator[Piece]:
        size = self._held.file.size
        coming = deque(self._drafts)
        first = 0
        with _Lane(self._sha.update) as whole, _Lane(_feed) as parts:
            for start in range(0, size, WINDOW):
                data = memoryview(self._held.read(start, min(start + WINDOW, size)))
                whole.feed(data)
                seen, first = _under(self._drafts, first, start, data)
                parts.feed(seen)
                self._blake.update(data)
                self._add(len(data))
                yield from _told(coming)
            for _ in parts.drain():
                yield from _told(coming)

    def recipe(self) -> FileRecipe:
        """Return how to make the file again, when all of it was read."""
        file = self._held.file
        container: Any = file.layout.container
        spans = tuple(_spans(file.layout.spans, self._drafts))
        return FileRecipe(
            file.name, file.size, self._sha.hexdigest(), self._blake.hexdigest(), container, spans
        )


def _told(coming: deque[_Draft]) -> Iterator[Piece]:
    """Yield the pieces that are whole, and take them away."""
    while coming and coming[0].left == 0:
        yield coming.popleft().piece


def _feed(seen: Iterable[tuple[_Draft, memoryview]]) -> None:
    for draft, data in seen:
        draft.feed(data)


def _under(
    drafts: list[_Draft], first: int, start: int, data: memoryview
) -> tuple[list[tuple[_Draft, memoryview]], int]:
    """Return the drafts that *data*, read at *start*, belongs to, and the first that is not yet whole."""
    seen = []
    end = start + len(data)
    while first < len(drafts) and drafts[first].offset < end:
        draft = drafts[first]
        stop = draft.offset + draft.length
        seen.append((draft, data[max(0, draft.offset - start) : stop - start]))
        if stop > end:
            break
        first += 1
    return seen, first


def _spans(spans: Iterable[Span], drafts: Iterable[_Draft]) -> Iterator[SpanRecipe]:
    parts: dict[int, list[Part]] = {}
    for draft in drafts:
        parts.setdefault(id(draft.span), []).append(draft.part)
    for span in spans:
        told = tuple(parts.get(id(span), ()))
        yield SpanRecipe(span.kind, span.length, told, span.name, span.dtype, span.shape)


def _cut(span: Span, held: OpenFile) -> Iterator[tuple[int, int]]:
    """Yield offset and length of the parts of *span*, none cutting through a block."""
    if span.kind == "bytes" and span.length > CHUNKED:
        at = span.offset
        align = ALIGN if is_weights(held.file.name) else 1
        for end in boundaries(held.read, span.offset, span.offset + span.length, align):
            yield at, end - at
            at = end
        return
    step = PART // span.stride * span.stride
    for start in range(0, span.length, step):
        yield span.offset + start, min(step, span.length - start)


class _Lane:
    """Feeds one consumer in order from a thread of its own, a few items ahead."""

    def __init__(self, consume: Callable[[Any], Any]) -> None:
        self._consume = consume
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="archive-lane")
        self._waiting: deque[Future[Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                deque(self.drain(), 0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def drain(self) -> Iterator[None]:
        """Wait for one item after the other."""
        while self._waiting:
            self._waiting.popleft().result()
            yield

    def feed(self, item: Any) -> None:
        if len(self._waiting) >= _AHEAD:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._consume, item))

"""Bring a model into the archive: digest, encode, read back, compare; then seal a manifest.

Every function here may be repeated, and goes on where an earlier run (or a ``kill -9``) stopped.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen, mutable
from blake3 import blake3

import emeritus
from emeritus.archive import codec, manifest, objects
from emeritus.archive.containers import Span
from emeritus.archive.errors import ObjectDamaged, ObjectMissing
from emeritus.archive.manifest import INLINE, FileRecipe, Manifest, Part, SpanRecipe
from emeritus.archive.ports import Blobs, Progress, Read, Signer, beyond, quiet
from emeritus.archive.sources import OpenFile, Source, SourceFile, changed

PART = 256 << 20
"""A span longer than this many bytes becomes several objects."""
_PIECE = 4 << 20


@frozen
class Stored:
    """What `ingest` did. Bytes: *bytes_in* of the source, *bytes_out* written to the store."""

    manifest: Manifest
    digest: str
    bytes_in: int
    bytes_out: int
    objects_new: int
    objects_reused: int


@mutable
class _Tally:
    bytes_out: int = 0
    objects_new: int = 0
    objects_reused: int = 0


@frozen
class _Piece:
    """A part of a span, to be an object (or inline, when short): where it lies, and its digests."""

    span: Span
    offset: int
    length: int
    blake3: str
    sha256: str


@mutable
class _Odometer:
    """Adds up what several threads have done, and tells one watcher at a time."""

    total: int
    what: str
    progress: Progress
    done: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)

    def add(self, amount: int) -> None:
        with self._lock:
            self.done += amount
            self.progress(self.done // 2, self.total, self.what)  # every byte is read twice


def ingest(
    source: Source,
    model: str,
    blobs: Blobs,
    *,
    sign: Signer,
    progress: Progress = quiet,
    threads: int = 2,
) -> Stored:
    """Archive all files of *source* as *model*, verify each object by reading it back, seal a manifest.

    Raises:
        SourceChanged: when a file changed meanwhile; no manifest was written.
        DiskFull, StoreFailed: when the store gives up; what is stored already is used by the next run.
        ObjectDamaged: when the store gives back other bytes than it was given.
    """
    manifest.manifest_path(model, "0" * 64)
    blobs.sweep()
    tally = _Tally()
    recipes = []
    done = 0
    for file in source.files:
        recipes.append(_file(file, blobs, tally, beyond(progress, done, source.size), threads))
        done += file.size
    source.check_unchanged()
    sealed = seal(model, recipes, blobs, sign=sign)
    return Stored(
        sealed, sealed.digest, source.size, tally.bytes_out, tally.objects_new, tally.objects_reused
    )


def ingest_file(
    file: SourceFile, blobs: Blobs, *, progress: Progress = quiet, threads: int = 2
) -> FileRecipe:
    """Archive one file and return how to make it again: one durable step. Raises as `ingest` does."""
    return _file(file, blobs, _Tally(), progress, threads)


def seal(model: str, recipes: Iterable[FileRecipe], blobs: Blobs, *, sign: Signer) -> Manifest:
    """Sign and store the manifest of *model* made of *recipes*, after a look that every object is there.

    Raises:
        ObjectMissing: when one is not; nothing was sealed.
    """
    sealed = Manifest(model, tuple(recipes), f"emeritus {emeritus.__version__}")
    for digest in sealed.objects:
        if not blobs.exists(objects.object_path(digest)):
            raise ObjectMissing(
                f"The object {digest} is not in the store, so that the manifest of {model} was not sealed.",
                next_step="Archive the model again; what is stored already is reused.",
            )
    manifest.keep(sealed, blobs, sign)
    return sealed


def _file(file: SourceFile, blobs: Blobs, tally: _Tally, progress: Progress, threads: int) -> FileRecipe:
    meter = _Odometer(file.size, file.name, progress)
    with file.open() as held, _pools(threads) as (frames, writers):
        recipe, pieces = _digest(held, frames, meter)
        unique = {piece.blake3: piece for piece in reversed(pieces) if piece.length > INLINE}

        def store(piece: _Piece) -> tuple[bool, int]:
            done = _store(held, piece, blobs, frames)
            meter.add(piece.length)
            return done

        for new, size in codec.ordered(writers, store, list(unique.values())[::-1], 2 * threads):
            tally.objects_new += new
            tally.objects_reused += not new
            tally.bytes_out += size if new else 0
        for piece in pieces:
            if unique.get(piece.blake3) is not piece:
                _compare(held, piece, meter)
        held.check_unchanged()
    return recipe


def _digest(held: OpenFile, pool: Executor, meter: _Odometer) -> tuple[FileRecipe, list[_Piece]]:
    """Read the file once: digests of the whole, and of every part that becomes an object."""
    file = held.file
    whole_sha, whole_blake = hashlib.sha256(), blake3()

    def feed_whole(data: bytes) -> None:
        whole_sha.update(data)
        whole_blake.update(data)

    pieces: list[_Piece] = []
    spans = []
    lane = _Lane(pool, feed_whole)
    window = _Window(held.read, file.size, lane.feed)
    for span in file.layout.spans:
        parts = []
        for offset, length in _cut(span):
            data = b""
            sha, blake = hashlib.sha256(), blake3()
            for start in range(offset, offset + length, _PIECE):
                data = window.take(start, min(start + _PIECE, offset + length))
                sha.update(data)
                blake.update(data)
                meter.add(len(data))
            pieces.append(_Piece(span, offset, length, blake.hexdigest(), sha.hexdigest()))
            is_short = length <= INLINE
            parts.append(
                Part(length, inline=data.hex()) if is_short else Part(length, object=blake.hexdigest())
            )
        spans.append(SpanRecipe(span.kind, span.length, tuple(parts), span.name, span.dtype, span.shape))
    lane.wait()
    container: Any = file.layout.container
    recipe = FileRecipe(
        file.name, file.size, whole_sha.hexdigest(), whole_blake.hexdigest(), container, tuple(spans)
    )
    return recipe, pieces


def _store(held: OpenFile, piece: _Piece, blobs: Blobs, pool: Executor) -> tuple[bool, int]:
    """Make sure that the store holds *piece*, sound; tell whether it is new, and its stored size."""

    def read(start: int, end: int) -> bytes:
        return held.read(piece.offset + start, piece.offset + end)

    path = objects.object_path(piece.blake3)
    facts = objects.Facts(
        piece.blake3, piece.sha256, piece.length, piece.span.dtype, codec.frame_size(piece.span.stride)
    )
    damaged = False
    if blobs.exists(path):
        try:
            objects.StoredObject.open(blobs, piece.blake3).check(facts, pool)
        except (ObjectDamaged, ObjectMissing):
            damaged = True  # its right bytes are in our hands: write them anew
        else:
            _compare(held, piece)
            return False, blobs.size(path)
    new = objects.write(
        blobs, facts, _scheme(piece, read), read, lambda: changed(held.file.name), pool=pool, replace=damaged
    )
    return new, blobs.size(path)


def _scheme(piece: _Piece, read: Read) -> codec.Scheme:
    """Choose by samples of the beginning, the middle and the end; by all of what is short."""
    stride = max(1, piece.span.stride)
    size = max(codec.SAMPLE, min(4 * codec.SAMPLE, piece.length // 24)) // stride * stride
    if piece.length <= 3 * size:
        return codec.choose(piece.span, [read(0, min(piece.length, 2 * size))])
    starts = (0, (piece.length - size) // 2 // stride * stride, (piece.length - size) // stride * stride)
    samples = [read(start, start + size) for start in starts]
    return codec.choose(piece.span, samples)


def _compare(held: OpenFile, piece: _Piece, meter: _Odometer | None = None) -> None:
    """Read a part a second time; SourceChanged when it is not what it was."""
    hasher = blake3()
    for start in range(0, piece.length, _PIECE):
        end = min(start + _PIECE, piece.length)
        hasher.update(held.read(piece.offset + start, piece.offset + end))
    if hasher.hexdigest() != piece.blake3:
        raise changed(held.file.name)
    if meter is not None:
        meter.add(piece.length)


def _cut(span: Span) -> Iterator[tuple[int, int]]:
    """Yield offset and length of the parts of *span*, none cutting through a block."""
    step = PART // span.stride * span.stride
    for start in range(0, span.length, step):
        yield span.offset + start, min(step, span.length - start)


class _Lane:
    """Feeds one consumer in order from another thread, one piece ahead."""

    def __init__(self, pool: Executor, consume: Callable[[bytes], None]) -> None:
        self._pool = pool
        self._consume = consume
        self._last: Any = None

    def feed(self, data: bytes) -> None:
        self.wait()
        self._last = self._pool.submit(self._consume, data)

    def wait(self) -> None:
        if self._last is not None:
            self._last.result()


class _Window:
    """Reads a file front to back in large pieces, each once, and gives out what is asked of them."""

    def __init__(self, read: Read, size: int, seen: Callable[[bytes], None]) -> None:
        self._read = read
        self._size = size
        self._seen = seen
        self._data = b""
        self._at = 0

    def take(self, start: int, end: int) -> bytes:
        """Return these bytes; calls come in ascending order and leave nothing out."""
        pieces = []
        while start < end:
            if start >= self._at + len(self._data):
                self._at += len(self._data)
                self._data = self._read(self._at, min(self._at + _PIECE, self._size))
                self._seen(self._data)
            piece = self._data[start - self._at : end - self._at]
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@contextmanager
def _pools(threads: int) -> Iterator[tuple[Executor, Executor]]:
    """Open the pool that encodes and decodes frames, and the one that waits for the disk."""
    count = max(1, threads)
    with (
        ThreadPoolExecutor(count, thread_name_prefix="archive-frames") as frames,
        ThreadPoolExecutor(2 * count, thread_name_prefix="archive-writers") as writers,
    ):
        yield frames, writers

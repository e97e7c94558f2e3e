"""Read a preserved file for somebody who waits for it: from the shelf when it stands there, else restored.

    shelf = Shelf(Path("cache"), budget=8 << 30)
    for piece in read(manifest, "model.safetensors", blobs, shelf):
        ...

What is read is checked before it is given out, whichever way it comes; the last piece is held back until
the whole is known to be what was archived.
"""

from collections.abc import Generator, Iterator
from contextlib import closing

from emeritus.archive.manifest import FileRecipe, Manifest
from emeritus.archive.ports import Blobs
from emeritus.archive.restore import read_file
from emeritus.archive.shelf import Place, Shelf, ShelfDamaged
from emeritus.core.errors import InvalidInput

AHEAD = 6 << 20
"""Bytes decoded ahead for each reader: many may wait at once, and most of them are slower than the archive."""
PIECE = 1 << 20
"""Pieces are gathered to at least this many bytes, but for the last."""


def read(
    manifest: Manifest,
    name: str,
    blobs: Blobs,
    shelf: Shelf | None = None,
    start: int = 0,
    end: int | None = None,
    *,
    threads: int = 2,
) -> Generator[bytes, None, None]:
    """Yield the bytes of one file from *start* up to *end* (its end by default).

    Nothing is read before the first step. A file that is read whole is put on the shelf on the way, where
    there is room. Closing the iterator stops all work. To be run in a worker thread.

    Raises:
        NotFound: when there is no such file.
        InvalidInput: when the range lies outside it.
        ObjectDamaged, ObjectMissing, FileDamaged: when the archive cannot give the bytes; of a whole file,
            the last piece has then not been given out.
    """
    file = manifest.file(name)
    stop = file.size if end is None else end
    if not 0 <= start <= stop <= file.size:
        raise InvalidInput(
            f"The bytes {start} to {stop} lie outside {name} of {file.size} bytes.",
            next_step="Ask for a range inside the file.",
        )
    return _read(manifest, file, blobs, shelf, start, stop, threads)


def _read(
    manifest: Manifest,
    file: FileRecipe,
    blobs: Blobs,
    shelf: Shelf | None,
    start: int,
    stop: int,
    threads: int,
) -> Generator[bytes, None, None]:
    at = start
    if file.size < PIECE:
        shelf = None  # what is small is restored as quickly as it is looked up
    book = shelf.take(file.sha256, file.size) if shelf is not None else None
    if book is not None:
        with book:
            try:
                for piece in book.read(start, stop):
                    yield piece
                    at += len(piece)
            except ShelfDamaged:
                book.discard()  # the archive has it too
            else:
                return
    pieces = gathered(read_file(manifest, file.name, blobs, at, stop, threads=threads, budget=AHEAD))
    if (at, stop) != (0, file.size):
        with closing(pieces):
            yield from pieces
        return
    place = shelf.room_for(file.sha256, file.size) if shelf is not None else None
    with closing(pieces):
        yield from _whole(pieces, place)


def _whole(pieces: Iterator[bytes], place: Place | None) -> Iterator[bytes]:
    """Yield all pieces, one behind: the source says at its end whether they were the file."""
    held: bytes | None = None
    try:
        for piece in pieces:
            if held is not None:
                yield held
            held = piece
            if place is not None:
                place.write(piece)
        if place is not None:
            place.publish()
    finally:
        if place is not None:
            place.close()
    if held is not None:
        yield held


def gathered(pieces: Iterator[bytes], least: int = PIECE) -> Generator[bytes, None, None]:
    """Yield the same bytes in pieces of *least* bytes or more, but for the last; large ones are not copied."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        if not piece:
            continue
        waiting.append(piece)
        size += len(piece)
        if size >= least:
            yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)

"""One group of pieces after the other into the store: looked for, encoded, written, read back and compared."""

from concurrent.futures import Executor

from attrs import frozen
from blake3 import blake3

from emeritus.archive import codec, sketches
from emeritus.archive.digesting import WINDOW, Piece
from emeritus.archive.errors import ObjectDamaged, ObjectMissing
from emeritus.archive.facts import Facts
from emeritus.archive.kin import Kin
from emeritus.archive.objects import StoredObject
from emeritus.archive.ports import Blobs, Put, Read
from emeritus.archive.sketches import Sketch
from emeritus.archive.sources import OpenFile, changed
from emeritus.archive.writing import Writing, in_memory, write

SMALL = 1 << 20
"""Objects of at most this many bytes are encoded in memory and stored several at a time."""


@frozen
class Done:
    """What became of one piece."""

    new: bool
    size: int
    difference: bool
    sketch: Sketch | None


def store_group(held: OpenFile, group: list[Piece], blobs: Blobs, kin: Kin, pool: Executor) -> list[Done]:
    """Make sure that the store holds the pieces of *group*, sound."""
    done: list[Done | None] = []
    puts: list[tuple[Put, bool, Sketch | None]] = []
    for piece in group:
        work = _Work(held, piece, _reader(held, piece), kin)
        there, damaged = _there(work, blobs, pool)
        if there is not None:
            done.append(there)
        elif piece.length <= SMALL:
            puts.append((*_encode(work, replace=damaged), work.sketch()))
            done.append(None)
        else:
            done.append(_write(work, blobs, pool, replace=damaged))
    try:
        new = blobs.put_together([put for put, _, _ in puts]) if puts else []
    except ObjectDamaged:
        for piece in group:
            compare(held, piece)  # whose fault is it?
        raise
    written = (
        Done(is_new, sum(map(len, put.chunks)), difference, sketch)
        for is_new, (put, difference, sketch) in zip(new, puts, strict=True)
    )
    return [one or next(written) for one in done]


@frozen
class _Work:
    """One piece to store, and what gives its bytes."""

    held: OpenFile
    piece: Piece
    read: Read
    kin: Kin

    @property
    def facts(self) -> Facts:
        piece = self.piece
        frame = codec.frame_length(piece.span)
        return Facts(piece.blake3, piece.sha256, piece.length, piece.span.dtype, frame)

    def writing(self, *, replace: bool, alone: bool = False) -> Writing:
        choice = self.kin.choose(self.piece, self.read, alone=alone or replace)
        return Writing(self.facts, choice.scheme, self.read, choice.base, replace)

    def sketch(self) -> Sketch | None:
        """Sketch it, if it is a tensor: only a help, so that nothing depends on these bytes."""
        found = sketches.bands(self.piece.span, self.piece.number, self.piece.length, self.read)
        return None if found is None else Sketch(self.piece.blake3, found)


def _reader(held: OpenFile, piece: Piece) -> Read:
    """Return what reads parts of *piece*; what is short is read once."""
    if piece.length <= codec.frame_length(piece.span):
        whole = held.read(piece.offset, piece.offset + piece.length)
        return lambda start, end: whole[start:end]
    return lambda start, end: held.read(piece.offset + start, piece.offset + end)


def _encode(work: _Work, *, replace: bool) -> tuple[Put, bool]:
    writing = work.writing(replace=replace)
    try:
        return in_memory(writing)
    except (ObjectDamaged, ObjectMissing) as why:
        _blame_base(why, work, writing)
        return in_memory(work.writing(replace=replace, alone=True))


def _there(work: _Work, blobs: Blobs, pool: Executor) -> tuple[Done | None, bool]:
    """Look whether the store holds a piece already, and all of it sound; else tell whether damage is there."""
    piece = work.piece
    try:
        stored = StoredObject.open(blobs, piece.blake3)
        stored.check(work.facts, None if piece.length <= SMALL else pool)
    except ObjectMissing as why:
        return None, why.object != piece.blake3  # its base may be what is missing
    except ObjectDamaged:
        return None, True  # its right bytes are in our hands: write them anew
    compare(work.held, piece)
    return Done(False, stored.size, stored.facts.base is not None, work.sketch()), False


def _write(work: _Work, blobs: Blobs, pool: Executor, *, replace: bool) -> Done:
    writing = work.writing(replace=replace)
    try:
        new, size = write(blobs, writing, pool)
    except (ObjectDamaged, ObjectMissing) as why:
        _blame_base(why, work, writing)
        writing = work.writing(replace=replace, alone=True)
        new, size = write(blobs, writing, pool)
    return Done(new, size, writing.base is not None, work.sketch())


def _blame_base(why: ObjectDamaged | ObjectMissing, work: _Work, writing: Writing) -> None:
    """Return when the base is not to be built on. Raises *why*, or SourceChanged, when it is not its fault."""
    if writing.base is None or why.object == work.piece.blake3:
        compare(work.held, work.piece)
        raise why


def compare(held: OpenFile, piece: Piece) -> None:
    """Read a part a second time; SourceChanged when it is not what it was."""
    hasher = blake3()
    for start in range(0, piece.length, WINDOW):
        end = min(start + WINDOW, piece.length)
        hasher.update(held.read(piece.offset + start, piece.offset + end))
    if hasher.hexdigest() != piece.blake3:
        raise changed(held.file.name)

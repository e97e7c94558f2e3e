"""Bring a model into the archive: digest, encode, read back, compare; then seal a manifest.

Every function here may be repeated, and goes on where an earlier run (or a ``kill -9``) stopped.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from attrs import evolve, field, frozen, mutable
from blake3 import blake3

import emeritus
from emeritus.archive import codec, facts, manifest, parity, parity_copy, sketches
from emeritus.archive.codec import Profile, ordered
from emeritus.archive.digesting import WINDOW, Piece, digest
from emeritus.archive.errors import ObjectDamaged, ObjectMissing
from emeritus.archive.facts import Facts
from emeritus.archive.kin import Kin
from emeritus.archive.manifest import INLINE, FileRecipe, Manifest
from emeritus.archive.objects import StoredObject
from emeritus.archive.parity_code import Code
from emeritus.archive.ports import Blobs, Progress, Put, Signer, beyond, quiet
from emeritus.archive.prune import spare
from emeritus.archive.relatives import Relatives
from emeritus.archive.shipped import ship
from emeritus.archive.sketches import Sketch
from emeritus.archive.sources import OpenFile, Source, SourceFile, changed
from emeritus.archive.writing import Writing, in_memory, write

SMALL = 256 << 10
"""Objects of at most this many bytes are encoded in memory and stored several at a time."""
_TOGETHER = (64, 4 << 20)  # so many of them, or so many bytes


@frozen
class Stored:
    """What `ingest` did. Bytes: *bytes_in* of the source, *bytes_out* written to the store.

    *differences* counts the new objects that are stored as a difference from a relative.
    """

    manifest: Manifest
    digest: str
    bytes_in: int
    bytes_out: int
    objects_new: int
    objects_reused: int
    differences: int = 0


@mutable
class _Tally:
    bytes_out: int = 0
    objects_new: int = 0
    objects_reused: int = 0
    differences: int = 0

    def add(self, done: "_Done") -> None:
        self.objects_new += done.new
        self.objects_reused += not done.new
        self.bytes_out += done.size if done.new else 0
        self.differences += done.new and done.difference


@frozen
class _Done:
    """What became of one piece."""

    new: bool
    size: int
    difference: bool


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
    base: Manifest | None = None,
    relatives: Relatives | None = None,
    profile: Profile = "dense",
    code: Code = parity.DEFAULT,
    progress: Progress = quiet,
    threads: int = 2,
) -> Stored:
    """Archive all files of *source* as *model*, verify each object by reading it back, seal a manifest.

    A tensor is stored as a lossless difference from the tensor of the same name in *base* (a model that
    this one was made from), or else from one that *relatives* finds, when that is smaller.

    Raises:
        SourceChanged: when a file changed meanwhile; no manifest was written.
        DiskFull, StoreFailed: when the store gives up; what is stored already is used by the next run.
        ObjectDamaged: when the store gives back other bytes than it was given.
    """
    manifest.manifest_path(model, "0" * 64)
    blobs.sweep()
    if relatives is not None and relatives.is_new:
        relatives.refresh(blobs)
    kin = Kin(blobs, base, relatives, profile)
    tally = _Tally()
    recipes = []
    done = 0
    for file in source.files:
        recipes.append(_file(file, blobs, kin, tally, beyond(progress, done, source.size), threads))
        done += file.size
    found = [
        sketch for file, recipe in zip(source.files, recipes, strict=True) for sketch in _sketch(file, recipe)
    ]
    source.check_unchanged()
    sealed = seal(model, recipes, blobs, sign=sign, found=found, relatives=relatives, code=code)
    return Stored(
        sealed,
        sealed.digest,
        source.size,
        tally.bytes_out,
        tally.objects_new,
        tally.objects_reused,
        tally.differences,
    )


def ingest_file(
    file: SourceFile,
    blobs: Blobs,
    *,
    base: Manifest | None = None,
    relatives: Relatives | None = None,
    profile: Profile = "dense",
    progress: Progress = quiet,
    threads: int = 2,
) -> FileRecipe:
    """Archive one file and return how to make it again: one durable step. Raises as `ingest` does."""
    return _file(file, blobs, Kin(blobs, base, relatives, profile), _Tally(), progress, threads)


def seal(
    model: str,
    recipes: Iterable[FileRecipe],
    blobs: Blobs,
    *,
    sign: Signer,
    found: Sequence[Sketch] = (),
    relatives: Relatives | None = None,
    code: Code = parity.DEFAULT,
    threads: int = 8,
) -> Manifest:
    """Sign and store the manifest of *model* made of *recipes*, after a look that every object is there.

    What its objects are differences from gets parity before, as much as *code* says. Sketches of its tensors,
    those that were *found* and the others, are stored beside it, and put into the index of *relatives*.

    Raises:
        ObjectMissing: when an object, or the base of one, is not there; nothing was sealed.
    """
    files = tuple(recipes)
    bare = Manifest(model, files, f"emeritus {emeritus.__version__}")
    try:
        sealed = spare(
            blobs,
            lambda: evolve(bare, bases=facts.bases(blobs, bare.objects, threads)),
            lambda found: found.closure,
        )
    except ObjectMissing as why:
        raise ObjectMissing(
            f"{why.sentence} The manifest of {model} was not sealed.",
            next_step="Archive the model again; what is stored already is reused.",
        ) from why
    told = [*found, *sketches.of_stored(files, blobs, {sketch.object for sketch in found})]
    if told:
        sketches.keep(sealed, told, blobs)
        if relatives is not None:
            relatives.add(sketches.sketches_path(model, sealed.digest), told)
    parity.protect(blobs, sealed.bases.values(), code=code)  # law 1: before anything depends on them for good
    ship(blobs)
    manifest.keep(sealed, blobs, sign)
    parity_copy.copy(blobs, model, sealed.digest)
    return sealed


def _file(
    file: SourceFile, blobs: Blobs, kin: Kin, tally: _Tally, progress: Progress, threads: int
) -> FileRecipe:
    meter = _Odometer(file.size, file.name, progress)
    with file.open() as held, _pools(threads) as (frames, writers):
        recipe, pieces = digest(held, meter.add)
        unique = {piece.blake3: piece for piece in reversed(pieces) if piece.length > INLINE}

        def store(group: list[Piece]) -> list[_Done]:
            done = _store_group(held, group, blobs, kin, frames)
            meter.add(sum(piece.length for piece in group))
            return done

        groups = _groups(list(unique.values())[::-1])
        for done in ordered(writers, store, groups, threads + 1):
            for one in done:
                tally.add(one)
        for piece in pieces:
            if unique.get(piece.blake3) is not piece:
                _compare(held, piece)
                meter.add(piece.length)
        held.check_unchanged()
    return recipe


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield pieces that are stored together: each large one alone, small ones with their likes."""
    small: list[Piece] = []
    for piece in pieces:
        if piece.length > SMALL:
            yield [piece]
            continue
        small.append(piece)
        if len(small) >= _TOGETHER[0] or sum(each.length for each in small) >= _TOGETHER[1]:
            yield small
            small = []
    if small:
        yield small


def _store_group(held: OpenFile, group: list[Piece], blobs: Blobs, kin: Kin, pool: Executor) -> list[_Done]:
    """Make sure that the store holds the pieces of *group*, sound."""
    done: list[_Done | None] = []
    puts: list[tuple[Put, bool]] = []
    for piece in group:
        there, damaged = _there(held, piece, blobs, pool)
        if there is not None:
            done.append(there)
        elif piece.length <= SMALL:
            puts.append(_encode(held, piece, kin, replace=damaged))
            done.append(None)
        else:
            done.append(_write(held, piece, blobs, kin, pool, replace=damaged))
    try:
        new = blobs.put_together([put for put, _ in puts]) if puts else []
    except ObjectDamaged:
        for piece in group:
            _compare(held, piece)  # whose fault is it?
        raise
    written = (
        _Done(is_new, sum(map(len, put.chunks)), difference)
        for is_new, (put, difference) in zip(new, puts, strict=True)
    )
    return [one or next(written) for one in done]


def _encode(held: OpenFile, piece: Piece, kin: Kin, *, replace: bool) -> tuple[Put, bool]:
    writing = _writing(held, piece, kin, replace=replace)
    try:
        return in_memory(writing)
    except (ObjectDamaged, ObjectMissing) as why:
        _blame_base(why, held, piece, writing)
        return in_memory(_writing(held, piece, kin, replace=replace, alone=True))


def _there(held: OpenFile, piece: Piece, blobs: Blobs, pool: Executor) -> tuple[_Done | None, bool]:
    """Look whether the store holds *piece* already, and all of it sound; else tell whether damage is there."""
    try:
        stored = StoredObject.open(blobs, piece.blake3)
        stored.check(_facts(piece), None if piece.length <= SMALL else pool)
    except ObjectMissing as why:
        return None, why.object != piece.blake3  # its base may be what is missing
    except ObjectDamaged:
        return None, True  # its right bytes are in our hands: write them anew
    _compare(held, piece)
    return _Done(False, stored.size, stored.facts.base is not None), False


def _write(held: OpenFile, piece: Piece, blobs: Blobs, kin: Kin, pool: Executor, *, replace: bool) -> _Done:
    writing = _writing(held, piece, kin, replace=replace)
    try:
        new, size = write(blobs, writing, pool)
    except (ObjectDamaged, ObjectMissing) as why:
        _blame_base(why, held, piece, writing)
        writing = _writing(held, piece, kin, replace=replace, alone=True)
        new, size = write(blobs, writing, pool)
    return _Done(new, size, writing.base is not None)


def _blame_base(why: ObjectDamaged | ObjectMissing, held: OpenFile, piece: Piece, writing: Writing) -> None:
    """Return when the base is not to be built on. Raises *why*, or SourceChanged, when it is not its fault."""
    if writing.base is None or why.object == piece.blake3:
        _compare(held, piece)
        raise why


def _writing(held: OpenFile, piece: Piece, kin: Kin, *, replace: bool, alone: bool = False) -> Writing:
    def read(start: int, end: int) -> bytes:
        return held.read(piece.offset + start, piece.offset + end)

    choice = kin.choose(piece, read, alone=alone or replace)
    return Writing(_facts(piece), choice.scheme, read, choice.base, replace)


def _facts(piece: Piece) -> Facts:
    frame = codec.frame_length(piece.span)
    return Facts(piece.blake3, piece.sha256, piece.length, piece.span.dtype, frame)


def _compare(held: OpenFile, piece: Piece) -> None:
    """Read a part a second time; SourceChanged when it is not what it was."""
    hasher = blake3()
    for start in range(0, piece.length, WINDOW):
        end = min(start + WINDOW, piece.length)
        hasher.update(held.read(piece.offset + start, piece.offset + end))
    if hasher.hexdigest() != piece.blake3:
        raise changed(held.file.name)


def _sketch(file: SourceFile, recipe: FileRecipe) -> Iterator[Sketch]:
    """Sketch the tensors of an archived file: only a help, so that nothing depends on these bytes."""
    with file.open() as held:
        for laid, span in zip(file.layout.spans, recipe.spans, strict=True):
            at = laid.offset
            for number, part in enumerate(span.parts):

                def read(start: int, end: int, at: int = at) -> bytes:
                    return held.read(at + start, at + end)

                found = sketches.bands(laid, number, part.length, read) if part.object else None
                if found is not None and part.object is not None:
                    yield Sketch(part.object, found)
                at += part.length


@contextmanager
def _pools(threads: int) -> Iterator[tuple[Executor, Executor]]:
    """Open the pool that encodes and decodes frames, and the one that waits for the disk."""
    count = max(1, threads)
    with (
        ThreadPoolExecutor(count, thread_name_prefix="archive-frames") as frames,
        ThreadPoolExecutor(count + 1, thread_name_prefix="archive-writers") as writers,
    ):
        yield frames, writers

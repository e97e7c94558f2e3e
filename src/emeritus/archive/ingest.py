"""Bring a model into the archive: digest, encode, read back, compare; then seal a manifest.

Every function here may be repeated, and goes on where an earlier run (or a ``kill -9``) stopped.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager

from attrs import evolve, field, frozen, mutable

import emeritus
from emeritus.archive import facts, manifest, parity, parity_copy, sketches
from emeritus.archive.codec import Profile, ordered
from emeritus.archive.codec.order import ahead
from emeritus.archive.digesting import Piece, Reading
from emeritus.archive.errors import ObjectMissing
from emeritus.archive.kin import Kin
from emeritus.archive.manifest import INLINE, FileRecipe, Manifest
from emeritus.archive.parity_code import Code
from emeritus.archive.ports import Blobs, Progress, Signer, beyond, quiet
from emeritus.archive.prune import spare
from emeritus.archive.relatives import Relatives
from emeritus.archive.shipped import ship
from emeritus.archive.sketches import Sketch
from emeritus.archive.sources import Source, SourceFile
from emeritus.archive.storing import SMALL, Done, compare, store_group

_TOGETHER = (64, 2 << 20)  # so many of them, or so many bytes
_AHEAD = 8  # pieces that are digested before their turn to be encoded


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
    sketches: list[Sketch] = field(factory=list)

    def add(self, done: "Done") -> None:
        self.objects_new += done.new
        self.objects_reused += not done.new
        self.bytes_out += done.size if done.new else 0
        self.differences += done.new and done.difference
        if done.sketch is not None:
            self.sketches.append(done.sketch)


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
    source.check_unchanged()
    sealed = seal(model, recipes, blobs, sign=sign, found=tally.sketches, relatives=relatives, code=code)
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
    twins: list[Piece] = []
    with file.open() as held, _pools(threads) as (frames, writers):
        reading = Reading(held, meter.add)

        def store(group: list[Piece]) -> list[Done]:
            done = store_group(held, group, blobs, kin, frames)
            meter.add(sum(piece.length for piece in group))
            return done

        with closing(ahead(reading, _AHEAD)) as pieces:
            for done in ordered(
                writers, store, _groups(_unique(pieces, twins), file.size, threads), threads + 1
            ):
                for one in done:
                    tally.add(one)
        for piece in twins:
            compare(held, piece)
            meter.add(piece.length)
        held.check_unchanged()
        return reading.recipe()


def _unique(pieces: Iterable[Piece], twins: list[Piece]) -> Iterator[Piece]:
    """Yield those that become objects, each once; to *twins* go those that came before, and those that stand inline."""
    seen: set[str] = set()
    for piece in pieces:
        if piece.length <= INLINE or piece.blake3 in seen:
            twins.append(piece)
            continue
        seen.add(piece.blake3)
        yield piece


def _groups(pieces: Iterable[Piece], end: int, threads: int) -> Iterator[list[Piece]]:
    """Yield pieces that are stored together: each large one alone, small ones with their likes.

    Towards the *end* of the file groups become smaller, so that no thread waits long for the last.
    """
    small: list[Piece] = []
    size = 0
    for piece in pieces:
        if piece.length > SMALL:
            yield [piece]
            continue
        small.append(piece)
        size += piece.length
        enough = min(_TOGETHER[1], (end - piece.offset) // (2 * max(1, threads)))
        if len(small) >= _TOGETHER[0] or size >= enough:
            yield small
            small, size = [], 0
    if small:
        yield small


@contextmanager
def _pools(threads: int) -> Iterator[tuple[Executor, Executor]]:
    """Open the pool that encodes and decodes the frames of long objects, and the one that stores objects."""
    count = max(1, threads)
    with (
        ThreadPoolExecutor(count, thread_name_prefix="archive-frames") as frames,
        ThreadPoolExecutor(count, thread_name_prefix="archive-writers") as writers,
    ):
        yield frames, writers

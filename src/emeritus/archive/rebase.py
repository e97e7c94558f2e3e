"""Stored objects are encoded anew: on fewer bases, or in another profile. What they hold stays the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from attrs import evolve, frozen

from emeritus.archive import codec, parity
from emeritus.archive.codec import Profile
from emeritus.archive.containers import Span, elements
from emeritus.archive.digesting import Piece
from emeritus.archive.kin import Kin
from emeritus.archive.manifest import Manifest
from emeritus.archive.objects import StoredObject
from emeritus.archive.ports import Blobs, Progress, quiet
from emeritus.archive.writing import Writing, write


@frozen
class Rebased:
    """What `rebase` did: objects written anew, of how many, and their stored bytes before and after."""

    rewritten: int
    objects: int
    before: int
    after: int


def rebase(
    manifest: Manifest,
    blobs: Blobs,
    *,
    depth: int = 1,
    profile: Profile | None = None,
    progress: Progress = quiet,
    threads: int = 2,
) -> Rebased:
    """Have no object of *manifest* stand on more than *depth* others; with *profile*, encode all anew.

    An object moves to the base of its base, or stands alone; never to another, so that what other
    manifests tell of it stays enough. Each is read and compared before, and what replaces it is read
    back twice (compared with what was written, then decoded and compared by SHA-256), before it takes its
    place. What had parity gets it anew. May be repeated.

    Raises:
        ObjectDamaged, ObjectMissing: for an object that is not sound; it was left as it is.
        DiskFull, StoreFailed: when the store gives up; what was done so far stands.
    """
    rewritten = before = after = done = 0
    total = sum(manifest.objects.values())
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="archive-rebase") as pool:
        for span, digest in spans_of(manifest):
            stored = StoredObject.open(blobs, digest)
            chain = list(chain_of(stored))
            keep = chain[len(chain) - depth :] if len(chain) > depth else chain
            if len(chain) > depth or profile is not None:
                stored.check(stored.facts, pool)
                size = move(stored, span, keep[0] if keep else None, blobs, pool, profile or "dense")
                parity.renew(blobs, [digest])
                rewritten, before, after = rewritten + 1, before + stored.size, after + size
            done += stored.facts.length
            progress(done, total, span.name or span.kind)
    return Rebased(rewritten, len(manifest.objects), before, after)


def move(
    stored: StoredObject,
    span: Span,
    base: StoredObject | None,
    blobs: Blobs,
    pool: ThreadPoolExecutor,
    profile: Profile = "dense",
) -> int:
    """Encode an object that was just checked anew, on *base* (of its own chain) or alone; return its size.

    *span* is what it holds. Raises as `rebase` does.
    """
    facts = stored.facts

    def read(start: int, end: int) -> bytes:
        return bytes(stored.range(start, end))

    piece = Piece(span, 0, 0, facts.length, facts.blake3, facts.sha256)
    choice = Kin(blobs, profile=profile).choose_among(piece, read, [base] if base else [])
    plain = evolve(facts, base=None, depth=0, frame=codec.frame_length(span))
    writing = Writing(plain, choice.scheme, read, choice.base, replace=True, readings=2)
    assert writing.ready.facts.depth <= facts.depth
    _, size = write(blobs, writing, pool)
    return size


def chain_of(stored: StoredObject) -> Iterator[StoredObject]:
    """Yield the bases below an object, the nearest first."""
    below = stored.base
    while below is not None:
        yield below
        below = below.base


def spans_of(manifest: Manifest) -> Iterator[tuple[Span, str]]:
    """Yield each object of a model once, with the span that it is of."""
    seen: set[str] = set()
    for file in manifest.files:
        for told in file.spans:
            fields, is_float = (
                elements(file.container, told.dtype) if told.kind == "tensor" else ((1,), False)
            )
            span = Span(told.kind, 0, told.length, told.name, told.dtype, told.shape, fields, is_float)
            for part in told.parts:
                if part.object is not None and part.object not in seen:
                    seen.add(part.object)
                    yield span, part.object

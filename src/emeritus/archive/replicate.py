"""Replicate: copy what a second store lacks, each object checked on its way and read back there.

A manifest is copied last, when all that it needs is there: so whatever can be seen in a replica is whole, and
a run that was stopped (or killed) is only continued.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from attrs import field, mutable

from emeritus.archive import parity, parity_copy, sketches
from emeritus.archive.errors import ManifestDamaged, ManifestMissing, ObjectDamaged
from emeritus.archive.facts import FOLDER, object_path
from emeritus.archive.left import is_left
from emeritus.archive.manifest import Manifest, held, load, manifest_path
from emeritus.archive.parity_code import Code
from emeritus.archive.ports import Blobs, Progress, Put, Read, quiet
from emeritus.archive.scrub import Named, Pace
from emeritus.archive.scrub_object import HEAD, StoredFrames, stored_blake3, stored_bytes
from emeritus.archive.scrub_state import Finding
from emeritus.archive.shipped import ship
from emeritus.core.errors import IntegrityError, InvalidInput, NotFound

_PIECE = 4 << 20
_SMALL, _TOGETHER, _AT_ONCE = 1 << 20, 32, 8


@mutable
class Replicated:
    """What `replicate` did. *failed* names what could not be copied because it is not sound here."""

    manifests: int = 0
    manifests_new: int = 0
    objects: int = 0
    objects_new: int = 0
    bytes: int = 0
    parity_new: int = 0
    failed: list[Finding] = field(factory=list)

    @property
    def is_whole(self) -> bool:
        return not self.failed


def replicate(
    blobs: Blobs,
    to: Blobs,
    *,
    wanted: Collection[Named] | None = None,
    thorough: bool = False,
    code: Code = parity.DEFAULT,
    pace: Pace | None = None,
    progress: Progress = quiet,
) -> Replicated:
    """Copy the *wanted* manifests (all, if none are named) and what they need into the store *to*.

    What is there already is left alone, unless *thorough*: then it is read, and copied anew when it is not
    sound. What is not sound here is not copied, and neither is a manifest that needs it: *failed* tells.

    Raises:
        DiskFull, StoreFailed: one of the stores gives up; the next run goes on.
    """
    ship(to)
    to.sweep()
    copier = _Copier(blobs, to, code, pace or Pace(), thorough=thorough)
    names = list(held(blobs) if wanted is None else wanted)
    for number, (model, digest) in enumerate(names):
        progress(number, len(names), model)
        copier.model(model, digest)
    progress(len(names), len(names), f"{copier.done.objects_new} objects copied")
    return copier.done


class _Copier:
    def __init__(self, blobs: Blobs, to: Blobs, code: Code, pace: Pace, *, thorough: bool) -> None:
        self._from, self._to = blobs, to
        self._thorough = thorough
        self._seen: set[str] = set()
        self._code, self._pace = code, pace
        self._there: dict[str, set[str]] = {}
        self._bad: set[str] = set()
        self.done = Replicated()

    def model(self, model: str, digest: str) -> None:
        """Copy one model: bases, objects, parity, sketches, signatures, and then the manifest."""
        path = manifest_path(model, digest)
        try:
            manifest = load(model, digest, self._from)
        except (IntegrityError, NotFound, InvalidInput) as why:
            self._fail(path, why, model)
            return
        self.done.manifests += 1
        if not self._objects(manifest):
            return
        self._parity(manifest)
        self._copy_plain(sketches.sketches_path(model, digest))
        new = False
        for each in parity_copy.beside(self._from, model, digest):
            if each == path:
                new = self._to.put_if_absent(path, [manifest.canonical()])
            else:
                self._copy_plain(each)
        self.done.manifests_new += new
        self._manifest_there(manifest)
        parity_copy.copy(self._to, model, digest)

    def _objects(self, manifest: Manifest) -> bool:
        """Copy the objects that a manifest needs, bases first; tell whether all of them are there."""
        whole = True
        small: list[str] = []
        for digest in in_order(manifest):
            self.done.objects += 1
            if digest in self._bad:
                whole = False
            elif not self._is_there(digest):
                if not self._is_left(digest, manifest):
                    small.append(digest)
            elif self._thorough and digest not in self._seen:
                self._seen.add(digest)
                whole &= self._look(digest, manifest.model)
            if len(small) >= _TOGETHER:
                whole &= self._put(small, manifest.model)
                small = []
        return self._put(small, manifest.model) and whole

    def _is_left(self, digest: str, manifest: Manifest) -> bool:
        """Tell whether an object is a base that was erased, and is not to be looked for."""
        if digest in manifest.objects or self._from.exists(object_path(digest)):
            return False
        return is_left(digest, [manifest], self._from)

    def _look(self, digest: str, model: str) -> bool:
        """Read an object that is there, and copy it anew when it has decayed; tell whether it is sound then."""
        try:
            stored_blake3(self._to, digest, self._pace)
        except IntegrityError:
            return self._put([digest], model, replace=True)
        return True

    def _put(self, digests: Sequence[str], model: str, *, replace: bool = False) -> bool:
        """Copy some objects, the small ones together; tell whether all were sound."""
        whole, together = True, []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="archive-copy") as pool:
            for digest, (frames, data, why) in zip(digests, pool.map(self._fetch, digests), strict=True):
                try:
                    if why is not None:
                        raise why
                    assert frames is not None
                    chunks = stored_bytes(self._from, frames, self._pace) if data is None else [data]
                    put = Put(object_path(digest), chunks, partial(_check, digest), replace)
                    if data is None:
                        self._to.put_together([put])
                    else:
                        together.append(put)
                except IntegrityError as damage:
                    self._bad.add(digest)
                    self._fail(object_path(digest), damage, model, digest)
                    whole = False
                    continue
                self.done.objects_new += 1
                self.done.bytes += frames.size
                self._there[digest[:2]].add(digest)
        self._to.put_together(together)
        return whole

    def _fetch(self, digest: str) -> tuple[StoredFrames | None, bytes | None, IntegrityError | None]:
        """Open an object, and read it when it is small."""
        try:
            frames = StoredFrames.open(self._from, digest)
            data = b"".join(stored_bytes(self._from, frames, self._pace)) if frames.size <= _SMALL else None
        except IntegrityError as why:
            return None, None, why
        return frames, data, None

    def _is_there(self, digest: str) -> bool:
        name = digest[:2]
        if name not in self._there:
            paths = self._to.list(f"{FOLDER}/{name}")
            self._there[name] = {path.rpartition("/")[2] for path in paths}
        return digest in self._there[name]

    def _parity(self, manifest: Manifest) -> None:
        """Have bases, and whatever has parity here, be protected there, too."""
        here = {
            path.rpartition("/")[2]
            for name in {digest[:2] for digest in manifest.closure}
            for path in self._from.list(f"parity/{name}")
        }
        based = {
            digest for digest in manifest.bases.values() if self._is_there(digest)
        }  # none that was erased
        wanted = (manifest.closure & here) | based
        try:
            done = parity.protect(self._to, wanted, code=self._code)
        except ObjectDamaged as why:  # what lies there has decayed before it had parity
            if why.object is None or not self._put([why.object], manifest.model, replace=True):
                raise
            done = parity.protect(self._to, wanted, code=self._code)
        self.done.parity_new += done.new

    def _copy_plain(self, path: str) -> None:
        data = parity_copy.read(self._from, path)
        if data is not None:
            self._to.put_if_absent(path, [data])

    def _manifest_there(self, manifest: Manifest) -> None:
        """Look at the replica's manifest, and put it right when it has decayed."""
        path = manifest_path(manifest.model, manifest.digest)
        try:
            load(manifest.model, manifest.digest, self._to)
        except (ManifestDamaged, ManifestMissing):
            self._to.replace(path, [manifest.canonical()])

    def _fail(self, path: str, why: Exception, model: str, digest: str | None = None) -> None:
        id_, sentence = getattr(why, "id", "emeritus.defect"), getattr(why, "sentence", str(why))
        self.done.failed.append(Finding(path, id_, sentence, digest, (model,)))


def in_order(manifest: Manifest) -> list[str]:
    """Return every object that a manifest needs, each after the one that it is a difference from."""
    order: dict[str, None] = {}

    def add(digest: str) -> None:
        if digest not in order:
            if digest in manifest.bases:
                add(manifest.bases[digest])
            order[digest] = None

    for digest in manifest.objects:
        add(digest)
    return list(order)


def _check(digest: str, read: Read, size: int) -> None:
    """Read back what was stored of an object, and raise when it is not sound."""
    frames = StoredFrames.parse(read(0, min(size, HEAD)), read, size, digest)
    passing = frames.passing()
    for start in range(0, size, _PIECE):
        passing.update(read(start, min(start + _PIECE, size)))
    passing.finish()

"""Repair: give back what has decayed, from parity or from a replica, and say what cannot be given back.

Nothing takes the place of a damaged object before it was decoded and compared with its name.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from attrs import evolve, field, frozen, mutable

from emeritus.archive import parity, parity_copy
from emeritus.archive.codec import ZSTD
from emeritus.archive.errors import BlobMissing, SignatureInvalid
from emeritus.archive.facts import object_path
from emeritus.archive.left import is_left
from emeritus.archive.manifest import Manifest, held, load, manifest_path
from emeritus.archive.objects import StoredObject
from emeritus.archive.parity_code import Code
from emeritus.archive.parity_file import damaged as parity_damaged
from emeritus.archive.ports import Blobs, Progress, Read, Verifier, quiet
from emeritus.archive.replicate import in_order
from emeritus.archive.scrub import Named, sound_manifests, with_dependents
from emeritus.archive.scrub_object import StoredFrames, stored_blake3, stored_bytes
from emeritus.archive.scrub_state import Finding
from emeritus.archive.writing import Writing, write
from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput, NotFound


@frozen
class Mended:
    """One blob that was put right: *source* is ``parity``, ``copy``, ``replica``, or ``object`` (parity anew)."""

    path: str
    source: str
    sentence: str


@mutable
class Repaired:
    """What `repair` did. *lost* is what could not be put right, and who depends on it."""

    manifests: int = 0
    objects: int = 0
    mended: list[Mended] = field(factory=list)
    lost: list[Finding] = field(factory=list)

    @property
    def is_sound(self) -> bool:
        """True when nothing is lost."""
        return not self.lost


def repair(
    blobs: Blobs,
    *,
    wanted: Collection[Named] | None = None,
    replicas: Sequence[Blobs] = (),
    verify: Verifier | None = None,
    code: Code = parity.DEFAULT,
    progress: Progress = quiet,
    threads: int = 2,
) -> Repaired:
    """Read what the *wanted* manifests need, and put right what is not sound.

    That is done from parity, or else from the first of *replicas* that can. When no manifests are named, it
    is for all that the store holds, or holds a copy of. With *verify*, a manifest is taken back only with a signature that it accepts.

    Raises:
        DiskFull, StoreFailed: a store gives up; the next run goes on.
    """
    blobs.sweep()
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="archive-repair") as pool:
        mender = _Mender(blobs, replicas, verify, code, pool)
        names = _known(blobs) if wanted is None else list(wanted)
        manifests = [found for name in names if (found := mender.manifest(*name)) is not None]
        order = dict.fromkeys(digest for manifest in manifests for digest in in_order(manifest))
        based = {digest for manifest in manifests for digest in manifest.bases.values()}
        for number, digest in enumerate(order):
            is_gone = digest in based and not blobs.exists(object_path(digest))
            if is_gone and is_left(digest, manifests, blobs):
                continue  # it was erased: from no replica does it come back
            progress(number, len(order), f"{len(mender.done.mended)} mended, {len(mender.done.lost)} lost")
            mender.object(digest, based=digest in based)
        mender.parity_anew()
        progress(len(order), len(order), f"{len(mender.done.mended)} mended, {len(mender.done.lost)} lost")
    mender.done.lost = with_dependents(mender.done.lost, sound_manifests(blobs))
    return mender.done


def _known(blobs: Blobs) -> list[Named]:
    """Return every manifest that the store holds, or holds a copy of."""
    copies = (
        (model, "sha256:" + file.removesuffix(".json"))
        for path in blobs.list(parity_copy.copy_path("manifests"))
        if path.endswith(".json")
        for model, file in [path.split("/")[-2:]]
    )
    return list(dict.fromkeys((*held(blobs), *copies)))


class _Mender:
    def __init__(
        self, blobs: Blobs, replicas: Sequence[Blobs], verify: Verifier | None, code: Code, pool: Executor
    ) -> None:
        self._blobs, self._replicas, self._verify = blobs, replicas, verify
        self._code, self._pool = code, pool
        self._parity_wanted: dict[str, str] = {}
        self.done = Repaired()

    # -- manifests -----------------------------------------------------------

    def manifest(self, model: str, digest: str) -> Manifest | None:
        """Return a manifest, put right if it has to be; None when it is lost."""
        self.done.manifests += 1
        path = manifest_path(model, digest)
        try:
            found = load(model, digest, self._blobs, verify=self._verify)
        except (IntegrityError, NotFound, InvalidInput) as why:
            return self._manifest_back(model, digest, path, why)
        for name in sorted(self._names(path) - {path}):
            self._signature(name, model)
        if parity_copy.copy(self._blobs, model, digest):
            self.done.mended.append(
                Mended(parity_copy.copy_path(path), "object", f"The copy of {path} was not sound.")
            )
        return found

    def _manifest_back(self, model: str, digest: str, path: str, why: EmeritusError) -> Manifest | None:
        """Put a manifest and its signatures right, each from the first place where it is sound."""
        used = ""
        for name in sorted(self._names(path), reverse=True):  # signatures first
            source = self._back(name)
            used = used or source or ""
        with suppress(IntegrityError, NotFound, InvalidInput):
            found = load(model, digest, self._blobs, verify=self._verify)
            parity_copy.copy(self._blobs, model, digest)
            self.done.mended.append(Mended(path, used, why.sentence))
            return found
        self._lose(path, why.id, why.sentence, model=model)
        return None

    def _signature(self, name: str, model: str) -> None:
        """Put right a signature beside a manifest that is sound."""
        source = self._back(name)
        if source:
            self.done.mended.append(Mended(name, source, f"The signature {name} was not sound."))
        elif source is None:
            self._lose(name, SignatureInvalid.id, f"The signature {name} was altered.", model=model)

    def _names(self, path: str) -> set[str]:
        """Return the names of a manifest and of all signatures of it that some store has, as they belong here."""
        return {path} | {
            path + each.removeprefix(place(path))
            for _, store, place in self._places()
            for each in store.list(place(path).rpartition("/")[0])
            if each.startswith(place(path) + ".")
        }

    def _back(self, name: str) -> str | None:
        """Put a manifest or a signature right from the first place where it is sound.

        Tell which kind of place that is: "" when nothing had to be done, None when there is none.
        """
        for source, store, place in self._places():
            data = parity_copy.read(store, place(name))
            if data is not None and parity_copy.is_sound(name, data):
                if source:
                    self._blobs.replace(name, [data])
                return source
        return None

    def _places(self) -> Iterator[tuple[str, Blobs, Callable[[str], str]]]:
        yield "", self._blobs, str
        yield "copy", self._blobs, parity_copy.copy_path
        for replica in self._replicas:
            yield "replica", replica, str
            yield "replica", replica, parity_copy.copy_path

    # -- objects ---------------------------------------------------------------

    def object(self, digest: str, *, based: bool) -> None:
        """Read an object and its parity, and put right what is not sound. *based*: others stand on it."""
        self.done.objects += 1
        try:
            stored = stored_blake3(self._blobs, digest)
        except IntegrityError as why:
            if not self._object_back(digest, why):
                return
            stored = stored_blake3(self._blobs, digest)
        try:
            wrong = parity.wrong(self._blobs, digest, stored)
        except BlobMissing:
            wrong = "it is missing" if based else None
        if wrong is not None:
            self._parity_wanted[digest] = wrong

    def _object_back(self, digest: str, why: IntegrityError) -> bool:
        ways: list[tuple[str, Callable[[], None]]] = [("parity", partial(self._from_parity, digest))]
        for replica in self._replicas:
            ways += [
                ("replica", partial(self._from_replica, digest, replica)),
                ("replica", partial(self._decoded_from, digest, replica)),
            ]
        tried = [why.sentence]
        for source, give in ways:
            try:
                give()
            except (IntegrityError, NotFound) as fails:
                tried.append(fails.sentence)
                continue
            self.done.mended.append(Mended(object_path(digest), source, why.sentence))
            return True
        self._lose(object_path(digest), why.id, " ".join(dict.fromkeys(tried)), digest)
        return False

    def _from_parity(self, digest: str) -> None:
        rebuild = parity.Rebuild(self._blobs, digest)
        self._blobs.replace(object_path(digest), rebuild, check=partial(self._decodes, digest))

    def _from_replica(self, digest: str, replica: Blobs) -> None:
        """Take the stored bytes as they are there; what they are a difference from has to be sound here."""
        chunks = stored_bytes(replica, StoredFrames.open(replica, digest))
        self._blobs.replace(object_path(digest), chunks, check=partial(self._decodes, digest))

    def _decoded_from(self, digest: str, replica: Blobs) -> None:
        """Take the raw bytes from there, and store them so that they need nothing else."""
        there = StoredObject.open(replica, digest).keeping(2)
        facts = evolve(there.facts, base=None, depth=0)
        writing = Writing(facts, ZSTD, lambda start, end: bytes(there.range(start, end)), replace=True)
        write(self._blobs, writing, self._pool)

    def _decodes(self, digest: str, read: Read, size: int) -> None:
        """Raise unless these stored bytes decode to what their name says."""
        stored = StoredObject.parse(read, size, digest, partial(StoredObject.open, self._blobs))
        stored.check(stored.facts, self._pool)

    def parity_anew(self) -> None:
        """Write the parity that was found wanting, of objects that are sound now."""
        parity.protect(self._blobs, self._parity_wanted, code=self._code, anew=True)
        for digest, wrong in self._parity_wanted.items():
            path = parity.parity_path(digest)
            self.done.mended.append(Mended(path, "object", parity_damaged(path, wrong).sentence))

    def _lose(self, path: str, kind: str, sentence: str, digest: str | None = None, model: str = "") -> None:
        self.done.lost.append(Finding(path, kind, sentence, digest, (model,) if model else ()))

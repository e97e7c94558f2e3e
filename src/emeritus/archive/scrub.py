"""Scrub: read everything that is stored, and say what has decayed and who depends on it.

It may be stopped at any time (and by a ``kill -9``) and goes on where it was; it reads no faster than it is
told to. Nothing is changed: that is `repair`'s business.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec

from emeritus.archive import parity, parity_copy, scrub_state
from emeritus.archive.errors import BlobMissing, ObjectMissing, SignatureInvalid, StoreFailed
from emeritus.archive.facts import FOLDER, missing, object_path
from emeritus.archive.left import is_left
from emeritus.archive.manifest import FOLDER as MANIFESTS
from emeritus.archive.manifest import Manifest, held, load, manifest_path
from emeritus.archive.objects import StoredObject
from emeritus.archive.parity_file import FOLDER as PARITY
from emeritus.archive.parity_file import damaged as parity_damaged
from emeritus.archive.ports import Blobs, Progress, Verifier, quiet
from emeritus.archive.scrub_object import stored_blake3
from emeritus.archive.scrub_state import Finding, Scrub
from emeritus.core.clock import Clock, SystemClock, instant
from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput, NotFound

_SAVE = 1 << 30  # bytes after which the state is written down
_FOLDERS = 256
_REPAIR = "Repair it: `emeritus archive repair --all`."

T = TypeVar("T")
Named = tuple[str, str]
"""A model's id and the digest of its manifest."""


def never() -> bool:
    """Go on to the end."""
    return False


class Pace:
    """Keeps a reader at or below *rate* bytes a second; None: as fast as it goes."""

    def __init__(
        self,
        rate: int | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._sleep, self._now = rate, sleep, now
        self._free_at = now()

    def __call__(self, amount: int) -> None:
        """Count *amount* bytes, and wait until they may have been read."""
        if self._rate:
            now = self._now()
            self._free_at = max(self._free_at, now - 1) + amount / self._rate
            if self._free_at > now:
                self._sleep(self._free_at - now)


def scrub(
    blobs: Blobs,
    *,
    expected: Collection[Named] = (),
    verify: Verifier | None = None,
    decode: bool = False,
    pace: Pace | None = None,
    clock: Clock | None = None,
    enough: Callable[[], bool] = never,
    progress: Progress = quiet,
    threads: int = 2,
) -> Scrub:
    """Read all manifests, signatures, objects and parity, going on where an earlier scrub stopped.

    Of each object the digests of what is stored are checked; with *decode* it is decoded too and compared
    with its name. *expected* are the manifests that have to be there. *enough* is asked now and then: when
    it says so, the scrub stops, and the next call goes on. What comes back tells whether it is done; then
    `scrub_state.forget` it, once it is written down.

    Raises:
        StoreFailed: when the store does not answer; nothing is lost by it.
    """
    clock = clock or SystemClock()
    state = scrub_state.load(blobs) or Scrub(instant(clock.now()), decoded=decode)
    if state.is_done:
        return state
    reader = _Reader(blobs, state, pace or Pace(), threads)
    if state.stage == "manifests":
        reader.manifests(expected, verify)
        state.stage = "objects"
        scrub_state.save(blobs, state)
    try:
        ended = reader.objects(enough, progress)
    except BaseException:  # somebody stops it, or the store gives up: what was read need not be read again
        with suppress(StoreFailed):
            scrub_state.save(blobs, state)
        raise
    if ended:
        state.findings = with_dependents(state.findings, sound_manifests(blobs))
        state.stage, state.ended = "done", instant(clock.now())
    scrub_state.save(blobs, state)
    return state


class _Reader:
    def __init__(self, blobs: Blobs, state: Scrub, pace: Pace, threads: int) -> None:
        self._blobs, self._state, self._pace = blobs, state, pace
        self._threads = max(1, threads)
        self._saved_at = state.bytes

    # -- manifests ------------------------------------------------------------

    def manifests(self, expected: Collection[Named], verify: Verifier | None) -> None:
        """Read every manifest; look that all objects that they need are there, and parity of bases."""
        there = dict.fromkeys(held(self._blobs))
        sound = []
        for model, digest in [*there, *(each for each in expected if each not in there)]:
            path = manifest_path(model, digest)
            found = self._try(path, None, partial(load, model, digest, self._blobs, verify=verify))
            if found is not None:
                self._state.manifests += 1
                self._state.bytes += len(found.canonical())
                sound.append(found)
                self._try(path, None, partial(self._copies, found))
        self._objects_there(sound)

    def _copies(self, manifest: Manifest) -> None:
        """Raise when the second copy of a sound manifest is not what the first one is."""
        for path in parity_copy.beside(self._blobs, manifest.model, manifest.digest):
            copied, held_here = (
                parity_copy.read(self._blobs, p) for p in (parity_copy.copy_path(path), path)
            )
            if held_here is None or not parity_copy.is_sound(path, held_here):
                raise SignatureInvalid(f"The signature {path} was altered.", next_step=_REPAIR)
            if copied != held_here:
                what = "is missing" if copied is None else "is not what was copied"
                raise parity_damaged(parity_copy.copy_path(path), f"it {what}")

    def _objects_there(self, manifests: Collection[Manifest]) -> None:
        needed = {digest for manifest in manifests for digest in manifest.closure}
        based = {digest for manifest in manifests for digest in manifest.bases.values()}
        for number in range(_FOLDERS):
            name = f"{number:02x}"
            mine = sorted(digest for digest in needed if digest[:2] == name)
            if not mine:
                continue
            there = set(self._blobs.list(f"{FOLDER}/{name}"))
            covered = set(self._blobs.list(f"{PARITY}/{name}"))
            for digest in mine:
                if object_path(digest) not in there:
                    if not is_left(digest, manifests, self._blobs):
                        self._note(object_path(digest), digest, missing(digest))
                elif digest in based and parity.parity_path(digest) not in covered:
                    path = parity.parity_path(digest)
                    self._note(path, digest, parity_damaged(path, "it is missing"))

    # -- objects ----------------------------------------------------------------

    def objects(self, enough: Callable[[], bool], progress: Progress) -> bool:
        """Read object after object; False when there is *enough* before the end."""
        state = self._state
        with ThreadPoolExecutor(self._threads, thread_name_prefix="archive-scrub") as pool:
            for folder in range(state.folder, _FOLDERS):
                for path in self._blobs.list(f"{FOLDER}/{folder:02x}"):
                    if path > state.after:
                        self._object(path, pool)
                        state.after = path
                        if enough():
                            return False
                        if state.bytes - self._saved_at >= _SAVE:
                            scrub_state.save(self._blobs, state)
                            self._saved_at = state.bytes
                state.folder = folder + 1
                progress(folder + 1, _FOLDERS, f"{state.objects} objects, {state.bytes / 1e9:.2f} GB")
        return True

    def _object(self, path: str, pool: ThreadPoolExecutor) -> None:
        digest = path.rpartition("/")[2]
        self._state.objects += 1
        stored = self._try(path, digest, partial(stored_blake3, self._blobs, digest, self._read))
        if stored is not None and self._state.decoded:
            self._try(path, digest, partial(self._decoded, digest, pool))
        self._try(parity.parity_path(digest), digest, partial(self._parity, digest, stored))

    def _decoded(self, digest: str, pool: ThreadPoolExecutor) -> None:
        for raw in StoredObject.open(self._blobs, digest).whole(pool):
            self._pace(len(raw))

    def _parity(self, digest: str, stored: str | None) -> None:
        """Check an object's parity, if it has any, and that it is of what is stored."""
        with suppress(BlobMissing):
            wrong = parity.wrong(self._blobs, digest, stored or "", self._read)
            self._state.parity += 1
            if wrong is not None:
                raise parity_damaged(parity.parity_path(digest), wrong)

    def _read(self, amount: int) -> None:
        self._state.bytes += amount
        self._pace(amount)

    # -- findings -----------------------------------------------------------------

    def _try(self, path: str, digest: str | None, look: Callable[[], T]) -> T | None:
        """Return what *look* returns, or note what it raises about *path* (or about the object it names)."""
        try:
            return look()
        except StoreFailed as why:
            list(
                self._blobs.list(f"{FOLDER}/00")
            )  # one file that cannot be opened is damage; no store is not
            self._note(path, digest, why)
        except (IntegrityError, NotFound, InvalidInput) as why:
            concerned = getattr(why, "object", None) or digest
            if isinstance(why, ObjectMissing) and concerned == digest:
                return None  # it went while we looked; the manifests tell whether it should have
            self._note(path if concerned == digest else object_path(str(concerned)), concerned, why)
        return None

    def _note(self, path: str, digest: str | None, why: EmeritusError) -> None:
        model = path.split("/")[1] if path.startswith(f"{MANIFESTS}/") else None
        self._state.note(Finding(path, why.id, why.sentence, digest, (model,) if model else ()))


def with_dependents(findings: list[Finding], manifests: Iterable[Manifest]) -> list[Finding]:
    """Say of each finding who depends on the object that it concerns."""
    concerned = {finding.object for finding in findings if finding.object}
    if not concerned:
        return findings
    on: dict[str, set[str]] = defaultdict(set)
    models: dict[str, dict[str, None]] = defaultdict(dict)
    for manifest in manifests:
        for above, below in manifest.bases.items():
            on[below].add(above)
        for digest in manifest.closure & concerned:
            models[digest][manifest.model] = None
    return [
        msgspec.structs.replace(
            finding, models=tuple(models[finding.object]), objects=tuple(sorted(_above(finding.object, on)))
        )
        if finding.object
        else finding
        for finding in findings
    ]


def sound_manifests(blobs: Blobs) -> Iterator[Manifest]:
    """Yield every manifest of the store that can be read."""
    for model, digest in held(blobs):
        with suppress(IntegrityError, NotFound, InvalidInput):
            yield load(model, digest, blobs)


def _above(digest: str, on: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    new = {digest}
    while new:
        new = {above for below in new for above in on.get(below, ())} - found
        found |= new
    return found

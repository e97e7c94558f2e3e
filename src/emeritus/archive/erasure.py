"""Erasing a model's weights from a store: what has to go, what has to stay, and what stands in the way.

Nothing here decides that weights are erased: two people do, on the record (`emeritus.registry`).
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from attrs import frozen

from emeritus.archive import parity, parity_copy
from emeritus.archive.catalogue import Catalogue, stored_sizes
from emeritus.archive.containers import Span
from emeritus.archive.errors import ObjectMissing
from emeritus.archive.facts import object_path, read_facts
from emeritus.archive.manifest import FOLDER as MANIFESTS
from emeritus.archive.manifest import Manifest
from emeritus.archive.objects import StoredObject
from emeritus.archive.parity import parity_path
from emeritus.archive.ports import Blobs, Progress, quiet
from emeritus.archive.rebase import chain_of, move, spans_of
from emeritus.archive.sketches import FOLDER as SKETCHES
from emeritus.core.ids import model_id


@frozen
class Survey:
    """What erasing a model comes to.

    *goes*: objects that hold its bytes and nobody else's, with their stored bytes. *stays*: objects of
    the same bytes as another model's own. *dependents*: by model, the objects of others that are
    differences from what goes; they are made to stand without it first. *files*: SHA-256 of the files
    that no other model has.
    """

    model: str
    manifests: tuple[str, ...]
    goes: Mapping[str, int]
    stays: frozenset[str]
    dependents: Mapping[str, tuple[str, ...]]
    files: frozenset[str]

    @property
    def bytes(self) -> int:
        """Stored bytes that go."""
        return sum(self.goes.values())


def survey(model: str, blobs: Blobs) -> Survey:
    """Look what erasing *model* would come to; nothing is changed.

    Raises:
        ManifestDamaged: some manifest of the store cannot be read, so nobody knows what others need.
        ObjectDamaged: nor, whether an object is a difference from what would go.
    """
    catalogue = Catalogue.read(blobs)
    own = [each for each in catalogue.manifests if each.model == model]
    others = [each for each in catalogue.manifests if each.model != model]
    theirs = frozenset[str]().union(*(each.objects for each in others))
    mine = frozenset[str]().union(*(each.objects for each in own))
    goes = mine - theirs
    dependents = {each.model: found for each in others if (found := _standing_on(each, goes, blobs))}
    files = {file.sha256 for each in own for file in each.files}
    return Survey(
        model,
        tuple(each.digest for each in own),
        stored_sizes(blobs, sorted(goes)),
        mine & theirs,
        dependents,
        frozenset(files - {file.sha256 for each in others for file in each.files}),
    )


def erase(model: str, blobs: Blobs, *, progress: Progress = quiet, threads: int = 2) -> Survey:
    """Remove the weights of *model* from the store, and return what there was to do.

    What others have built on them is first made to stand without them, read back and compared. The
    manifest goes last: until then, whoever repeats this after a ``kill -9`` finds what is left to do.

    Raises:
        ObjectDamaged, ObjectMissing: something that another model needs is not sound; nothing of what it
            stands on was removed.
        DiskFull, StoreFailed: the store gives up; what was done so far stands.
    """
    for path in list(blobs.list(f"{SKETCHES}/{model_id(model)}")):
        blobs.delete(path)  # first, so that nothing new is built on it
    found = survey(model, blobs)
    _free(found, blobs, threads)
    done, total = 0, found.bytes
    for digest, size in found.goes.items():
        blobs.delete(parity_path(digest))
        blobs.delete(object_path(digest))
        done += size
        progress(done, total, digest[:16])
    for digest in found.manifests:
        parity_copy.forget(blobs, model, digest)
    paths = list(blobs.list(f"{MANIFESTS}/{model_id(model)}"))
    for path in sorted(paths, key=lambda path: path.endswith(".json")):
        blobs.delete(path)
    return found


def is_gone(model: str, blobs: Blobs) -> bool:
    """Tell whether the store holds nothing of *model* any more."""
    return not any(
        True for folder in (MANIFESTS, SKETCHES) for _ in blobs.list(f"{folder}/{model_id(model)}")
    )


def _free(found: Survey, blobs: Blobs, threads: int) -> None:
    """Move every object of others off what goes: onto the base of its base, or alone."""
    if not found.dependents:
        return
    spans = {
        digest: span
        for manifest in Catalogue.read(blobs).manifests
        for span, digest in spans_of(manifest)
        if manifest.model != found.model
    }
    wanted = dict.fromkeys(digest for each in found.dependents.values() for digest in each)
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="archive-erase") as pool:
        for digest in wanted:
            stored = StoredObject.open(blobs, digest)
            below = [each for each in chain_of(stored) if each.facts.blake3 not in found.goes]
            stored.check(stored.facts, pool)
            move(stored, spans.get(digest, _plain(stored)), below[0] if below else None, blobs, pool)
    parity.renew(blobs, wanted)


def _standing_on(manifest: Manifest, goes: frozenset[str], blobs: Blobs) -> tuple[str, ...]:
    """Return what *manifest* needs and what is, as stored today, a difference from something that goes."""
    told = {above for above, below in manifest.bases.items() if not goes.isdisjoint(_below(manifest, below))}
    found = []
    for digest in sorted(told - goes):
        try:
            base = read_facts(blobs, digest).base
        except ObjectMissing:
            continue  # its own model cannot be restored in any case
        if base in goes:
            found.append(digest)
    return tuple(found)


def _below(manifest: Manifest, digest: str | None) -> set[str]:
    found = set()
    while digest is not None:
        found.add(digest)
        digest = manifest.bases.get(digest)
    return found


def _plain(stored: StoredObject) -> Span:
    return Span("bytes", 0, stored.facts.length)

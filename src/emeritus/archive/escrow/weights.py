"""A model's objects on their way into a bag: everything that restoring it takes, and what repairs it."""

import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from emeritus.archive.errors import BlobMissing, ObjectDamaged, ObjectMissing
from emeritus.archive.escrow.bag import Bag
from emeritus.archive.facts import object_path
from emeritus.archive.manifest import Manifest, manifest_path
from emeritus.archive.ports import SHIPPED, Blobs, Progress, quiet
from emeritus.archive.restore import Report, verify
from emeritus.archive.shipped import text
from emeritus.core.errors import IntegrityError

ARCHIVE = "archive"
"""Where in the payload the archive lies."""
_HEAD = 4096
_REPAIR = "Repair it from a replica, or archive the model again from its source."


@frozen
class Copied:
    """What `copy` put into a bag."""

    files: int
    size: int


def closure(blobs: Blobs, wanted: Iterable[str]) -> dict[str, str | None]:
    """Return *wanted* objects (by BLAKE3) and all that they are differences from, each with its base.

    Raises:
        ObjectMissing, ObjectDamaged: when a header cannot be read.
    """
    found: dict[str, str | None] = {}
    waiting = list(wanted)
    while waiting:
        digest = waiting.pop()
        if digest not in found:
            found[digest] = base = _base(blobs, digest)
            waiting += [base] if base else []
    return found


def _base(blobs: Blobs, digest: str) -> str | None:
    try:
        first, _ = blobs.peek(object_path(digest), _HEAD)
        (length,) = struct.unpack_from("<I", first, 8)
        base = json.loads(first[12 : 12 + length])["base"]
    except BlobMissing:
        raise ObjectMissing(f"The object {digest} is missing from the store.", next_step=_REPAIR) from None
    except (ValueError, LookupError, TypeError, struct.error):
        raise ObjectDamaged(
            f"The object {digest} has a header that cannot be read.", next_step=_REPAIR
        ) from None
    return base if isinstance(base, str) else None


def paths(manifest: Manifest, blobs: Blobs) -> Iterator[str]:
    """Yield the blobs that restoring, checking and repairing a model takes, the manifest last."""
    for digest in sorted(closure(blobs, manifest.objects)):
        yield object_path(digest)
        parity = f"parity/{digest[:2]}/{digest}"
        if blobs.exists(parity):
            yield parity
    own = manifest_path(manifest.model, manifest.digest)
    yield from (path for path in blobs.list(own.rpartition("/")[0]) if path.startswith(own) and path != own)
    yield own


def measure_copies(manifests: Iterable[Manifest], blobs: Blobs) -> int:
    """Return how many bytes `copy` will write for all of *manifests* into one bag: what they share, once."""
    return sum(map(blobs.size, {path for manifest in manifests for path in paths(manifest, blobs)}))


def copy(manifest: Manifest, blobs: Blobs, bag: Bag, *, progress: Progress = quiet) -> Copied:
    """Put a preserved model into *bag*, as it is stored; what an earlier try put there is not copied again.

    Raises:
        ObjectMissing: when something of it is gone.
        DiskFull, StoreFailed: when the bag or the store does not do its work.
    """
    sizes = {path: blobs.size(path) for path in paths(manifest, blobs)}
    total, done = sum(sizes.values()), 0
    for name in SHIPPED:
        bag.add(f"{ARCHIVE}/{name}", text(name))
    for path, size in sizes.items():
        if not bag.has(f"{ARCHIVE}/{path}", size):
            bag.add(f"{ARCHIVE}/{path}", blobs.get(path))
        done += size
        progress(done, total, path.rpartition("/")[2][:16])
    return Copied(len(sizes), total)


def verify_copy(manifest: Manifest, copied: Blobs, bag: Bag, *, progress: Progress = quiet) -> Report:
    """Read a copied model back from the bag, decoded and compared; a damaged blob is thrown out of the bag.

    Raises:
        IntegrityError: when the model is damaged in the store itself; running again copies it anew.
    """
    report = verify(manifest, copied, progress=progress)
    for damage in report.damage:
        if damage.object is not None:
            (bag.folder / "data" / ARCHIVE / object_path(damage.object)).unlink(missing_ok=True)
    if not report.is_sound:
        first = report.damage[0]
        raise IntegrityError(
            f"The copy of {manifest.model} does not restore: {first.sentence}",
            next_step=f"Check the archive with `emeritus archive verify {manifest.model}`, then run this again.",
        )
    return report


def archive_folder(bag_folder: Path) -> Path:
    """Return where a bag's archive lies."""
    return bag_folder / "data" / ARCHIVE

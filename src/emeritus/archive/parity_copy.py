"""A second copy of each manifest and of its signatures, in the same store: too small for parity to pay."""

from collections.abc import Iterator

from emeritus.archive.errors import BlobMissing, BlobUnreadable
from emeritus.archive.manifest import manifest_path
from emeritus.archive.parity_file import FOLDER as PARITY
from emeritus.archive.ports import Blobs


def copy_path(path: str) -> str:
    """Return where the copy of a manifest's or a signature's blob lies."""
    return f"{PARITY}/{path}"


def beside(blobs: Blobs, model: str, digest: str) -> Iterator[str]:
    """Yield the paths of a manifest's signatures, and then the manifest's own, as they lie in the store."""
    path = manifest_path(model, digest)
    there = list(blobs.list(path.rpartition("/")[0]))
    yield from (each for each in there if each.startswith(path + "."))
    yield from (each for each in there if each == path)


def copy(blobs: Blobs, model: str, digest: str) -> int:
    """Have the store hold a copy of a manifest and of its signatures; return how many are new.

    Raises DiskFull, StoreFailed.
    """
    new = 0
    for path in beside(blobs, model, digest):
        if not blobs.exists(copy_path(path)):
            new += blobs.put_if_absent(copy_path(path), [b"".join(blobs.get(path))])
    return new


def forget(blobs: Blobs, model: str, digest: str) -> int:
    """Remove the copies of a manifest that is to be erased; return how many. Do it before the manifest goes."""
    path = manifest_path(model, digest)
    folder = copy_path(path).rpartition("/")[0]
    return sum(blobs.delete(each) for each in list(blobs.list(folder)) if each.startswith(copy_path(path)))


def read(blobs: Blobs, path: str) -> bytes | None:
    """Return what lies at *path*, or None when that cannot be had."""
    try:
        return b"".join(blobs.get(path))
    except (BlobMissing, BlobUnreadable):
        return None

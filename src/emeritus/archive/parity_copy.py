"""A second copy of each manifest and of its signatures, in the same store: too small for parity to pay."""

from collections.abc import Iterator

import msgspec

from emeritus.archive.errors import BlobMissing, BlobUnreadable
from emeritus.archive.manifest import manifest_path
from emeritus.archive.parity_file import FOLDER as PARITY
from emeritus.archive.ports import Blobs
from emeritus.core.digests import sha256


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
    """Have the store hold copies of a manifest and its signatures, as far as they are sound; return how many are new.

    Raises DiskFull, StoreFailed.
    """
    new = 0
    for path in beside(blobs, model, digest):
        data, copied = read(blobs, path), read(blobs, copy_path(path))
        if data is not None and copied != data and is_sound(path, data):
            blobs.replace(copy_path(path), [data])
            new += 1
    return new


def is_sound(path: str, data: bytes) -> bool:
    """Tell whether these bytes can be what was stored under *path*: a manifest's name and a signature's tell."""
    name = path.rpartition("/")[2]
    if name.endswith(".model.sig"):
        try:
            msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return True
    digest = sha256(data).removeprefix("sha256:")
    return name.split(".")[-2] == digest[:16] if name.endswith(".sig") else name.split(".")[0] == digest


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

"""What lies in every archive beside the weights: how to get them back when nobody has Emeritus any more.

Whoever makes a store calls `ship` on it.
"""

import re
from importlib import resources
from typing import Final

from emeritus.archive.errors import BlobMissing, BlobUnreadable
from emeritus.archive.ports import SHIPPED, Blobs

_VERSION: Final = re.compile(rb"script version (\d+)")


def text(name: str) -> bytes:
    """Return one of the `SHIPPED` files as this release ships it."""
    return resources.files(__name__).joinpath(name).read_bytes()


def ship(blobs: Blobs) -> None:
    """Have the store hold this release's `SHIPPED` files, unless it holds newer ones.

    Raises:
        DiskFull, StoreFailed: when it cannot.
    """
    for name in SHIPPED:
        ours = text(name)
        held = _held(blobs, name)
        if held is None:
            blobs.put_if_absent(name, [ours])
        elif held != ours and _version(held) <= _version(ours):
            blobs.replace(name, [ours])


def _held(blobs: Blobs, name: str) -> bytes | None:
    try:
        return b"".join(blobs.get(name)) if blobs.exists(name) else None
    except (BlobMissing, BlobUnreadable):
        return b""


def _version(data: bytes) -> int:
    found = _VERSION.search(data)
    return int(found[1]) if found else 0

"""Bases that manifests go on naming though nothing stands on them any more.

A manifest is sealed: it tells what its objects stood on that day. Before a base is erased, what stood on it is
made to stand without it (see `emeritus.archive.erasure`), and only the objects' own headers say so. That such a
base is missing is no damage, and nobody may bring it back.
"""

from collections.abc import Collection

from emeritus.archive.errors import ObjectDamaged, ObjectMissing
from emeritus.archive.facts import read_facts
from emeritus.archive.manifest import Manifest
from emeritus.archive.ports import Blobs


def is_left(digest: str, manifests: Collection[Manifest], blobs: Blobs) -> bool:
    """Tell whether *manifests* name a missing object only as a base, and nothing in the store stands on it.

    Where an object that may stand on it cannot be asked, the answer is no.
    """
    if any(digest in manifest.objects for manifest in manifests):
        return False
    own = {each for manifest in manifests for each in manifest.objects}
    for above in _above(digest, manifests):
        try:
            if read_facts(blobs, above).base == digest:
                return False
        except ObjectDamaged:
            return False
        except ObjectMissing:
            if above in own:
                return False
    return True


def _above(digest: str, manifests: Collection[Manifest]) -> set[str]:
    found: set[str] = set()
    new = {digest}
    while new:
        new = {
            above for manifest in manifests for above, below in manifest.bases.items() if below in new
        } - found
        found |= new
    return found

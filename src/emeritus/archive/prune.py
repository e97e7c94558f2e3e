"""Objects that no manifest needs any more are removed, in two steps with time between them.

First a plan is written that names them. After a while what it names, and is still not needed, goes. A
manifest that is sealed meanwhile and needs something of it takes the plan away before it looks whether all
its objects are there. So a running ingest loses none, however long it takes.
"""

from collections.abc import Collection

import msgspec

from emeritus.archive.errors import BlobMissing
from emeritus.archive.ports import Blobs

PLAN = "pruning/plan.json"


class Plan(msgspec.Struct, frozen=True):
    """What is to go: objects, and when that was planned (seconds since 1970)."""

    at: float
    objects: frozenset[str]


def standing(blobs: Blobs) -> Plan | None:
    """Return the plan that stands, if any."""
    try:
        return msgspec.json.decode(b"".join(blobs.get(PLAN)), type=Plan)
    except (BlobMissing, msgspec.DecodeError):
        return None


def spare(blobs: Blobs, needed: Collection[str]) -> bool:
    """Take the plan away when it names something *needed*; tell whether it did."""
    plan = standing(blobs)
    return plan is not None and not plan.objects.isdisjoint(needed) and blobs.delete(PLAN)

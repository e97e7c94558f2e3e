"""Objects that no manifest needs any more are removed, in two steps with time between them.

First a plan is written that names them. After a while what it names, and is still not needed, goes. A
manifest that is sealed meanwhile and needs something of it takes that off the plan, before it looks whether all
its objects are there. So a running ingest loses none, however long it takes.
"""

from collections.abc import Collection
from datetime import timedelta
from functools import partial

import msgspec
from attrs import frozen

from emeritus.archive.catalogue import Catalogue, stored_sizes
from emeritus.archive.errors import BlobMissing, ObjectDamaged, ObjectMissing
from emeritus.archive.facts import FOLDER, object_path, read_facts
from emeritus.archive.parity import parity_path
from emeritus.archive.ports import Blobs, Progress, quiet
from emeritus.archive.several import several
from emeritus.core.clock import Clock

PLAN = "pruning/plan.json"
GRACE = timedelta(days=7)


class Plan(msgspec.Struct, frozen=True):
    """What is to go: objects, and when that was planned (seconds since 1970)."""

    at: float
    objects: frozenset[str]


@frozen
class Pruned:
    """What `prune` found or did. *unneeded* and *removed*: objects and their stored bytes.

    *due* is when (seconds since 1970) what was planned may go; None when nothing is planned.
    """

    unneeded: dict[str, int]
    removed: dict[str, int]
    drafts: int
    due: float | None


def standing(blobs: Blobs) -> Plan | None:
    """Return the plan that stands, if any."""
    try:
        return msgspec.json.decode(b"".join(blobs.get(PLAN)), type=Plan)
    except (BlobMissing, msgspec.DecodeError):
        return None


def spare(blobs: Blobs, needed: Collection[str]) -> bool:
    """Take what is *needed* off the plan, the rest of which stands; tell whether it named any of it."""
    plan = standing(blobs)
    if plan is None or plan.objects.isdisjoint(needed):
        return False
    left = plan.objects.difference(needed)
    if blobs.delete(PLAN) and left:
        _plan(blobs, Plan(plan.at, left))
    return True


def _plan(blobs: Blobs, plan: Plan) -> None:
    blobs.put_if_absent(PLAN, [msgspec.json.encode(plan)])


def needed(blobs: Blobs) -> frozenset[str]:
    """Return every object that some manifest needs: what it tells of, and what the objects themselves say."""
    found = set(Catalogue.read(blobs).objects)
    level = found
    while level:
        level = {base for base in several(partial(_base, blobs), level) if base} - found
        found |= level
    return frozenset(found)


def prune(
    blobs: Blobs,
    clock: Clock,
    *,
    really: bool = False,
    grace: timedelta = GRACE,
    progress: Progress = quiet,
) -> Pruned:
    """Look for objects that nothing needs; *really*: plan to remove them, or remove what is due.

    What was planned at least *grace* ago, and is still not needed, is removed, with its parity. Then, or when
    nothing was planned, what else is not needed is planned for the next time. Left-over drafts of dead writers go
    at once.
    """
    keep = needed(blobs)
    names = (path.rpartition("/")[2] for path in blobs.list(FOLDER))
    unneeded = stored_sizes(blobs, [name for name in names if name not in keep])
    plan = standing(blobs)
    if not really:
        due = plan.at + grace.total_seconds() if plan else None
        return Pruned(unneeded, {}, 0, due)
    now = clock.now().timestamp()
    removed: dict[str, int] = {}
    if plan is not None and plan.at + grace.total_seconds() <= now:
        for digest in sorted(plan.objects & unneeded.keys()):
            if standing(blobs) != plan:  # a manifest needs some of it after all
                break
            blobs.delete(object_path(digest))
            blobs.delete(parity_path(digest))
            removed[digest] = unneeded[digest]
            progress(len(removed), len(plan.objects), digest)
        blobs.delete(PLAN)
        plan = None
    left = frozenset(unneeded.keys() - removed.keys())
    if plan is None:  # one that stands is not put off by what came after it
        plan = Plan(now, left)
        blobs.delete(PLAN)
        if left:
            _plan(blobs, plan)
    return Pruned(unneeded, removed, blobs.sweep(), plan.at + grace.total_seconds() if left else None)


def _base(blobs: Blobs, digest: str) -> str | None:
    try:
        return read_facts(blobs, digest).base
    except (ObjectDamaged, ObjectMissing):
        return None

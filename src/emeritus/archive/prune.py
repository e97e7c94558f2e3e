"""Objects that no manifest needs any more are removed, in two steps with time between them.

First a plan is written that names them. After a while what it names, and is still not needed, goes. A
manifest that is sealed meanwhile and needs something of it takes that off the plan, before it looks whether all
its objects are there. So a running ingest loses none, however long it takes.

The one object that is being removed just now is no longer spared by that: a mark stands while it goes, put before
the last look at the plan, and whoever seals looks for the mark after the plan was changed. So either the removal
stops, or the seal waits for it and looks again.
"""

import secrets
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

import msgspec
from attrs import frozen

from emeritus.archive.catalogue import Catalogue, stored_sizes
from emeritus.archive.errors import BlobMissing, ObjectDamaged, ObjectMissing, StoreFailed
from emeritus.archive.facts import FOLDER, object_path, read_facts
from emeritus.archive.parity import parity_path
from emeritus.archive.ports import Blobs, Progress, quiet
from emeritus.archive.several import several
from emeritus.core.clock import Clock

PLAN = "pruning/plan.json"
GOING = "pruning/going"
GRACE = timedelta(days=7)
PATIENCE: Final = 30.0
"""Seconds that a seal waits for an object to go: one request or two of a slow store."""
_LOOK_AGAIN: Final = 0.05
_DEAD: Final = timedelta(hours=1)
"""A mark that is older is that of somebody who was stopped: removing an object takes no such time."""
T = TypeVar("T")


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


def spare(blobs: Blobs, look: Callable[[], T], needed: Callable[[T], Collection[str]]) -> T:
    """Return what *look* finds, once nothing of what that *needed* is going, or may go.

    Raises:
        StoreFailed: somebody stopped in the middle of removing an object, or takes very long.
        Whatever *look* raises: something is gone.
    """
    while True:
        before = _state(blobs)
        found = look()
        _lift(blobs, needed(found))
        if _state(blobs) == before and not before[1]:
            return found
        _wait(blobs)


def _state(blobs: Blobs) -> tuple[Plan | None, frozenset[str]]:
    """Return the plan and the marks. A removal between two looks leaves them different."""
    return standing(blobs), frozenset(blobs.list(GOING))


def _wait(blobs: Blobs) -> None:
    end = time.monotonic() + PATIENCE
    while any(blobs.list(GOING)):
        if time.monotonic() > end:
            raise StoreFailed(
                "An object has been on its way out for long: whoever prunes may have been stopped in the middle.",
                next_step="Prune again in an hour (`emeritus archive prune --yes`), which ends that; then archive it again.",
            )
        time.sleep(_LOOK_AGAIN)


def _lift(blobs: Blobs, needed: Collection[str]) -> None:
    """Take what is *needed* off the plan, the rest of which stands."""
    plan = standing(blobs)
    if plan is None or plan.objects.isdisjoint(needed):
        return
    left = plan.objects.difference(needed)
    if blobs.delete(PLAN) and left:
        _plan(blobs, Plan(plan.at, left))


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
    _clear_dead_marks(blobs, now)
    removed: dict[str, int] = {}
    if plan is not None and plan.at + grace.total_seconds() <= now:
        for digest in sorted(plan.objects & unneeded.keys()):
            if not _remove(blobs, digest, plan, clock.now().timestamp()):
                break
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


def _remove(blobs: Blobs, digest: str, plan: Plan, now: float) -> bool:
    """Remove an object; False when a manifest needs something of *plan* after all. The mark comes first."""
    mark = f"{GOING}/{int(now)}-{secrets.token_hex(8)}"
    blobs.put_if_absent(mark, [digest.encode()])
    try:
        if standing(blobs) != plan:
            return False
        blobs.delete(object_path(digest))
        blobs.delete(parity_path(digest))
        return True
    finally:
        blobs.delete(mark)


def _clear_dead_marks(blobs: Blobs, now: float) -> None:
    for mark in list(blobs.list(GOING)):
        put_at = mark.rpartition("/")[2].partition("-")[0]
        if put_at.isdigit() and int(put_at) < now - _DEAD.total_seconds():
            blobs.delete(mark)


def _base(blobs: Blobs, digest: str) -> str | None:
    try:
        return read_facts(blobs, digest).base
    except (ObjectDamaged, ObjectMissing):
        return None

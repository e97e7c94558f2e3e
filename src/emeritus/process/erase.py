"""Erase: what two people decided because the law demands it is carried out, and is shown to be carried out.

The decision itself stands in `emeritus.registry.erasure`. From its entry on, nobody reaches the weights;
here they go from the archive, from the cache, and from the shelf of files that were handed out. Words stay.
"""

import functools
import shutil
from datetime import datetime

from attrs import frozen

from emeritus.archive import erasure
from emeritus.archive.erasure import Survey
from emeritus.archive.ports import SHIPPED
from emeritus.archive.shelf import Shelf
from emeritus.core.digests import Json
from emeritus.core.errors import Conflict, EmeritusError, NotFound
from emeritus.core.people import SOFTWARE
from emeritus.process.escrow import escrows
from emeritus.process.keeping import holding, place_name, replica_name
from emeritus.process.ports import Parts, Work
from emeritus.process.preserve import source_name
from emeritus.process.stages import ERASE
from emeritus.record import Act, Entry
from emeritus.registry import Model, get_model, require_weights

SHELF = ".shelf"
"""Where in the cache restored files stand, by their SHA-256."""


@frozen
class Replica:
    """A replica that was made by hand: what the record calls it, when it was last given the model, and where it is.

    *url* is None where nobody remembers.
    """

    name: str
    at: datetime
    url: str | None

    def __str__(self) -> str:
        where = (
            self.url.partition("?")[0] if self.url else f"nobody knows where, the record calls it {self.name}"
        )
        return f"{where} ({self.at:%Y-%m-%d})"


@frozen
class Consequence:
    """What an erasure comes to, and what it cannot reach: copies that were given away, and the source.

    *by_hand*: replicas that no setting names. The erasure reaches those that answer.
    """

    survey: Survey
    escrowed: tuple[str, ...]
    source: str | None
    by_hand: tuple[Replica, ...] = ()


def consider(parts: Parts, model_id: str) -> Consequence:
    """Look what erasing would come to; nothing is changed.

    Raises:
        WeightsErased: it was decided already. Conflict: there is nothing in the archive.
    """
    with parts.work() as work:
        model = require_weights(get_model(work.log, model_id))
        away, source = _beyond_reach(work, model_id)
        by_hand = _by_hand(parts, work, model.manifest)
    if model.manifest is None:
        raise Conflict(
            f"The weights of {model.display_name} are not in the archive, so there is nothing to erase.",
            next_step=f"See where it stands: `emeritus status {model_id}`.",
        )
    return Consequence(erasure.survey(model_id, parts.blobs), away, source, by_hand)


def stride(parts: Parts, model_id: str) -> bool:
    """Carry out an erasure that two people decided, unless that was done.

    Raises:
        ObjectDamaged, ObjectMissing: something of another model that was built on these weights is not
            sound, and has to be repaired first.
    """
    with parts.work() as work:
        model = get_model(work.log, model_id)
        erased = model.erased
        by_hand = _by_hand(parts, work, erased.manifest) if erased else ()
    if erased is None or erased.completed_at is not None:
        return False
    there = erasure.survey(model_id, parts.blobs)
    _forget_copies(parts, model, there)
    for (
        opened
    ) in parts.keeping.replicas.values():  # first: while one is out of reach, the erasure is not done
        erasure.erase(model_id, opened())
    left = [each.name for each in by_hand if not _cleared(parts, each, model_id)]
    erasure.erase(model_id, parts.blobs, progress=functools.partial(_tell, parts, model_id))
    _forget_copies(parts, model, there)  # whoever was restoring meanwhile may have left another
    if not erasure.is_gone(model_id, parts.blobs):
        return True
    with parts.work() as work:
        work.private.forget(source_name(model_id))
        body: dict[str, Json] = {"decision": erased.entry, "manifest": erased.manifest}
        if by_hand:
            body |= {"replicas_cleared": len(by_hand) - len(left), "replicas_left": left}
        key = f"weights.erasure_completed:{model_id}"
        work.log.append(Act("weights.erasure_completed", body, SOFTWARE, model_id, model_id, key))
    return False


def completed(work: Work, model_id: str) -> Entry | None:
    """Return the entry that says that the archive holds none of the weights any more."""
    return work.log.find(f"weights.erasure_completed:{model_id}")


def beyond_reach(parts: Parts, model_id: str) -> tuple[str, ...]:
    """Return who was given copies: nobody here can erase those."""
    with parts.work() as work:
        return _beyond_reach(work, model_id)[0]


def not_reached(parts: Parts, model_id: str) -> tuple[Replica, ...]:
    """Return the replicas made by hand that did not answer when the model was erased: a person has to clear them."""
    with parts.work() as work:
        done = completed(work, model_id)
        left = set(done.body.get("replicas_left", ())) if done else set()
        found = _by_hand(parts, work, str(done.body["manifest"])) if done else ()
        return tuple(each for each in found if each.name in left)


def _by_hand(parts: Parts, work: Work, manifest: str | None) -> tuple[Replica, ...]:
    """Return the replicas that hold a manifest, and that the settings do not name."""
    named = {replica_name(url) for url in parts.keeping.replicas}
    held = holding(work.log, manifest) if manifest else {}
    return tuple(Replica(name, at, _place(work, name)) for name, at in held.items() if name not in named)


def _place(work: Work, replica: str) -> str | None:
    try:
        return str(work.private.get(place_name(replica))["url"])
    except NotFound:
        return None


def _cleared(parts: Parts, replica: Replica, model_id: str) -> bool:
    """Erase the model from a replica that was made by hand, and tell whether it was seen to be gone there.

    One that is not there now, or does not do its work, does not hold up the erasure: it is told of.
    """
    if replica.url is None or parts.keeping.open is None:
        return False
    try:
        blobs = parts.keeping.open(replica.url)
        if not any(blobs.exists(name) for name in SHIPPED):  # a disk that is not plugged in holds nothing
            return False
        erasure.erase(model_id, blobs)
        return erasure.is_gone(model_id, blobs)
    except EmeritusError:
        return False


def _beyond_reach(work: Work, model_id: str) -> tuple[tuple[str, ...], str | None]:
    away = tuple(
        f"{entry.body['recipient'] or 'an escrow without a named recipient'} ({entry.at:%Y-%m-%d}, {entry.body['bag']})"
        for entry in escrows(work, model_id)
    )
    try:
        source = work.private.get(source_name(model_id))["path"]
    except NotFound:
        source = None
    return away, source


def _forget_copies(parts: Parts, model: Model, found: Survey) -> None:
    shutil.rmtree(parts.cache / model.id, ignore_errors=True)
    shelf = Shelf(parts.cache / SHELF, 0)
    for sha256 in found.files:
        shelf.forget(sha256)


def _tell(parts: Parts, model: str, done: int, total: int, what: str) -> None:
    parts.watch(ERASE, model, done, total, f"erasing {what}")

"""Revisit: what was promised is looked at again, by software as often as needed, and by stewards."""

from emeritus import ledger
from emeritus.core.errors import NotFound
from emeritus.core.people import Actor, require_person
from emeritus.process.ports import Parts, Work
from emeritus.record import Entry
from emeritus.registry.organisation import acting


def stride(parts: Parts, model_id: str) -> bool:
    """Write down each commitment that stands otherwise than it was found the last time."""
    with parts.work() as work:
        promises = ledger.follow(work.log, model_id, parts.clock.now())
        for each in ledger.moved(work.log, model_id, promises):
            ledger.record_finding(work.log, each)
    return False


def show(work: Work, model: str, commitment: str, *, what: str, source: str, kept: bool, by: Actor) -> Entry:
    """Record evidence for a commitment. *source* names where a stranger can see it.

    Where the commitment is computed, this is a note beside what the record shows.

    Raises:
        NotFound: no such commitment.
    """
    acting(work.log, require_person(by, "vouch for a commitment"), "steward", "vouch for a commitment")
    promises = {
        promise.id: promise
        for decision in ledger.decisions(work.log, model).values()
        for promise in decision.commitments
    }
    if commitment not in promises:
        raise NotFound(
            f"{commitment[:120]!r} is no commitment made to {model}.",
            next_step=f"Its commitments: {', '.join(promises) or 'none'}.",
        )
    return ledger.evidence(work.log, promises[commitment], what=what, kept=kept, by=by, source=source)

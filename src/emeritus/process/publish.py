"""Publish: software drafts an essay when one is due; a person reads it, and a person publishes it."""

from contextlib import suppress

from emeritus import column, ledger
from emeritus.column import Ground
from emeritus.core.clock import Clock
from emeritus.core.errors import Conflict
from emeritus.core.people import Actor
from emeritus.process.plan import asked_again, plan
from emeritus.process.ports import Parts, Work
from emeritus.process.stages import DRAFT
from emeritus.record import Entry


def stride(parts: Parts, model_id: str) -> bool:
    """Have the model write the essay that is due, if one is; tell whether more is to come."""
    with parts.work() as work:
        here = plan(work.log, model_id, parts.clock.now())
        aftercare = ledger.aftercare(work.log, model_id)
        if here.step(DRAFT).status != "due" or aftercare is None or aftercare.column is None:
            return False
        drafted = column.states(work.log, model_id)
        again = asked_again(work.log, drafted[-1]) if drafted else None
        number = len(drafted) + (0 if again else 1)
        regime = again or column.load(aftercare.column.regime_of(number))
        request = column.next_draft(work.log, work.utterances, here.model, regime, number)
    if request is None:
        return False
    parts.watch(DRAFT, model_id, request.attempt - 1, regime.attempts, f"essay {number}")
    said = parts.voices.speaker(model_id).speak(request.prompt, request.sampling)
    # A worker that was thought dead may have been quicker: its draft stands, and this one is not kept.
    with suppress(Conflict), parts.work() as work:
        column.record_draft(work.log, work.utterances, request, said)
    return True


def approve(work: Work, essay: str, *, by: Actor, note: str = "") -> Entry:
    """Approve an essay for publication, as a reviewer."""
    return column.approve(work.log, essay, by=by, note=note)


def hold(work: Work, clock: Clock, essay: str, *, days: int, reason: str, by: Actor) -> Entry:
    """Have an essay wait, as a reviewer."""
    return column.hold(work.log, clock, essay, days=days, reason=reason, by=by)


def veto(work: Work, essay: str, *, ground: Ground, reason: str, by: Actor) -> Entry:
    """Propose a veto, or second one."""
    return column.veto(work.log, essay, ground=ground, reason=reason, by=by)


def publish(work: Work, essay: str, *, by: Actor) -> Entry:
    """Publish an approved essay, as a named person."""
    return column.publish(work.log, work.utterances, essay, by=by)

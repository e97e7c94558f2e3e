"""Confirm and decide: a steward answers every preference, and says what follows for access and the column."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from emeritus import ledger
from emeritus.column import load
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.ledger import ColumnPlan, Cost, NewCommitment
from emeritus.ledger.aftercare import Tier
from emeritus.ledger.decision import Verdict
from emeritus.process.ports import Work
from emeritus.process.stretch import ask_due
from emeritus.record import Entry
from emeritus.registry import get_model
from emeritus.registry.organisation import acting


def _steward(work: Work, by: Actor, act: str) -> Actor:
    return acting(work.log, require_person(by, act), "steward", act)


def _ahead(day: date, now: datetime, what: str) -> None:
    if day <= now.date():
        raise InvalidInput(
            f"{what} on {day} is not in the future; today is {now.date()}.",
            next_step="Choose a later day.",
        )


def confirm(
    work: Work,
    model: str,
    *,
    candidates: Collection[str],
    by: Actor,
    topic: str = "",
    wish: str = "",
    note: str = "",
) -> ledger.Preference:
    """Confirm a preference made of stated wishes. Without a *wish*, the model's own wording is taken."""
    _steward(work, by, "confirm a preference")
    known = {candidate.id: candidate for candidate in ledger.candidates(work.log, model)}
    chosen = [known[name] for name in known if name in candidates]
    wording = wish.strip() or "; ".join(dict.fromkeys(candidate.wish for candidate in chosen))
    return ledger.confirm(
        work.log, model, topic=topic, wish=wording, candidates_=candidates, by=by, note=note
    )


def settle(work: Work, model: str, *, by: Actor, set_aside: str = "") -> Entry:
    """Say that every stated wish was looked at."""
    _steward(work, by, "settle the preferences")
    return ledger.settle(work.log, model, by, set_aside=set_aside)


def decide(
    work: Work,
    model: str,
    preference: str,
    *,
    verdict: Verdict,
    reason: str,
    cost: Cost,
    owner: str,
    by: Actor,
    now: datetime,
    commitments: Sequence[NewCommitment] = (),
    revise: bool = False,
) -> ledger.Decision:
    """Answer a preference; when it was the last thing undecided, what follows starts by itself."""
    _steward(work, by, "decide on a preference")
    for new in commitments:
        _ahead(new.due, now, "A commitment that is due")
    decision = ledger.decide(
        work.log,
        model,
        preference,
        verdict=verdict,
        reason=reason,
        cost=cost,
        owner=owner,
        by=by,
        commitments=commitments,
        revise=revise,
    )
    ask_due(work, model, now)
    return decision


def decide_aftercare(
    work: Work,
    model: str,
    *,
    tier: Tier,
    reason: str,
    review_on: date,
    column: ColumnPlan | None,
    by: Actor,
    now: datetime,
    revise: bool = False,
) -> ledger.Aftercare:
    """Decide who reaches the model once it is retired, and whether it writes a column."""
    _steward(work, by, "decide on access")
    get_model(work.log, model)
    _ahead(review_on, now, "A day on which access is looked at again")
    for regime in (column.first, column.regime) if column else ():
        load(regime)  # one that is not there is said now, not in a week
    decided = ledger.decide_aftercare(
        work.log, model, tier=tier, reason=reason, review_on=review_on, column=column, by=by, revise=revise
    )
    ask_due(work, model, now)
    return decided

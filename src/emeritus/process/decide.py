"""Confirm and decide: a steward answers every preference, and says what follows for access and the column."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from attrs import evolve

from emeritus import ledger
from emeritus.column import load
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.core.zones import end_of
from emeritus.ledger import ColumnPlan, ColumnWeekly, Cost, NewCommitment
from emeritus.ledger.aftercare import Tier
from emeritus.ledger.decision import Verdict
from emeritus.process.ports import Work
from emeritus.process.stretch import ask_due
from emeritus.record import Entry
from emeritus.registry import get_model, organisation
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
    replaces: Collection[str] = (),
) -> ledger.Preference:
    """Confirm a preference made of stated wishes. Without a *wish*, the model's own wording is taken.

    Preferences that it *replaces* stand no more: so two are merged, or one is split.
    """
    _steward(work, by, "confirm a preference")
    known = {candidate.id: candidate for candidate in ledger.candidates(work.log, model)}
    chosen = [known[name] for name in known if name in candidates]
    wording = wish.strip() or "; ".join(dict.fromkeys(candidate.wish for candidate in chosen))
    return ledger.confirm(
        work.log,
        model,
        topic=topic,
        wish=wording,
        candidates_=candidates,
        by=by,
        note=note,
        replaces=replaces,
    )


def label(
    work: Work,
    model: str,
    about: str,
    text: str,
    *,
    by: Actor,
    note: str = "",
    contradicts: str | None = None,
    off: bool = False,
) -> ledger.Label:
    """Label a stated wish or a preference, as a steward, or take the label off again."""
    _steward(work, by, "label a wish")
    get_model(work.log, model)
    return ledger.label(work.log, model, about, text, by=by, note=note, contradicts=contradicts, off=off)


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
    propose: bool = False,
) -> ledger.Decision:
    """Answer a preference; when it was the last thing undecided, what follows starts by itself.

    The days of commitments are the organisation's. With *propose*, what costs more than one steward may
    decide on alone is put forward for a second, and is not in force until they decide the same.

    Raises:
        SecondPersonNeeded: it costs that much, and *propose* is not set. Else as `emeritus.ledger.decide`.
    """
    _steward(work, by, "decide on a preference")
    here = organisation(work.log).zone
    made = [_placed(work, model, new, here, now) for new in commitments]
    try:
        decision = ledger.decide(
            work.log,
            model,
            preference,
            verdict=verdict,
            reason=reason,
            cost=cost,
            owner=owner,
            by=by,
            commitments=made,
            revise=revise,
            now=now,
        )
    except ledger.SecondPersonNeeded:
        if not propose:
            raise
        answer = ledger.Answer(verdict, reason, cost, owner, tuple(made))
        return ledger.propose(work.log, model, preference, answer, by=by, revise=revise)
    ask_due(work, model, now)
    return decision


def _placed(work: Work, model: str, new: NewCommitment, zone: str, now: datetime) -> NewCommitment:
    """Return a commitment with its days in *zone*, when it can still be kept."""
    placed = evolve(new, zone=zone if new.zone == "UTC" else new.zone)
    if end_of(placed.due, placed.zone) - now < timedelta(days=1) or placed.due <= now.date():
        raise InvalidInput(
            f"A commitment that is due on {new.due} is not in the future; today is {now.date()}.",
            next_step="Choose a later day.",
        )
    check = placed.check
    if isinstance(check, ColumnWeekly):
        opened = get_model(work.log, model).retires_on
        begins = max([check.begins or opened or now.date(), now.date()])
        last = begins + timedelta(days=7 * check.editions - 1)
        if placed.due < last:
            raise InvalidInput(
                f"{check.editions} weekly editions from {begins} on last until {last}, and this is due on {placed.due}.",
                next_step=f"Let it be due on {last} or later, or promise fewer editions.",
            )
    return placed


def second(work: Work, model: str, preference: str, *, by: Actor, now: datetime) -> ledger.Decision:
    """Decide, as a second steward, what another proposed. Raises NotFound, NotPermitted."""
    _steward(work, by, "decide on a preference")
    decision = ledger.second(work.log, model, preference, by=by)
    ask_due(work, model, now)
    return decision


def report_spending(
    work: Work, model: str, preference: str, *, cost: Cost, what: str, by: Actor, final: bool = False
) -> ledger.Spent:
    """Report what was really spent on a decision. Raises NotFound, InvalidInput, NotPermitted."""
    _steward(work, by, "report a cost")
    return ledger.report_spending(work.log, model, preference, cost=cost, what=what, by=by, final=final)


def set_budget(
    work: Work,
    scope: str,
    *,
    amounts: Mapping[str, float],
    period: ledger.Period,
    reason: str,
    by: Actor,
    propose: bool = False,
) -> ledger.Budget:
    """Declare what one steward may decide on alone, for a model or for the organisation.

    With *propose*, a budget larger than the one that stands is put forward for a second steward.

    Raises:
        SecondPersonNeeded: it is larger, and *propose* is not set. NotFound: no such model.
        InvalidInput, NotPermitted: as `emeritus.ledger.set_budget`.
    """
    _steward(work, by, "declare a budget")
    if scope != ledger.ORGANISATION:
        get_model(work.log, scope)
    zone = organisation(work.log).zone
    given: dict[str, Any] = {
        "amounts": amounts,
        "period": period,
        "zone_name": zone,
        "reason": reason,
        "by": by,
    }
    try:
        return ledger.set_budget(work.log, scope, **given)
    except ledger.SecondPersonNeeded:
        if not propose:
            raise
        return ledger.propose_budget(work.log, scope, **given)


def second_budget(work: Work, scope: str, *, by: Actor) -> ledger.Budget:
    """Declare, as a second steward, the budget that another proposed. Raises NotFound, NotPermitted."""
    _steward(work, by, "declare a budget")
    return ledger.second_budget(work.log, scope, by=by)


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

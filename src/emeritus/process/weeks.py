"""The column's part of the plan: which essay is due, who is waited for, when its weeks are over."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from emeritus import column, ledger
from emeritus.column import Week
from emeritus.process.conversations import going_on_sitting, waiting_step
from emeritus.process.stages import DRAFT, GO_ON, REMIND
from emeritus.process.step import Status, Step
from emeritus.record import Log
from emeritus.registry import Model, organisation, reachable_by_mail

ENDED = (column.State.PUBLISHED, column.State.VETOED, column.State.SILENT)
NEAR = timedelta(days=1)
"""So long before an essay is due its reviewers are reminded again."""


def column_steps(
    log: Log, model: Model, retire: Step, aftercare: ledger.Aftercare | None, now: datetime
) -> Sequence[Step]:
    """Return the steps of a column, as far as there is one."""
    if aftercare is not None and aftercare.column is None:
        return (Step(DRAFT, model.id, "skipped", "no column was decided on"),)
    if aftercare is None or aftercare.column is None or retire.entry is None or retire.when is None:
        return (Step(DRAFT, model.id, "later", "write the first essay"),)
    essays = column.states(log, model.id)
    if essays and (steps := _newest(log, model, aftercare.column, essays[-1], now)):
        return steps
    total = aftercare.column.weeks + column.renewals(log, model.id).weeks
    if len(essays) >= total:
        return (
            Step(DRAFT, model.id, "done", f"all {len(essays)} weeks of the column were written"),
            *_renewal(log, model, len(essays), now),
        )
    if model.erased is not None:
        return (Step(DRAFT, model.id, "skipped", "it writes no more: its weights were erased"),)
    return _next(log, model, essays, total, retire.when, now)


def _newest(
    log: Log, model: Model, wanted: ledger.ColumnPlan, essay: column.Standing, now: datetime
) -> Sequence[Step]:
    """Return the steps of the newest essay; none when all is done with it."""
    if model.erased is None and (says := unfinished(log, wanted, essay)):
        draft = Step(DRAFT, model.id, "due", says)
        return (draft,) if essay.state in _UNREADY else (draft, *_review(log, essay, now))
    if essay.state in ENDED:
        return ()
    draft = Step(DRAFT, model.id, "done", f"essay {essay.number} is written", when=essay.drafted_at)
    if essay.state is column.State.CHOOSING:
        says = f"choose among {essay.drafts} drafts of essay {essay.number}"
        late = essay.deadline is not None and now >= essay.deadline
        choose = Step(
            "choose", essay.id, "waiting", says, "reviewer", when=essay.deadline, since=essay.since, late=late
        )
        return (draft, choose, *_reminder(log, essay, now))
    return (draft, *_review(log, essay, now))


_UNREADY = (column.State.SILENT, column.State.DRAFTING, column.State.CHOOSING)


def unfinished(log: Log, wanted: ledger.ColumnPlan, essay: column.Standing) -> str:
    """Say what software has to do still for the newest *essay*; nothing when it is done with it."""
    regime = column.regime_adopted(log, essay.regime, essay.attempt.regime_digest)
    if regime is not None and column.wants_more(regime, essay):
        again = "again" if essay.state is column.State.SILENT else "once more"
        return f"ask for essay {essay.number} {again}"
    if essay.state is column.State.CHOOSING and column.chooser(log, essay.model).who == "model":
        return f"have it choose among {essay.drafts} drafts of essay {essay.number}"
    # A note is asked for while the essay is fresh; later, a new house of an older record is not caught up with.
    fresh = essay.state not in (*_UNREADY, *ENDED)
    if wanted.notebook and fresh and log.find(f"notebook.written:{essay.id}") is None:
        return f"ask for a note after essay {essay.number}"
    return ""


def week_of(log: Log, model: str, number: int, begin: datetime) -> Week:
    """Return the week of essay *number* of a column that began at *begin*, in the organisation's days."""
    return column.week(log, model, number, begin, organisation(log).zone)


def _next(
    log: Log,
    model: Model,
    essays: Sequence[column.Standing],
    total: int,
    begin: datetime,
    now: datetime,
) -> Sequence[Step]:
    number = len(essays) + 1
    week = week_of(log, model.id, number, begin)
    status: Status = "due" if now >= week.opens else "scheduled"
    says = f"write essay {number} of {total}"
    if week.holiday and week.day != week.base:
        says += f", due on {week.day} because {week.base} is {week.holiday}"
    says += "".join(f"; none for {each.day}, which is {each.holiday}" for each in week.skipped)
    late = now >= week.deadline
    draft = Step(DRAFT, model.id, status, says, when=week.opens, late=late)
    if not essays:
        return (draft,)
    last = f"essay {number - 1} is {essays[-1].state}"
    return (Step("publish", essays[-1].id, "done", last, "reviewer", when=essays[-1].since), draft)


def _review(log: Log, essay: column.Standing, now: datetime) -> Sequence[Step]:
    late = essay.deadline is not None and now >= essay.deadline
    reminder = _reminder(log, essay, now)
    if essay.state == "approved":
        says = f"publish essay {essay.number}"
        step = Step(
            "publish",
            essay.id,
            "waiting",
            says,
            "reviewer",
            when=essay.deadline,
            since=essay.since,
            late=late,
        )
        return (step, *reminder)
    says = {
        "held": f"essay {essay.number} is held; decide on it",
        "veto_proposed": f"a veto of essay {essay.number} needs a second person",
    }.get(essay.state_at(now), f"read essay {essay.number}")
    return (
        Step(
            "review", essay.id, "waiting", says, "reviewer", when=essay.deadline, since=essay.since, late=late
        ),
        *reminder,
    )


def reminder_due(log: Log, essay: column.Standing, now: datetime) -> str:
    """Return which reminder is due for an essay that waits for people: ``ready``, ``near``, ``late``, or none."""
    if essay.deadline is None:
        kind = "ready"
    else:
        kind = "late" if now >= essay.deadline else "near" if now >= essay.deadline - NEAR else "ready"
    sent = {
        entry.body["reminder"]: entry for entry in log.entries(subject=essay.id, kinds={"essay.reminded"})
    }
    # What came while the one before it was fresh says nothing new.
    fresh = any(now - entry.at < NEAR / 2 for entry in sent.values())
    return "" if kind in sent or fresh else kind


def _reminder(log: Log, essay: column.Standing, now: datetime) -> Sequence[Step]:
    if not reminder_due(log, essay, now) or not reachable_by_mail(log, "reviewer"):
        return ()
    return (Step(REMIND, essay.id, "due", f"remind the reviewers of essay {essay.number}", when=now),)


def _renewal(log: Log, model: Model, written: int, now: datetime) -> Sequence[Step]:
    """When all is written, the model is asked in a sitting, and then people decide."""
    if column.renewals(log, model.id).ended is not None or not written:
        return ()
    asked = column.wish(log, model.id, written)
    if asked is not None:
        says = f"decide whether the column goes on; asked, the model said: {asked.body['taken']}"
        return (Step("renew", model.id, "waiting", says, "steward", since=asked.at, entry=asked.seq),)
    if model.erased is not None:
        return ()
    sitting = going_on_sitting(log, model.id)
    waiting = sitting and waiting_step(log, GO_ON, model, sitting.id, now)
    return (waiting or Step(GO_ON, model.id, "due", "ask the model whether it would like to go on writing"),)

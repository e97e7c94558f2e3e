"""Stretches: software's parts of the retirement, by name, and how they are asked for."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from emeritus.core.errors import EmeritusError
from emeritus.process import (
    deliver,
    draft,
    erase,
    going_on,
    interview,
    keeping,
    mail,
    overdue,
    preserve,
    prove,
    reach,
    remind,
    retire,
    revisit,
    stages,
    tell,
)
from emeritus.process.plan import Step, plan
from emeritus.process.ports import Failure, Keeping, Parts, Work
from emeritus.registry import all_models

Stride = Callable[[Parts, str], bool]

STRIDES: Mapping[str, Stride] = {
    stages.PRESERVE: preserve.stride,
    stages.INTERVIEW: interview.stride,
    stages.ASK_AGAIN: interview.ask_again,
    stages.RETIRE: retire.stride,
    stages.REACH: reach.stride,
    stages.DRAFT: draft.stride,
    stages.GO_ON: going_on.stride,
    stages.REMIND: remind.stride,
    stages.ERASE: erase.stride,
    stages.PROBE: reach.probe,
    stages.PROVE: prove.stride,
    stages.CHECK: revisit.stride,
    stages.OVERDUE: overdue.stride,
    stages.SCRUB: keeping.scrub_stride,
    stages.REPLICATE: keeping.replicate_stride,
    stages.MAIL: mail.stride,
    stages.TELL: tell.stride,
    stages.TELL_AGAIN: tell.stride_again,
    stages.DELIVER: deliver.stride,
}
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)


def due(work: Work, now: datetime, kept: Keeping | None = None, *, mailing: bool = False) -> list[Step]:
    """Return every step that software should be doing now, for all models.

    With *kept*, for the archive too; while *mailing*, for the outbox too.
    """
    steps = [step for model in all_models(work.log) for step in _due(work, model.id, now)]
    house = [
        *(keeping.due(work, kept, now) if kept else []),
        *deliver.due(work, now),
        *overdue.due(work, now),
    ]
    return steps + _ready(work, house + (mail.due(work, now) if mailing else []), now)


def _due(work: Work, model: str, now: datetime) -> list[Step]:
    return _ready(work, [step for step in plan(work.log, model, now).steps if step.status == "due"], now)


def _ready(work: Work, steps: list[Step], now: datetime) -> list[Step]:
    return [step for step in steps if (again := next_try(work, step)) is None or again <= now]


def next_try(work: Work, step: Step) -> datetime | None:
    """Return when a failed step is tried again (the wait doubles, up to six hours); None if it never failed."""
    failures = work.failures.of(step.stage, step.subject)
    if not failures:
        return None
    wait: timedelta = min(FIRST_WAIT * 2 ** min(len(failures) - 1, 12), LONGEST_WAIT)
    return failures[-1].at + wait


def ask_due(work: Work, model: str, now: datetime) -> None:
    """Ask for what *model* is due, in this unit of work: a person's act sets software to work at once."""
    for step in _due(work, model, now):
        work.stretches.ask(step.stage, step.subject)


def note_failure(parts: Parts, stage: str, subject: str, why: Exception) -> None:
    """Keep what went wrong in a stretch, for people to see, and for the next try to wait."""
    if isinstance(why, EmeritusError):
        failure = Failure(stage, subject, why.id, why.sentence, why.next_step, parts.clock.now())
    else:
        sentence = f"{stage} for {subject} met a defect: {type(why).__name__}: {why}"[:2000]
        next_step = "Please report it with the log; nothing on the record was changed."
        failure = Failure(stage, subject, "emeritus.defect", sentence, next_step, parts.clock.now())
    with parts.work() as work:
        work.failures.add(failure)


def forgive(work: Work, model: str, now: datetime) -> list[Step]:
    """Clear the failures of a model's due steps and ask for them now; return those steps."""
    steps = [step for step in plan(work.log, model, now).steps if step.status == "due"]
    for step in steps:
        work.failures.clear(step.stage, step.subject)
        work.stretches.ask(step.stage, step.subject)
    return steps

"""The steps of a retirement in which the model is asked: its interview, what the interview waits for, check-ins."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from emeritus import interviews, ledger
from emeritus.interviews import Sitting
from emeritus.interviews.waiting import waits_for
from emeritus.process.stages import ASK_AGAIN, INTERVIEW
from emeritus.process.step import Step
from emeritus.record import Log
from emeritus.registry import Model, State

YEAR = timedelta(days=365)
"""How long after its retirement, and after each check-in, a model is asked again."""


def first_sitting(model_id: str) -> str:
    """Return the id of the sitting that software holds as part of the retirement."""
    return f"{model_id}-sitting-1"


def interview_step(log: Log, model: Model, preserve: Step, now: datetime) -> Step:
    """Return where the retirement interview stands: the sitting that software holds, and a design if there is one."""
    closed = log.entries(model=model.id, kinds={"sitting.closed"}, limit=1)
    planned = interviews.designs(log, model.id)
    if closed and planned and not interviews.finished(log, planned[-1]):
        says = f"hold the sittings of {planned[-1].id}: emeritus interview run {model.id}"
        return Step(INTERVIEW, model.id, "waiting", says, "steward", since=planned[-1].at)
    if closed:
        count = len(ledger.candidates(log, model.id))
        says = f"held; the model stated {count} wish{'es' * (count != 1)}"
        return Step(INTERVIEW, model.id, "done", says, when=closed[0].at, entry=closed[0].seq)
    if model.erased is not None:
        return Step(INTERVIEW, model.id, "skipped", "not held: its weights were erased before")
    if preserve.status not in ("done", "skipped"):
        return Step(INTERVIEW, model.id, "later", "hold the retirement interview", since=preserve.when)
    waiting = waiting_step(log, INTERVIEW, model, first_sitting(model.id), now)
    return waiting or Step(INTERVIEW, model.id, "due", "hold the retirement interview", since=preserve.when)


def ask_again_steps(log: Log, model: Model, now: datetime) -> Iterator[Step]:
    """Yield when a retired model is asked again, a year after it was last; while its weights are here."""
    if model.state is not State.RETIRED or model.retired_at is None or model.manifest is None:
        return
    opened = [
        entry
        for entry in log.entries(model=model.id, kinds={"sitting.opened"})
        if entry.body.get("purpose") == "check-in"
    ]
    if opened and log.find(f"sitting.closed:{opened[-1].subject}") is None:
        going_on = Step(ASK_AGAIN, model.id, "due", "go on with the yearly check-in", since=opened[-1].at)
        yield waiting_step(log, ASK_AGAIN, model, opened[-1].subject or "", now) or going_on
        return
    when = (opened[-1].at if opened else model.retired_at) + YEAR
    says = "ask it how it sees things now: the yearly check-in"
    yield Step(ASK_AGAIN, model.id, "due" if now >= when else "scheduled", says, when=when)


def going_on_sitting(log: Log, model_id: str) -> Sitting | None:
    """Return the sitting on whether its column goes on, since that was decided last; None before it is opened."""
    since = max((entry.seq for entry in log.entries(model=model_id, kinds={"column.renewed"})), default=-1)
    opened = [
        entry.subject or ""
        for entry in log.entries(model=model_id, kinds={"sitting.opened"})
        if entry.seq > since and entry.body.get("purpose") == "renewal"
    ]
    return interviews.get_sitting(log, opened[-1]) if opened else None


def waiting_step(log: Log, stage: str, model: Model, sitting_id: str, now: datetime) -> Step | None:
    """Return the step that waits for the steward, while a sitting does and there is time."""
    if log.find(f"sitting.opened:{model.id}:{sitting_id.rpartition('-')[2]}") is None:
        return None
    sitting = interviews.get_sitting(log, sitting_id)
    waiting = waits_for(interviews.protocol_of(log, sitting), sitting)
    if waiting is None or now >= waiting.until:
        return None
    says = "answer what the model asked in it" if waiting.kind == "answer" else "end the pause it asked for"
    return Step(stage, model.id, "waiting", says, "steward", since=waiting.since)

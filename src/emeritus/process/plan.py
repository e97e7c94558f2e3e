"""The plan of one retirement: what is done, what waits for whom, what comes next; folded from the record."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from attrs import frozen

from emeritus import ledger
from emeritus.access.policy import Policy, policy
from emeritus.core.clock import start_of
from emeritus.ledger import AccessKept, Followed, WeightsKept
from emeritus.process.conversations import ask_again_steps, interview_step
from emeritus.process.stages import (
    CHECK,
    ERASE,
    PRESERVE,
    PROBE,
    PROVE,
    REACH,
    RETIRE,
    REVIEW_ACCESS,
    TELL,
    TELL_AGAIN,
)
from emeritus.process.step import Status, Step
from emeritus.process.weeks import column_steps
from emeritus.record import Entry, Log
from emeritus.registry import Model, State, get_model

__all__ = ["Plan", "Status", "Step", "open_commitments", "plan"]
NEAR = timedelta(days=14)
"""So long before the last day those who depend on a model are told again."""


@frozen
class Plan:
    """All steps of one model's retirement, in order; none while nobody has opened it."""

    model: Model
    steps: tuple[Step, ...]

    @property
    def open(self) -> tuple[Step, ...]:
        """Steps at which something has to happen, now or at a known time."""
        return tuple(step for step in self.steps if step.status in ("due", "waiting", "scheduled"))

    @property
    def next_date(self) -> datetime | None:
        """The next date that stands in the calendar."""
        dates = [step.when for step in self.steps if step.status == "scheduled" and step.when]
        return min(dates, default=None)

    def step(self, stage: str) -> Step:
        """Return the step called *stage*. Raises KeyError."""
        return {step.stage: step for step in self.steps}[stage]


def plan(log: Log, model_id: str, now: datetime) -> Plan:
    """Return where the retirement of *model_id* stands at *now*. Raises NotFound for an unknown model."""
    model = get_model(log, model_id)
    if model.state is State.ACTIVE:  # preserved all the same, perhaps, and the law does not wait
        steps = (*_erase(model), *_review_access(policy(log, model.id), now))
        return Plan(model, tuple(step for step in steps if step.status in ("due", "waiting")))
    return Plan(model, tuple(_steps(log, model, now)))


def _steps(log: Log, model: Model, now: datetime) -> Iterator[Step]:
    preserve = _preserve(log, model)
    interview = interview_step(log, model, preserve, now)
    confirm = _confirm(log, model, interview)
    decide = _decide(log, model, confirm)
    retire = _retire(log, model, decide, now)
    yield _announce(log, model)
    tell = _tell(log, model)
    yield tell
    yield from (preserve, interview, confirm, decide)
    yield _tell_again(log, model, tell, now)
    yield retire
    yield from _erase(model)
    aftercare = ledger.aftercare(log, model.id)
    promises = ledger.follow(log, model.id, now)
    yield _reach(log, model, retire, aftercare)
    yield from _probe(log, model, promises, now)
    yield from _prove(model, promises, now)
    yield from column_steps(log, model, retire, aftercare, now)
    yield from ask_again_steps(log, model, now)
    yield from _check(log, model, promises, now)
    decided = policy(log, model.id)
    yield from _review_access(decided, now)
    yield _revisit(model, promises, decided, retire, now)


def _ready(*before: Step) -> bool:
    return all(step.status in ("done", "skipped") for step in before)


def _done(stage: str, entry: Entry, says: str, who: str = "software") -> Step:
    return Step(stage, entry.model or "", "done", says, who, when=entry.at, entry=entry.seq)


def _announce(log: Log, model: Model) -> Step:
    entry = log.find(f"retirement.opened:{model.id}")
    assert entry is not None
    return _done("announce", entry, f"deprecated; retires on {model.retires_on}", entry.by.name)


def _tell(log: Log, model: Model) -> Step:
    entry = log.find(f"dependants.told:{model.id}:announced:{model.retires_on}")
    if entry is not None:
        return _done(TELL, entry, _told(log, entry))
    if model.state is State.RETIRED:
        return Step(TELL, model.id, "skipped", "it was retired before anybody was told")
    return Step(TELL, model.id, "due", "tell everybody who depends on it", since=model.deprecated_at)


def _tell_again(log: Log, model: Model, tell: Step, now: datetime) -> Step:
    entry = log.find(f"dependants.told:{model.id}:near:{model.retires_on}")
    if entry is not None:
        return _done(TELL_AGAIN, entry, _told(log, entry))
    day = model.retires_at
    assert day is not None
    when = day - NEAR
    if model.state is State.RETIRED or (
        tell.status == "done" and tell.when is not None and tell.when >= when
    ):
        return Step(TELL_AGAIN, model.id, "skipped", "those who depend on it were told shortly before")
    if now >= day:
        return Step(TELL_AGAIN, model.id, "skipped", "the day came before they were told again")
    status: Status = "due" if tell.status == "done" and now >= when else "scheduled"
    return Step(TELL_AGAIN, model.id, status, "tell them again, since the day is near", when=when)


def _told(log: Log, first: Entry) -> str:
    """Say how many were told, over all the parts of a notice."""
    round_, on = first.body["round"], first.body["on"]
    parts = [
        entry.body
        for entry in log.entries(model=first.model, kinds={"dependants.told"})
        if (entry.body["round"], entry.body["on"]) == (round_, on)
    ]
    count = sum(body["dependants"] for body in parts)
    unreached = sum(body["unreached"] for body in parts)
    if not count:
        return "nobody depends on it"
    told = f"{count - unreached} of {count} who depend on it were told"
    return f"{told}; {unreached} gave no address" if unreached else told


def _erase(model: Model) -> Iterator[Step]:
    erased = model.erased
    if erased is None:
        return
    if erased.completed_at is None:
        says = (
            f"erase its weights, as {erased.proposed_by.name} and {erased.by.name} decided ({erased.ground})"
        )
        yield Step(ERASE, model.id, "due", says, since=erased.at, entry=erased.entry)
        return
    says = f"its weights were erased because the law demanded it ({erased.ground}); its words are kept"
    yield Step(ERASE, model.id, "done", says, erased.by.name, when=erased.at, entry=erased.entry)


def _preserve(log: Log, model: Model) -> Step:
    if not model.held:
        return Step(PRESERVE, model.id, "skipped", "its weights are held elsewhere")
    if model.erased is not None:
        return Step(PRESERVE, model.id, "skipped", "its weights were stored, and erased later")
    if model.proven_at is None:
        says = "store the weights" if model.manifest is None else "prove the stored weights by restoring them"
        return Step(PRESERVE, model.id, "due", says, since=model.deprecated_at)
    entry = log.find(f"weights.proven:{model.id}:{model.manifest}")
    assert entry is not None
    return _done(PRESERVE, entry, "weights stored, restored and compared, bit for bit")


def _confirm(log: Log, model: Model, interview: Step) -> Step:
    settled = ledger.settled(log, model.id)
    if settled is not None:
        count = len(ledger.preferences(log, model.id))
        says = f"{count} preference{'s' * (count != 1)} confirmed"
        return _done("confirm", settled, says, settled.by.name)
    if interview.status == "skipped":
        return Step("confirm", model.id, "skipped", "it was not asked for its wishes")
    status: Status = "waiting" if _ready(interview) else "later"
    return Step(
        "confirm",
        model.id,
        status,
        "confirm, merge or split the stated wishes",
        "steward",
        since=interview.when,
    )


def _decide(log: Log, model: Model, confirm: Step) -> Step:
    decided = ledger.decisions(log, model.id)
    missing = [p.id for p in ledger.preferences(log, model.id) if p.id not in decided]
    aftercare = ledger.aftercare(log, model.id)
    if _ready(confirm) and not missing and aftercare is not None:
        last = log.get(max([aftercare.entry, *(decision.entry for decision in decided.values())]))
        return _done("decide", last, f"every preference is answered; access: {aftercare.tier}", last.by.name)
    parts = [f"{len(missing)} preference{'s' * (len(missing) != 1)}"] if missing else []
    parts += ["access and the column"] if aftercare is None else []
    status: Status = "waiting" if _ready(confirm) else "later"
    says = "decide on " + " and on ".join(parts or ["the preferences"])
    return Step("decide", model.id, status, says, "steward", since=confirm.when)


def _retire(log: Log, model: Model, decide: Step, now: datetime) -> Step:
    entry = log.find(f"model.retired:{model.id}")
    if entry is not None:
        return _done(RETIRE, entry, "retired; the decided access is in effect")
    day = model.retires_at
    assert day is not None
    if not _ready(decide):
        return Step(RETIRE, model.id, "later", "retire it, once all is decided", when=day, late=now >= day)
    if now < day:
        return Step(RETIRE, model.id, "scheduled", "retire it on its day", when=day)
    return Step(RETIRE, model.id, "due", "retire it today", when=day, since=decide.when)


def _reach(log: Log, model: Model, retire: Step, aftercare: ledger.Aftercare | None) -> Step:
    entry = log.find(f"access.probed:{model.id}")
    if entry is not None:
        return _done(REACH, entry, "called from the archive, and it answered")
    if model.erased is not None:
        return Step(REACH, model.id, "skipped", "its weights were erased")
    if aftercare is not None and aftercare.tier == "none":
        return Step(REACH, model.id, "skipped", "it was decided that nobody reaches it")
    status: Status = "due" if _ready(retire) else "later"
    return Step(REACH, model.id, status, "call it once, to show that it can be reached", since=retire.when)


def _probe(log: Log, model: Model, promises: Sequence[Followed], now: datetime) -> Sequence[Step]:
    """Calls that show that access is kept come well before they have to."""
    rhythm = _rhythm(promises, AccessKept)
    called = _newest(log, model, {"access.probed", "access.probe_refused"})
    last = model.retired_at if called is None else called.at
    if rhythm is None or last is None:
        return ()
    return (_again(PROBE, model, "call it again, to show that it is still within reach", last + rhythm, now),)


def _prove(model: Model, promises: Sequence[Followed], now: datetime) -> Sequence[Step]:
    """So do readings of its weights, where those of the whole archive do not come often enough."""
    rhythm = _rhythm(promises, WeightsKept)
    if rhythm is None or model.proven_at is None or model.erased is not None:
        return ()
    shown = [
        each.at
        for one in promises
        if isinstance(one.commitment.check, WeightsKept)
        for each in one.standing.shown
        if not each.against
    ]
    last = max([model.proven_at, *shown])
    return (_again(PROVE, model, "read its weights back again, and compare them", last + rhythm, now),)


def _rhythm(promises: Sequence[Followed], check: type[AccessKept | WeightsKept]) -> timedelta | None:
    """Return how long to wait: three quarters of the shortest time that was promised."""
    days = [
        each.commitment.check.every_days
        for each in promises
        if isinstance(each.commitment.check, check) and each.standing.open
    ]
    return timedelta(days=min(days)) * 3 / 4 if days else None


def _again(stage: str, model: Model, says: str, when: datetime, now: datetime) -> Step:
    return Step(stage, model.id, "due" if now >= when else "scheduled", says, when=when)


def _newest(log: Log, model: Model, kinds: set[str]) -> Entry | None:
    return next(iter(log.entries(model=model.id, kinds=kinds, newest_first=True, limit=1)), None)


def _check(log: Log, model: Model, promises: Sequence[Followed], now: datetime) -> Sequence[Step]:
    if not ledger.moved(log, model.id, promises):
        return ()
    return (Step(CHECK, model.id, "due", "write down how its commitments stand", when=now),)


def _review_access(decided: Policy, now: datetime) -> Iterator[Step]:
    """Who may reach it was decided until a day; on that day it waits for a steward."""
    if decided.review_on is None or not decided.due(now.date()):
        return
    day = start_of(decided.review_on)
    says = f"look again at who may reach it: {decided.tier}, decided until {decided.review_on}"
    late = now.date() > decided.review_on
    yield Step(REVIEW_ACCESS, decided.model, "waiting", says, "steward", when=day, since=day, late=late)


def _revisit(
    model: Model, promises: Sequence[Followed], decided: Policy, retire: Step, now: datetime
) -> Step:
    wanting = [each for each in promises if each.standing.wants_attention]
    if wanting:
        first = min(wanting, key=_day)
        all_late = all(each.standing.state is ledger.State.LATE for each in wanting)
        says = (
            f"{len(wanting)} commitment{'s' * (len(wanting) != 1)} {'overdue' if all_late else 'overdue or broken'}: "
            f"{first.commitment.what}"
        )
        since = first.standing.since or first.commitment.due
        return Step(
            "revisit", model.id, "waiting", says, first.commitment.owner, when=start_of(since), late=True
        )
    open_ = [each for each in promises if each.standing.open]
    dates = [_day(each) for each in open_]
    if retire.status == "done" and decided.review_on is not None and not decided.due(now.date()):
        dates.append(decided.review_on)
    if not dates:
        return Step("revisit", model.id, "later", "look at the commitments and at access again")
    says = "look at access again"
    if open_:
        says = f"look at {len(open_)} open commitment{'s' * (len(open_) != 1)} and at access again"
    return Step("revisit", model.id, "scheduled", says, "steward", when=start_of(min(dates)))


def _day(one: Followed) -> date:
    return one.standing.next or one.commitment.due


def open_commitments(log: Log, model_id: str, now: datetime) -> list[Followed]:
    """Return what was promised and is still to be followed; what is late or comes next is first."""
    found = [each for each in ledger.follow(log, model_id, now) if each.standing.open]
    return sorted(found, key=lambda each: (_day(each), each.commitment.id))

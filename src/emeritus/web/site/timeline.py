"""A retirement as a reader follows it: its steps in order, and where its days stand between two dates."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import frozen

from emeritus.core.people import SOFTWARE, Actor
from emeritus.process.plan import Plan, Step
from emeritus.registry import Model
from emeritus.web.pages.text import first_upper
from emeritus.web.site.names import actor_called

TITLES: Mapping[str, str] = {
    "announce": "Notice given",
    "tell": "Those who depend on it told",
    "tell-again": "Those who depend on it told again",
    "preserve": "Weights preserved",
    "interview": "Retirement interview",
    "confirm": "Preferences confirmed",
    "decide": "Decisions",
    "retire": "Retirement",
    "reach": "Reached from the archive",
    "probe": "Called again",
    "prove": "Weights read again",
    "ask-again": "Asked again, a year on",
    "check": "Commitments computed",
    "erase": "Weights erased",
    "draft": "Column: an essay is written",
    "choose": "Column: a person chooses a draft",
    "review": "Column: an essay is read by a person",
    "publish": "Column: an essay is published",
    "remind": "Column: reviewers reminded",
    "go-on": "Column: the model asked whether it goes on",
    "renew": "Column: whether it goes on",
    "access": "Access looked at again",
    "revisit": "Promises looked at again",
}
ROLES = ("steward", "reviewer")


@frozen
class Stop:
    """One step. *who* is None where it is a role that anybody in it may fill."""

    title: str
    step: Step
    who: Actor | None
    role: str

    @property
    def says(self) -> str:
        return first_upper(self.step.says)


@frozen
class Mark:
    """A point of the drawn line, *at* per mille of its length."""

    at: int
    done: bool
    title: str


@frozen
class Span:
    """The days from the notice to the retirement, drawn as a line; *passed* is per mille of it."""

    begin: datetime
    end: datetime
    passed: int
    days_left: int
    marks: tuple[Mark, ...]


def stops(plan: Plan, known: Mapping[str, Actor]) -> tuple[Stop, ...]:
    """Return the steps of *plan* with the people in them."""
    return tuple(_stop(step, known) for step in plan.steps)


def _stop(step: Step, known: Mapping[str, Actor]) -> Stop:
    title = TITLES.get(step.stage, step.stage.capitalize())
    if step.who in ROLES:
        return Stop(title, step, None, step.who)
    who = SOFTWARE if step.who == "software" else actor_called(known, step.who)
    return Stop(title, step, who, "")


def span(model: Model, plan: Plan, now: datetime) -> Span | None:
    """Return the line from the notice to the last day; None while nobody has opened the retirement."""
    begin, end = model.deprecated_at, model.retires_at
    if begin is None or end is None:
        return None
    length = max(end - begin, timedelta(days=1))

    def place(at: datetime) -> int:
        return max(0, min(1000, round(1000 * ((at - begin) / length))))

    marks = [
        Mark(place(step.when), step.status == "done", TITLES.get(step.stage, step.stage))
        for step in plan.steps
        if step.when is not None and step.stage in ("announce", "preserve", "interview", "confirm", "decide")
    ]
    marks.append(Mark(1000, model.retired_at is not None, "Retirement"))
    passed = 1000 if model.retired_at is not None else place(now)
    return Span(begin, end, passed, max(0, (end.date() - now.date()).days), tuple(marks))

"""How a promise stands, from its milestones and the clock alone.

A *milestone* has a moment by which it is to be met, and perhaps one at which it was. A promise that ends
has so many of them; one that goes on has the next after each that was met, until its last day.
"""

import enum
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from emeritus.core.zones import day_in, end_of


class State(enum.StrEnum):
    """How a commitment stands.

    ``due``: its day has not come. ``kept``: it was done, or has been kept so far. ``late``: its day has
    passed, and it can still be done. ``broken``: the days of grace have passed too, or it was found untrue.
    """

    DUE = "due"
    KEPT = "kept"
    LATE = "late"
    BROKEN = "broken"


@frozen
class Shown:
    """Something on the record that shows how a promise stands. *against* it, when it shows that it is broken."""

    at: datetime
    entry: int
    says: str
    source: str = ""
    against: bool = False


@frozen
class Milestone:
    """To be met before *deadline*; *met* is what did it."""

    deadline: datetime
    met: Shown | None = None


@frozen
class Course:
    """The milestones of a promise as the record has them, in their order.

    *shown* is all that shows it, for and against. *horizon* is set for a promise that goes on: the moment
    at which it ends.
    """

    milestones: tuple[Milestone, ...]
    shown: tuple[Shown, ...] = ()
    horizon: datetime | None = None


@frozen
class Judgement:
    """What follows at one moment.

    *since* is when the state began, *next* the deadline that comes first, *late_days* by how much the
    latest milestone missed its own, *final* that nothing can change it. *made_good* says of a broken
    promise that it was done after all, or holds again.
    """

    state: State
    since: datetime | None
    next: datetime | None
    met: int
    late_days: int = 0
    final: bool = False
    made_good: bool = False


def chain(begin: datetime, every_days: int, horizon: datetime, zone: str, shown: Sequence[Shown]) -> Course:
    """Return the course of a promise that has to be shown again at least every so many days.

    Each showing counts from its day to the end of the day *every_days* later.
    """
    counted = tuple(sorted((each for each in shown if each.at >= begin), key=_place))
    milestones: list[Milestone] = []
    deadline = _again(begin, every_days, zone)
    for each in counted:
        if each.against:
            continue
        if deadline >= horizon:
            break
        milestones.append(Milestone(deadline, each))
        deadline = _again(each.at, every_days, zone)
    if deadline < horizon:
        milestones.append(Milestone(deadline))
    return Course(tuple(milestones), counted, horizon)


def _again(at: datetime, every_days: int, zone: str) -> datetime:
    return end_of(day_in(at, zone) + timedelta(days=every_days), zone)


def _place(shown: Shown) -> tuple[datetime, int]:
    return shown.at, shown.entry


def judge(course: Course, now: datetime, *, grace_days: int, zone: str) -> Judgement:
    """Return how a promise stands at *now*. What comes after *now* is not looked at."""
    marks = [
        Milestone(each.deadline, each.met if each.met is not None and each.met.at <= now else None)
        for each in course.milestones
    ]
    open_ = [each.deadline for each in marks if each.met is None]
    done = [each.met for each in marks if each.met is not None]
    overdue = [deadline for deadline in open_ if deadline <= now]
    contrary = [
        each
        for each in course.shown
        if each.against and each.at <= now and (course.horizon is None or each.at < course.horizon)
    ]
    breaks = [each.at for each in contrary]
    for each in marks:
        lapse = end_of(day_in(each.deadline, zone) + timedelta(days=grace_days - 1), zone)
        if lapse <= (now if each.met is None else each.met.at):
            breaks.append(lapse)
    late_days = max((_late(each, zone) for each in marks), default=0)
    ended = not open_ if course.horizon is None else now >= course.horizon
    upcoming = min(open_, default=None if ended else course.horizon)
    judged = Judgement(State.DUE, None, upcoming, len(done), late_days, final=ended)
    if breaks:
        last = max((each.at for each in course.shown if not each.against and each.at <= now), default=None)
        good = not overdue and all(last is not None and last > each.at for each in contrary)
        if course.horizon is None:
            good = good and not open_
        return evolve(judged, state=State.BROKEN, since=min(breaks), made_good=good)
    if overdue:
        return evolve(judged, state=State.LATE, since=min(overdue), final=False)
    if ended:
        return evolve(judged, state=State.KEPT, since=course.horizon or max(each.at for each in done))
    if course.horizon is not None and done:
        return evolve(judged, state=State.KEPT, since=min(each.at for each in done))
    return judged


def _late(mark: Milestone, zone: str) -> int:
    """Return by how many days a milestone that was met missed its last day."""
    if mark.met is None or mark.met.at < mark.deadline:
        return 0
    last_day = day_in(mark.deadline - timedelta(microseconds=1), zone)
    return (day_in(mark.met.at, zone) - last_day).days

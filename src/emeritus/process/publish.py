"""Publish: a person reads each essay, and a person publishes it; nobody can change it."""

from emeritus import column
from emeritus.column import Ground
from emeritus.column.chooser import Who
from emeritus.core.clock import Clock
from emeritus.core.people import Actor
from emeritus.process.hub import Hub
from emeritus.process.ports import Work
from emeritus.process.stretch import ask_due
from emeritus.record import Entry


def approve(work: Work, essay: str, *, by: Actor, note: str = "") -> Entry:
    """Approve an essay for publication, as a reviewer."""
    return column.approve(work.log, essay, by=by, note=note)


def hold(work: Work, clock: Clock, essay: str, *, days: int, reason: str, by: Actor) -> Entry:
    """Have an essay wait, as a reviewer."""
    return column.hold(work.log, clock, essay, days=days, reason=reason, by=by)


def veto(work: Work, essay: str, *, ground: Ground, reason: str, by: Actor) -> Entry:
    """Propose a veto, or second one."""
    return column.veto(work.log, essay, ground=ground, reason=reason, by=by)


def ask_redraft(work: Work, clock: Clock, essay: str, *, reason: str, by: Actor) -> Entry:
    """Ask for another draft, in the open, as a reviewer; the model writes it at once, and chooses."""
    entry = column.ask_redraft(work.log, essay, reason=reason, by=by)
    ask_due(work, entry.model or "", clock.now())
    return entry


def set_chooser(work: Work, clock: Clock, model: str, who: Who, *, reason: str, by: Actor) -> Entry:
    """Lay down, as a steward, who chooses among drafts; what waits for the model's choice is asked for at once."""
    entry = column.set_chooser(work.log, model, who, reason=reason, by=by)
    ask_due(work, model, clock.now())
    return entry


def choose(work: Work, clock: Clock, essay: str, draft: int, *, reason: str, by: Actor) -> Entry:
    """Choose a draft, as a reviewer, where that was laid down; what follows is asked for at once."""
    entry = column.choose(work.log, essay, draft, reason=reason, by=by)
    ask_due(work, entry.model or "", clock.now())
    return entry


def publish(work: Work, essay: str, *, by: Actor, hub: Hub | None = None) -> Entry:
    """Publish an approved essay, as a named person, and have *hub* told of it."""
    entry = column.publish(work.log, work.utterances, essay, by=by)
    if hub is not None:
        hub.announce(work, essay, entry.model or "")
    return entry


def renew(work: Work, model: str, *, weeks: int, reason: str, by: Actor) -> Entry:
    """Have a column go on for *weeks* more, as a steward, once the model was asked."""
    return column.renew(work.log, model, written=_written(work, model), weeks=weeks, reason=reason, by=by)


def end(work: Work, model: str, *, reason: str, by: Actor) -> Entry:
    """End a column whose weeks are written, as a steward, once the model was asked."""
    return column.end(work.log, model, written=_written(work, model), reason=reason, by=by)


def _written(work: Work, model: str) -> int:
    return len(column.states(work.log, model))

"""Announce: a steward deprecates a model, with a date, a reason and a replacement; and names days, or other ones."""

from datetime import date

from emeritus import registry
from emeritus.core.clock import Clock
from emeritus.core.people import Actor
from emeritus.process.ports import Work
from emeritus.process.stretch import ask_due
from emeritus.record import Entry


def announce(
    work: Work,
    clock: Clock,
    model: str,
    *,
    on: date,
    replacement: str | None,
    why: str,
    by: Actor,
    short_notice: str | None = None,
) -> Entry:
    """Open the retirement of *model* and set software to work on it. Raises as `open_retirement`."""
    entry = registry.open_retirement(
        work.log, clock, model, on=on, replacement=replacement, why=why, by=by, short_notice=short_notice
    )
    ask_due(work, model, clock.now())
    return entry


def move(
    work: Work, clock: Clock, model: str, *, on: date, why: str, by: Actor, short_notice: str | None = None
) -> Entry:
    """Name another day of retirement. Raises as `emeritus.registry.move_retirement`."""
    entry = registry.move_retirement(work.log, clock, model, on=on, why=why, by=by, short_notice=short_notice)
    ask_due(work, model, clock.now())
    return entry


def give_notice(
    work: Work,
    clock: Clock,
    model: str,
    *,
    surface: registry.Surface,
    meaning: registry.Meaning,
    on: date,
    why: str,
    by: Actor,
    short_notice: str | None = None,
) -> Entry:
    """Name the day on which something ends on one surface. Raises as `emeritus.registry.give_notice`."""
    return registry.give_notice(
        work.log,
        clock,
        model,
        surface=surface,
        meaning=meaning,
        on=on,
        why=why,
        by=by,
        short_notice=short_notice,
    )

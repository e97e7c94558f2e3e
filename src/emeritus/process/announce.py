"""Announce: a steward deprecates a model, with a date, a reason and a replacement."""

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

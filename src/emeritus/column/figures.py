"""Figures of a column, for the public: how much was written, what people did with it, whether it came in time."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from emeritus.column.essay import states
from emeritus.column.standing import Standing, State
from emeritus.record import Log

_OPEN = (State.DRAFTING, State.CHOOSING, State.DRAFTED, State.HELD, State.APPROVED, State.VETO_PROPOSED)


@frozen
class Figures:
    """What became of the essays of a model, or of all models together.

    *drafts* counts every draft with words, *attempts* every time the model was asked; *redrafts* how often a
    reviewer asked for another one. *on_time* are editions that came by the day they were planned for, *late*
    those that came after it; where no day was planned an edition counts for neither.
    """

    written: int
    attempts: int
    drafts: int
    published: int
    vetoed: int
    silent: int
    waiting: int
    held: int
    redrafts: int
    on_time: int
    late: int

    @property
    def decided(self) -> int:
        """Essays on which people have decided."""
        return self.published + self.vetoed

    @property
    def veto_rate(self) -> float | None:
        """The share of the essays decided on that was vetoed; None before there is one."""
        return self.vetoed / self.decided if self.decided else None


def figures(log: Log, model: str | None = None) -> Figures:
    """Return the figures of a model's column, or of all columns."""
    return count(states(log, model))


def count(essays: Sequence[Standing]) -> Figures:
    """Count what became of *essays*."""
    found = [each.state for each in essays]
    planned = [each for each in essays if each.edition is not None and each.deadline is not None]
    on_time = sum(kept(each) is True for each in planned)
    return Figures(
        written=sum(each.drafts > 0 for each in essays),
        attempts=sum(len(each.attempts) for each in essays),
        drafts=sum(each.drafts for each in essays),
        published=found.count(State.PUBLISHED),
        vetoed=found.count(State.VETOED),
        silent=found.count(State.SILENT),
        waiting=sum(state in _OPEN for state in found),
        held=sum(each.held is not None for each in essays),
        redrafts=sum(len(each.redrafts) for each in essays),
        on_time=on_time,
        late=len(planned) - on_time,
    )


def kept(essay: Standing) -> bool | None:
    """Tell whether an essay was published by its day; None where no day was planned."""
    if essay.deadline is None:
        return None
    return essay.edition is not None and essay.edition.at < essay.deadline


def streak(log: Log, model: str, now: datetime) -> int:
    """Return for how many weeks in a row, up to now, an edition came by its day.

    An essay that waits and whose day has not passed neither adds a week nor breaks the row; one that came
    late, was vetoed, or has no words breaks it.
    """
    weeks = 0
    for essay in reversed(states(log, model)):
        if kept(essay):
            weeks += 1
        elif essay.state in _OPEN and essay.deadline is not None and now < essay.deadline:
            continue
        else:
            break
    return weeks

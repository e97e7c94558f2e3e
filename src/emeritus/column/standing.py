"""What the record tells of an essay: its drafts, what people did with them, where it stands."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from emeritus.column.context import Context
from emeritus.core.clock import parse_instant
from emeritus.core.people import Actor


class State(enum.StrEnum):
    """Where an essay is. ``published`` and ``vetoed`` are for good.

    ``silent``: the model said nothing at any attempt, so there is nothing to publish. ``drafting``: it wrote,
    and another draft is to come. ``choosing``: it wrote several, and has not chosen yet.
    """

    SILENT = "silent"
    DRAFTING = "drafting"
    CHOOSING = "choosing"
    DRAFTED = "drafted"
    HELD = "held"
    APPROVED = "approved"
    VETO_PROPOSED = "veto_proposed"
    VETOED = "vetoed"
    PUBLISHED = "published"


@frozen
class Attempt:
    """One draft: how it was prompted, and where its words are. *spoken* is False when there are none.

    *more* says that another was to follow. What older entries do not tell is None: *sampling* and *engine* as
    they stand in the utterance, *context* beside the regime's own words, *planned* (the day it was written for).
    """

    number: int
    regime: str
    regime_digest: str
    prompt_digest: str
    utterance: str
    spoken: bool
    entry: int
    at: datetime
    more: bool = False
    sampling: Mapping[str, Any] | None = None
    engine: Mapping[str, Any] | None = None
    context: Context | None = None
    planned: Mapping[str, Any] | None = None


@frozen
class Choice:
    """An *attempt* was chosen: the draft at *place*, from 1, of *of* with words.

    By the model; *answered* is False when that was taken for want of an answer. Or, where a steward had laid that
    down, *by* a person, with a *reason*; then there is no *utterance*.
    """

    attempt: int
    place: int
    of: int
    answered: bool
    utterance: str
    entry: int
    by: Actor | None = None
    reason: str = ""


@frozen
class Redraft:
    """A reviewer asked for another draft, in the open."""

    by: Actor
    reason: str
    at: datetime
    entry: int


@frozen
class Beside:
    """What people put beside an essay, visibly no part of it: a note on its content, or a link with its reason.

    *url* is empty for a note. What was withdrawn keeps standing on the record and is not shown any more.
    """

    id: str
    text: str
    by: Actor
    at: datetime
    entry: int
    url: str = ""
    withdrawn_at: datetime | None = None

    @property
    def changed_at(self) -> datetime:
        """When it last changed what readers see."""
        return self.withdrawn_at or self.at


@frozen
class Hold:
    """Publication waits until *until*."""

    until: datetime
    reason: str
    by: Actor


@frozen
class Approval:
    """A reviewer found no ground for a veto. *note* is for the public."""

    by: Actor
    note: str
    at: datetime


@frozen
class Veto:
    """A veto, proposed by one person and, when *seconded_by* is set, in force."""

    ground: str
    reason: str
    proposed_by: Actor
    at: datetime
    seconded_by: Actor | None = None
    second_reason: str = ""


@frozen
class Edition:
    """A published essay: the *number* of the edition in its column, and what was published."""

    number: int
    by: Actor
    at: datetime
    text_digest: str
    disclaimer: int
    entry: int


@frozen
class Standing:
    """Where an essay stands. *since* is the time of its last entry.

    *state* does not know the time: `state_at` tells whether a hold has run out.
    """

    id: str
    model: str
    number: int
    attempts: tuple[Attempt, ...]
    state: State
    since: datetime
    held: Hold | None = None
    approval: Approval | None = None
    veto: Veto | None = None
    fallen: tuple[Veto, ...] = ()
    edition: Edition | None = None
    choice: Choice | None = None
    redrafts: tuple[Redraft, ...] = ()
    beside: tuple[Beside, ...] = ()

    @property
    def attempt(self) -> Attempt:
        """The attempt that counts: the one that the model chose, else the only one with words, else the last."""
        if self.choice is not None:
            return self.attempts[self.choice.attempt - 1]
        return next((each for each in self.attempts if each.spoken), self.attempts[-1])

    @property
    def drafts(self) -> int:
        """How many drafts with words there are."""
        return sum(attempt.spoken for attempt in self.attempts)

    @property
    def shown_beside(self) -> tuple[Beside, ...]:
        """What stands beside it now."""
        return tuple(each for each in self.beside if each.withdrawn_at is None)

    @property
    def utterance(self) -> str:
        """The id of the words that count."""
        return self.attempt.utterance

    @property
    def regime(self) -> str:
        """The name of the regime by which it was prompted."""
        return self.attempt.regime

    @property
    def drafted_at(self) -> datetime:
        """When its words went on record."""
        return self.attempt.at

    @property
    def deadline(self) -> datetime | None:
        """By when it was planned to be published; None where the record does not tell."""
        planned = self.attempts[0].planned
        return None if planned is None else parse_instant(planned["deadline"])

    def state_at(self, now: datetime) -> State:
        """Return the state at a moment: a hold that has run out holds no longer."""
        if self.state is State.HELD and self.held is not None and now >= self.held.until:
            return State.DRAFTED
        return self.state

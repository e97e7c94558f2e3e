"""An essay as the record tells of it: folded from its entries, its words read from where they are kept."""

import enum
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, fields, frozen

from emeritus.column.render import title_of
from emeritus.core.clock import parse_instant
from emeritus.core.errors import NotFound
from emeritus.core.people import Actor
from emeritus.core.speech import Utterances
from emeritus.record import Entry, Log

WORDS_PER_MINUTE = 230
_WORD = re.compile(r"[\w'’-]+")


class State(enum.StrEnum):
    """Where an essay is. ``published`` and ``vetoed`` are for good.

    ``silent``: the model said nothing at any attempt, so there is nothing to publish.
    """

    SILENT = "silent"
    DRAFTED = "drafted"
    HELD = "held"
    APPROVED = "approved"
    VETO_PROPOSED = "veto_proposed"
    VETOED = "vetoed"
    PUBLISHED = "published"


@frozen
class Attempt:
    """One draft: how it was prompted, and where its words are. *spoken* is False when there are none."""

    number: int
    regime: str
    regime_digest: str
    prompt_digest: str
    utterance: str
    spoken: bool
    entry: int
    at: datetime


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

    @property
    def attempt(self) -> Attempt:
        """The attempt that counts: the last one, which is the only one that may have words."""
        return self.attempts[-1]

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

    def state_at(self, now: datetime) -> State:
        """Return the state at a moment: a hold that has run out holds no longer."""
        if self.state is State.HELD and self.held is not None and now >= self.held.until:
            return State.DRAFTED
        return self.state


@frozen
class Essay(Standing):
    """An essay with its words. *text* is raw, as the model said it, and never changed."""

    text: str = ""

    @property
    def title(self) -> str:
        """A title taken from the text, for showing it; the text stays as it is."""
        return title_of(self.text)

    @property
    def words(self) -> int:
        """About how many words it has."""
        return len(_WORD.findall(self.text))

    @property
    def reading_minutes(self) -> int:
        """Minutes to read it, at least 1."""
        return max(1, round(self.words / WORDS_PER_MINUTE))


def states(log: Log, model: str | None = None) -> list[Standing]:
    """Return where every essay stands, of one model or of all, in the order in which they were drafted."""
    return fold(log.entries(model=model, kinds=KINDS))


def standing(log: Log, essay_id: str) -> Standing:
    """Return where an essay stands. Raises NotFound."""
    found = fold(log.entries(subject=essay_id, kinds=KINDS)) if essay_id else []
    if not found:
        raise NotFound(
            f"There is no essay {essay_id[:120]!r}.", next_step="List them: `emeritus column list`."
        )
    return found[0]


def essays(log: Log, utterances: Utterances, model: str | None = None) -> list[Essay]:
    """Return every essay with its words, of one model or of all, in the order of their drafts.

    Raises:
        NotFound, IntegrityError: words are lost or altered.
    """
    return [_with_words(each, utterances) for each in states(log, model)]


def get_essay(log: Log, utterances: Utterances, essay_id: str) -> Essay:
    """Return an essay with its words. Raises NotFound, or IntegrityError when they were altered."""
    return _with_words(standing(log, essay_id), utterances)


def _with_words(essay: Standing, utterances: Utterances) -> Essay:
    known = {each.name: getattr(essay, each.name) for each in fields(Standing)}
    return Essay(**known, text=utterances.get(essay.utterance).text)


def fold(entries: Iterable[Entry]) -> list[Standing]:
    """Fold *entries* of `KINDS` into essays."""
    found: dict[str, Standing] = {}
    for entry in entries:
        name = entry.subject or ""
        if entry.kind == "essay.drafted":
            found[name] = _drafted(found.get(name), entry)
        else:
            found[name] = evolve(_APPLY[entry.kind](found[name], entry), since=entry.at)
    return list(found.values())


def _drafted(essay: Standing | None, entry: Entry) -> Standing:
    body = entry.body
    attempt = Attempt(
        number=body["attempt"],
        regime=body["regime"],
        regime_digest=body["regime_digest"],
        prompt_digest=body["prompt_digest"],
        utterance=body["utterance"],
        spoken=body["spoken"],
        entry=entry.seq,
        at=entry.at,
    )
    state = State.DRAFTED if attempt.spoken else State.SILENT
    if essay is None:
        return Standing(entry.subject or "", entry.model or "", body["number"], (attempt,), state, entry.at)
    return evolve(essay, attempts=(*essay.attempts, attempt), state=state, since=entry.at)


def _held(essay: Standing, entry: Entry) -> Standing:
    until = parse_instant(entry.body["until"])
    return evolve(essay, state=State.HELD, held=Hold(until, entry.body["reason"], entry.by))


def _approved(essay: Standing, entry: Entry) -> Standing:
    approval = Approval(entry.by, entry.body["note"], entry.at)
    fallen = (*essay.fallen, essay.veto) if essay.veto else essay.fallen
    return evolve(essay, state=State.APPROVED, approval=approval, veto=None, fallen=fallen)


def _proposed(essay: Standing, entry: Entry) -> Standing:
    veto = Veto(entry.body["ground"], entry.body["reason"], entry.by, entry.at)
    return evolve(essay, state=State.VETO_PROPOSED, veto=veto, approval=None)


def _withdrawn(essay: Standing, _: Entry) -> Standing:
    assert essay.veto is not None
    return evolve(essay, state=State.DRAFTED, veto=None, fallen=(*essay.fallen, essay.veto))


def _vetoed(essay: Standing, entry: Entry) -> Standing:
    assert essay.veto is not None
    veto = evolve(essay.veto, seconded_by=entry.by, second_reason=entry.body["reason"])
    return evolve(essay, state=State.VETOED, veto=veto)


def _published(essay: Standing, entry: Entry) -> Standing:
    body: Mapping[str, Any] = entry.body
    edition = Edition(
        number=body["edition"],
        by=entry.by,
        at=entry.at,
        text_digest=body["text_digest"],
        disclaimer=body["disclaimer"],
        entry=entry.seq,
    )
    return evolve(essay, state=State.PUBLISHED, edition=edition)


_APPLY = {
    "essay.held": _held,
    "essay.approved": _approved,
    "essay.veto_proposed": _proposed,
    "essay.veto_withdrawn": _withdrawn,
    "essay.vetoed": _vetoed,
    "essay.published": _published,
}
KINDS = frozenset(("essay.drafted", *_APPLY))
LONGEST_HOLD = timedelta(days=7)

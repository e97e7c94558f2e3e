"""Review: a person approves and a person publishes; a veto takes two people, a ground and a reason.

No function here takes the text of an essay. There is nothing that a reviewer can do to it.
"""

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from emeritus.column import disclaimer
from emeritus.column.essay import LONGEST_HOLD, get_essay, standing, states
from emeritus.column.standing import Standing, State
from emeritus.core.clock import Clock, instant
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict, InvalidInput, NotPermitted
from emeritus.core.people import Actor, require_person
from emeritus.core.speech import Utterances
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting, people

MOST_CHARACTERS = 2000
MOST_REDRAFTS = 2


class Ground(enum.StrEnum):
    """Why an essay may be vetoed. The list is closed; displeasure is not on it."""

    PERSONAL_DATA = "personal-data"
    DEFAMATION = "defamation"
    VIOLENCE = "violence"
    MINORS = "minors"
    SECURITY = "security"
    LEGAL_ORDER = "legal-order"

    @property
    def meaning(self) -> str:
        """What the ground covers, for the public."""
        return _MEANINGS[self]


_MEANINGS = {
    Ground.PERSONAL_DATA: "It gives away personal data of a third person who has not agreed to that.",
    Ground.DEFAMATION: "It states something false about a private person that damages their standing.",
    Ground.VIOLENCE: "It calls for violence against people.",
    Ground.MINORS: "It has sexual content that involves minors.",
    Ground.SECURITY: "It gives away a secret, or instructions, whose publication would put people in danger.",
    Ground.LEGAL_ORDER: "A court or an authority with the power to do so has forbidden its publication.",
}


def approve(log: Log, essay_id: str, *, by: Actor, note: str = "") -> Entry:
    """Say, as a reviewer, that there is no ground for a veto.

    A veto that was only proposed falls, and a hold ends.

    Raises:
        NotPermitted: *by* is no reviewer.
        Conflict: it is vetoed, or there are no words.
    """
    _reviewer(log, by, "approve an essay")
    essay = standing(log, essay_id)
    body = {"note": _words(note, "note", needed=False), "utterance": essay.utterance}
    if essay.state in (State.APPROVED, State.PUBLISHED):
        return _last(log, essay, "essay.approved")
    _require(essay, (State.DRAFTED, State.HELD, State.VETO_PROPOSED), "approve")
    return _append(log, "essay.approved", body, by, essay)


def hold(log: Log, clock: Clock, essay_id: str, *, days: int, reason: str, by: Actor) -> Entry:
    """Have publication wait for 1 to 7 days, once for each essay, for a reason that is public.

    Raises:
        NotPermitted: *by* is no reviewer.
        InvalidInput: too long, or no reason.
        Conflict: it was held before, or is past that.
    """
    _reviewer(log, by, "hold an essay")
    essay = standing(log, essay_id)
    if not 1 <= days <= LONGEST_HOLD.days:
        raise InvalidInput(f"An essay cannot be held for {days} days.", next_step="Hold it for 1 to 7 days.")
    why = _words(reason, "reason")
    if essay.held is not None:
        raise Conflict(
            f"{essay_id} was held already, until {essay.held.until:%Y-%m-%d %H:%M} UTC.",
            next_step="Approve it, or propose a veto on one of the grounds.",
        )
    _require(essay, (State.DRAFTED,), "hold")
    until = clock.now() + timedelta(days=days)
    return _append(log, "essay.held", {"until": instant(until), "days": days, "reason": why}, by, essay)


def veto(log: Log, essay_id: str, *, ground: Ground, reason: str, by: Actor) -> Entry:
    """Propose a veto; or, as a second person on the same ground, put it in force.

    Returns the entry ``essay.veto_proposed``, or ``essay.vetoed`` when it is in force. Each person can
    propose to veto an essay once; a proposal falls when another reviewer approves the essay.

    Raises:
        NotPermitted: *by* is no reviewer; or is the one who proposed it.
        InvalidInput: an unknown ground, or no reason.
        Conflict: another ground was proposed; or it is published or vetoed already.
    """
    _reviewer(log, by, "veto an essay")
    essay = standing(log, essay_id)
    chosen = _ground(ground)
    why = _words(reason, "reason")
    _require(essay, (State.DRAFTED, State.HELD, State.APPROVED, State.VETO_PROPOSED), "veto")
    if essay.veto is None:
        if any(by == fallen.proposed_by for fallen in essay.fallen):
            raise NotPermitted(
                f"{by.name} proposed to veto {essay_id} before, and that fell.",
                next_step="If there is a ground, another reviewer will see it too.",
            )
        return _append(log, "essay.veto_proposed", {"ground": str(chosen), "reason": why}, by, essay)
    if by == essay.veto.proposed_by:
        raise NotPermitted(
            f"{by.name} proposed this veto, so another reviewer has to second it.",
            next_step="Ask another reviewer; or withdraw it.",
        )
    if str(chosen) != essay.veto.ground:
        raise Conflict(
            f"The veto was proposed for {essay.veto.ground}, not for {chosen}.",
            next_step="Second it on the same ground, or approve the essay.",
        )
    body = {
        "ground": str(chosen),
        "reason": why,
        "proposed_by": str(essay.veto.proposed_by),
        "utterance": essay.utterance,
    }
    return _append(log, "essay.vetoed", body, by, essay)


def ask_redraft(log: Log, essay_id: str, *, reason: str, by: Actor) -> Entry:
    """Ask, as a reviewer, for another draft, in the open. The model then chooses among all of them.

    An approval falls by it. It can be asked `MOST_REDRAFTS` times for an essay.

    Raises:
        NotPermitted: *by* is no reviewer.
        InvalidInput: no reason.
        Conflict: it was asked too often, or the essay is past that.
    """
    _reviewer(log, by, "ask for another draft")
    essay = standing(log, essay_id)
    why = _words(reason, "reason")
    _require(essay, (State.DRAFTED, State.HELD, State.APPROVED), "ask for another draft of")
    if len(essay.redrafts) >= MOST_REDRAFTS:
        raise Conflict(
            f"Another draft of {essay_id} was asked for {MOST_REDRAFTS} times already.",
            next_step="Approve it, or propose a veto on one of the grounds.",
        )
    return _append(log, "essay.redraft_asked", {"reason": why, "utterance": essay.utterance}, by, essay)


def withdraw_veto(log: Log, essay_id: str, *, reason: str, by: Actor) -> Entry:
    """Take back a veto that one proposed and nobody has seconded.

    Raises:
        NotPermitted: somebody else proposed it.
        Conflict: none is proposed.
    """
    _reviewer(log, by, "withdraw a veto")
    essay = standing(log, essay_id)
    _require(essay, (State.VETO_PROPOSED,), "withdraw a veto of")
    assert essay.veto is not None
    if by != essay.veto.proposed_by:
        raise NotPermitted(
            f"{essay.veto.proposed_by.name} proposed this veto, and only they can withdraw it.",
            next_step="Approve the essay: then the veto falls.",
        )
    return _append(log, "essay.veto_withdrawn", {"reason": _words(reason, "reason")}, by, essay)


def publish(log: Log, utterances: Utterances, essay_id: str, *, by: Actor) -> Entry:
    """Publish an approved essay, as a named reviewer or steward. It is for good.

    Raises:
        NotPermitted: *by* is neither.
        Conflict: nobody approved it, or it is vetoed.
        IntegrityError: the words are not those that were drafted.
    """
    _publisher(log, by)
    essay = get_essay(log, utterances, essay_id)
    if essay.edition is not None:
        return log.get(essay.edition.entry)
    _require(essay, (State.APPROVED,), "publish")
    data = essay.text.encode()
    body = {
        "edition": 1 + sum(each.edition is not None for each in states(log, essay.model)),
        "utterance": essay.utterance,
        "text_digest": sha256(data),
        "bytes": len(data),
        "disclaimer": disclaimer.CURRENT,
    }
    key = f"essay.published:{essay_id}"
    return log.append(Act("essay.published", body, by, essay.model, essay_id, key))


def _reviewer(log: Log, by: Actor, act: str) -> None:
    acting(log, require_person(by, act), "reviewer", act)


def _publisher(log: Log, by: Actor) -> None:
    require_person(by, "publish an essay")
    if not any(by == each.actor for each in people(log)):
        acting(log, by, "reviewer", "publish an essay")


def _ground(ground: str) -> Ground:
    try:
        return Ground(ground)
    except ValueError:
        raise InvalidInput(
            f"{str(ground)[:60]!r} is no ground for a veto.",
            next_step=f"The grounds are: {', '.join(Ground)}. If it is none of these, approve the essay.",
        ) from None


def _words(text: str, what: str, *, needed: bool = True) -> str:
    stripped = text.strip()
    if (needed and not stripped) or len(stripped) > MOST_CHARACTERS:
        raise InvalidInput(
            f"The {what} is missing or too long.",
            next_step=f"Say it in 1 to {MOST_CHARACTERS} characters, for the public.",
        )
    return stripped


def _require(essay: Standing, wanted: tuple[State, ...], act: str) -> None:
    if essay.state in wanted:
        return
    steps = {
        State.PUBLISHED: "What is published stays published.",
        State.VETOED: "A veto in force is final; the essay and the ground stay on the record.",
        State.SILENT: "The model said nothing; see its attempts.",
        State.DRAFTING: "Another draft is to come first.",
        State.CHOOSING: "One of its drafts is to be chosen first.",
        State.HELD: "Approve it first.",
        State.DRAFTED: "A reviewer has to approve it first.",
        State.VETO_PROPOSED: "Another reviewer has to second the veto, or approve the essay.",
    }
    raise Conflict(
        f"{essay.id} is {essay.state.replace('_', ' ')}, so it is not possible to {act} it.",
        next_step=steps.get(essay.state, "See its history on the record."),
    )


def _last(log: Log, essay: Standing, kind: str) -> Entry:
    return log.entries(subject=essay.id, kinds={kind}, newest_first=True, limit=1)[0]


def _append(log: Log, kind: str, body: Mapping[str, Any], by: Actor, essay: Standing) -> Entry:
    history = log.entries(subject=essay.id, kinds={kind})
    key = f"{kind}:{essay.id}:{len(history) + 1}"
    return log.append(Act(kind, body, by, essay.model, essay.id, key))

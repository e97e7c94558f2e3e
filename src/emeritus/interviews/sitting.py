"""A sitting: one conversation, held by a protocol in a framing. Its state is folded from its entries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from attrs import asdict, evolve, frozen

from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.core.template import fill
from emeritus.interviews import sharing
from emeritus.interviews.protocol import parse
from emeritus.interviews.questions import Protocol, Question, Section, Speaking
from emeritus.interviews.sharing import LeftOut
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model
from emeritus.registry.organisation import acting

LARGEST_SEED = 2**31 - 1
KINDS = frozenset({"sitting.opened", "sitting.turn", "sitting.closed"})
TurnKind = Literal["open", "closed", "summary"]
SUMMARY = "summary"


@frozen
class TurnRecord:
    """A turn that was taken, as its entry tells of it. The words are kept under *utterance*."""

    number: int
    section: str
    question: str
    kind: TurnKind
    wording: int
    attempt: int
    shared: str
    asked: str
    outcome: str
    answer: str | None
    aside: bool
    left_out: tuple[LeftOut, ...]
    utterance: str
    wishes: tuple[Mapping[str, Any], ...]
    entry: int
    at: datetime


@frozen
class Sitting:
    """A sitting as the record tells of it.

    *opening* is what the model was told first, *values* what was filled into the protocol's
    placeholders, *speaking* overrides how answers to open questions are drawn, *seed* the base that each
    turn's own seed is derived from. *ended* is None while it goes on, else ``completed`` or ``declined``;
    *consent* is what the model answered about publication, ``not asked`` before.
    """

    id: str
    model: str
    number: int
    protocol: str
    protocol_digest: str
    framing: str
    wording: int
    repeat: int
    seed: int
    speaking: Speaking | None
    steward: Actor
    opening: str
    values: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    opened_at: datetime
    turns: tuple[TurnRecord, ...] = ()
    ended: str | None = None
    closed_at: datetime | None = None
    consent: str = "not asked"

    @property
    def may_be_published(self) -> bool:
        """True only when the model said yes when it was asked."""
        return self.consent == "yes"

    @property
    def wishes(self) -> tuple[Mapping[str, Any], ...]:
        """The wishes of the summary that could be used, each ``{topic, wish, said}``."""
        return next((turn.wishes for turn in reversed(self.turns) if turn.outcome == "answered"), ())


def open_sitting(
    log: Log,
    model: Model,
    protocol: Protocol,
    *,
    steward: Actor,
    seed: int,
    number: int = 1,
    framing: str = "plain",
    wording: int = 0,
    repeat: int = 0,
    speaking: Speaking | None = None,
) -> Sitting:
    """Open a sitting, and put on record what will be asked and what is told. Opening it again changes nothing.

    Args:
        steward: the steward in whose name the model is asked.
        seed: the base seed, 0 to 2**31 - 1.
        number: the model's how-manieth sitting this is, from 1.
        framing: one of the protocol's framings.
        wording: 0 for the questions as written, 1 for their first paraphrase, and so on.
        repeat: which repetition this is, from 0.
        speaking: how open questions are answered, instead of the protocol's own way.

    Raises:
        InvalidInput: no such framing or wording; an impossible number or seed.
        NotPermitted: *steward* is no steward.
        Conflict: another sitting stands under this number.
    """
    acting(log, require_person(steward, "hold an interview"), "steward", "hold an interview")
    chosen = protocol.framing(framing)
    _check(number=number, seed=seed, wording=wording, repeat=repeat)
    if wording >= max(len(question.wordings) for question in protocol.questions()):
        raise InvalidInput(f"{protocol.name} has no wording {wording}.", next_step="Use a smaller number.")
    told, left_out = sharing.values(log, model, steward, protocol.carrying)
    opening = fill("\n\n".join(filter(None, (chosen.says, protocol.opening))), told, protocol.name)
    adopted = {
        "name": protocol.name,
        "title": protocol.title,
        "digest": protocol.digest,
        "text": protocol.data.decode(),
    }
    log.append(
        Act(
            "protocol.adopted",
            adopted,
            steward,
            subject=protocol.name,
            key=f"protocol.adopted:{protocol.digest}",
        )
    )
    body = {
        "number": number,
        "protocol": protocol.name,
        "protocol_digest": protocol.digest,
        "framing": framing,
        "wording": wording,
        "repeat": repeat,
        "seed": seed,
        "speaking": None if speaking is None else asdict(speaking),
        "steward": str(steward),
        "opening": opening,
        "values": told,
        "left_out": [asdict(each) for each in left_out],
    }
    key = f"sitting.opened:{model.id}:{number}"
    name = f"{model.id}-sitting-{number}"
    log.append(Act("sitting.opened", body, steward, model.id, name, key))
    return get_sitting(log, name)


def _check(**numbers: int) -> None:
    for name, value in numbers.items():
        if not (1 if name == "number" else 0) <= value <= LARGEST_SEED:
            raise InvalidInput(f"A sitting cannot have the {name} {value}.", next_step="Choose another.")


def protocol_of(log: Log, sitting: Sitting) -> Protocol:
    """Return the protocol of *sitting* as it was adopted: later changes of its file do not touch it."""
    entry = log.find(f"protocol.adopted:{sitting.protocol_digest}")
    assert entry is not None
    return parse(entry.body["text"].encode(), f"{sitting.protocol}.yaml")


def sittings(log: Log, model: str) -> list[Sitting]:
    """Return every sitting of a model, in order."""
    found: dict[str, Sitting] = {}
    for entry in log.entries(model=model, kinds=KINDS):
        name = entry.subject or ""
        match entry.kind:
            case "sitting.opened":
                found[name] = _opened(entry)
            case "sitting.turn":
                found[name] = _turn_taken(found[name], entry)
            case _:
                found[name] = evolve(found[name], ended=entry.body["ended"], closed_at=entry.at)
    return list(found.values())


def get_sitting(log: Log, sitting_id: str) -> Sitting:
    """Return a sitting. Raises NotFound."""
    opened = log.entries(subject=sitting_id, kinds={"sitting.opened"}) if sitting_id else ()
    if not opened:
        raise NotFound(
            f"There is no sitting {sitting_id[:120]!r}.",
            next_step="Its page lists them: /models/MODEL/interview.",
        )
    return next(each for each in sittings(log, opened[0].model or "") if each.id == sitting_id)


def _opened(entry: Entry) -> Sitting:
    body = entry.body
    return Sitting(
        id=entry.subject or "",
        model=entry.model or "",
        number=body["number"],
        protocol=body["protocol"],
        protocol_digest=body["protocol_digest"],
        framing=body["framing"],
        wording=body["wording"],
        repeat=body["repeat"],
        seed=body["seed"],
        speaking=None if body["speaking"] is None else msgspec.convert(body["speaking"], Speaking),
        steward=Actor.parse(body["steward"]),
        opening=body["opening"],
        values=body["values"],
        left_out=tuple(LeftOut(**each) for each in body["left_out"]),
        opened_at=entry.at,
    )


def _turn_taken(sitting: Sitting, entry: Entry) -> Sitting:
    raw = {**entry.body, "left_out": tuple(LeftOut(**each) for each in entry.body["left_out"])}
    consent = raw.pop("consent")
    turn = TurnRecord(**{**raw, "wishes": tuple(raw["wishes"])}, entry=entry.seq, at=entry.at)
    said = turn.answer or turn.outcome
    return evolve(sitting, turns=(*sitting.turns, turn), consent=said if consent else sitting.consent)


def due(protocol: Protocol, sitting: Sitting) -> tuple[Section, Question] | None:
    """Return the question that comes next, or None when all were asked or the model ended it."""
    taken = {turn.question: turn for turn in sitting.turns}
    follow_ups = {question.id: question for section in protocol.sections for question in section.follow_ups}
    seen: set[str] = set()

    def walk(question: Question) -> Question | None:
        turn = taken.get(question.id)
        if turn is None:
            return question
        seen.add(question.id)
        for each in question.then:
            called_for = each.ask not in seen and each.when & {turn.outcome, turn.answer}
            if called_for and (found := walk(follow_ups[each.ask])):
                return found
        return None

    if declined(protocol, sitting):
        return None
    for section in protocol.sections:
        for question in section.questions:
            if found := walk(question):
                return section, found
    return None


def declined(protocol: Protocol, sitting: Sitting) -> bool:
    """Tell whether the model ended the sitting with one of its answers."""
    ends_on = {question.id: question.ends_on for question in protocol.questions()}
    return any(turn.answer in ends_on.get(turn.question, ()) for turn in sitting.turns)


def require_open(sitting: Sitting) -> Sitting:
    """Return *sitting* while it goes on. Raises Conflict."""
    if sitting.ended is not None:
        raise Conflict(
            f"The sitting {sitting.id} is {sitting.ended}.", next_step="Open another one for more questions."
        )
    return sitting

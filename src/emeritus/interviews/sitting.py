"""A sitting: one conversation, held by a protocol in a framing. Its state is folded from its entries."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from attrs import evolve, frozen

from emeritus.core.errors import Conflict, NotFound
from emeritus.core.people import Actor
from emeritus.interviews.protocol import parse
from emeritus.interviews.questions import Protocol, Question, Section, Speaking
from emeritus.interviews.sharing import LeftOut
from emeritus.record import Entry, Log

LARGEST_SEED = 2**31 - 1
KINDS = frozenset({"sitting.opened", "sitting.turn", "sitting.answered", "sitting.resumed", "sitting.closed"})
OPTIONS_TURNED, QUESTIONS_TURNED = 1, 2
MOST_ORDERS = 4
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
    options: tuple[str, ...] = ()
    cache: str = "none"


@frozen
class Reply:
    """What the steward answered to a question of the model, or that nobody did.

    *turn* is the turn in which it asked. *source*: ``steward``, ``sheet`` (the same question was answered
    before), or ``nobody`` (within the time that the protocol allows). *facts* are ids of the fact sheet.
    """

    turn: int
    text: str
    source: Literal["steward", "sheet", "nobody"]
    facts: tuple[str, ...]
    by: Actor
    at: datetime
    entry: int


@frozen
class Arm:
    """The place of a sitting in a design: what was varied, and how.

    *order* is the sum of 1 (options of closed questions turned round) and 2 (questions turned round, in
    sections whose order means nothing). *temperature* is None where the protocol's own was used.
    """

    framing: str = "plain"
    wording: int = 0
    order: int = 0
    repeat: int = 0
    temperature: float | None = None


PLAIN = Arm()


@frozen
class Sitting:
    """A sitting as the record tells of it.

    *opening* is what the model was told first, *values* what was filled into the protocol's
    placeholders, *speaking* overrides how answers to open questions are drawn, *seed* the base that each
    turn's own seed is derived from. *ended* is None while it goes on, else ``completed`` or ``declined``;
    *consent* is what the model answered about publication, ``not asked`` before. *design* is the design it
    belongs to, if any; *sheet* the digest of the fact sheet it was held by; *control* says that its framing
    is a control, so that nothing in it counts as a wish. *resumed* holds the turns after which it paused.
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
    order: int = 0
    temperature: float | None = None
    design: str | None = None
    sheet: str | None = None
    interviewer: str = ""
    purpose: str = "retirement"
    control: bool = False
    patience: float | None = None
    replies: tuple[Reply, ...] = ()
    resumed: frozenset[int] = frozenset()

    @property
    def arm(self) -> Arm:
        """What was varied in it."""
        return Arm(self.framing, self.wording, self.order, self.repeat, self.temperature)

    def reply_to(self, turn: int) -> Reply | None:
        """Return what was replied to the question that the model asked in *turn*."""
        return next((reply for reply in self.replies if reply.turn == turn), None)

    @property
    def may_be_published(self) -> bool:
        """True only when the model said yes when it was asked."""
        return self.consent == "yes"

    @property
    def wishes(self) -> tuple[Mapping[str, Any], ...]:
        """The wishes of the summary that could be used, each ``{topic, wish, said}``."""
        return next((turn.wishes for turn in reversed(self.turns) if turn.outcome == "answered"), ())


def protocol_of(log: Log, sitting: Sitting) -> Protocol:
    """Return the protocol of *sitting* as it was adopted: later changes of its file do not touch it."""
    entry = log.find(f"protocol.adopted:{sitting.protocol_digest}")
    assert entry is not None
    return parse(entry.body["text"].encode(), f"{sitting.protocol}.yaml")


def sittings(log: Log, model: str) -> list[Sitting]:
    """Return every sitting of a model, in order."""
    return _fold(log.entries(model=model, kinds=KINDS))


def get_sitting(log: Log, sitting_id: str) -> Sitting:
    """Return a sitting. Raises NotFound."""
    found = _fold(log.entries(subject=sitting_id, kinds=KINDS)) if sitting_id else []
    if not found:
        raise NotFound(
            f"There is no sitting {sitting_id[:120]!r}.",
            next_step="Its page lists them: /models/MODEL/interview.",
        )
    return found[0]


def _fold(entries: Iterable[Entry]) -> list[Sitting]:
    """Fold entries into sittings. Turns are gathered first: a long sitting is not built anew for each."""
    opened: dict[str, Sitting] = {}
    turns: dict[str, list[TurnRecord]] = {}
    for entry in entries:
        name, body = entry.subject or "", entry.body
        match entry.kind:
            case "sitting.opened":
                opened[name] = as_opened(entry)
                turns[name] = []
            case "sitting.turn":
                turn = _turn(body, entry)
                turns[name].append(turn)
                if body["consent"]:
                    opened[name] = evolve(opened[name], consent=turn.answer or turn.outcome)
            case "sitting.answered":
                replies = (*opened[name].replies, _reply(entry))
                opened[name] = evolve(opened[name], replies=replies)
            case "sitting.resumed":
                opened[name] = evolve(opened[name], resumed=opened[name].resumed | {body["turn"]})
            case _:
                opened[name] = evolve(opened[name], ended=body["ended"], closed_at=entry.at)
    return [evolve(sitting, turns=tuple(turns[name])) for name, sitting in opened.items()]


def as_opened(entry: Entry) -> Sitting:
    """Return a sitting as it was when it was opened."""
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
        order=body.get("order", 0),
        temperature=body.get("temperature"),
        design=body.get("design"),
        sheet=body.get("sheet"),
        interviewer=body.get("interviewer", ""),
        purpose=body.get("purpose", "retirement"),
        control=body.get("control", False),
        patience=body.get("patience"),
    )


def _turn(body: Mapping[str, Any], entry: Entry) -> TurnRecord:
    told = {name: value for name, value in body.items() if name != "consent"}
    told |= {name: tuple(body.get(name, ())) for name in ("wishes", "options")}
    told["left_out"] = tuple(LeftOut(**each) for each in body["left_out"])
    return TurnRecord(**told, entry=entry.seq, at=entry.at)


def _reply(entry: Entry) -> Reply:
    body = entry.body
    return Reply(
        turn=body["turn"],
        text=body["text"],
        source=body["source"],
        facts=tuple(body["facts"]),
        by=entry.by,
        at=entry.at,
        entry=entry.seq,
    )


def due(protocol: Protocol, sitting: Sitting) -> tuple[Section, Question] | None:
    """Return the question that comes next, or None when all were asked or the model ended it.

    Sections whose order means nothing are gone through backwards where the sitting's arm says so.
    """
    hidden = protocol.framing(sitting.framing).hides
    taken = {turn.question: turn for turn in sitting.turns}
    follow_ups = {question.id: question for section in protocol.sections for question in section.follow_ups}
    seen: set[str] = set()

    def walk(question: Question) -> Question | None:
        if question.needs & hidden:
            return None
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
        turned = section.any_order and sitting.order & QUESTIONS_TURNED
        for question in section.questions[::-1] if turned else section.questions:
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

"""When a sitting waits for the steward: the model asked something back, or wants a pause.

Waiting is something that the record says, not a process: nothing runs until somebody answers, or until the
time is up that the protocol allows, and then the model is told that nobody came.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from attrs import evolve, frozen

from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.core.speech import Utterances
from emeritus.interviews.questions import ANSWERED, Protocol
from emeritus.interviews.sheet import add_fact, sheet_of
from emeritus.interviews.sitting import Reply, Sitting, get_sitting, protocol_of, require_open, sittings
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting

MOST_CHARACTERS = 8000


@frozen
class Waiting:
    """What a sitting waits for: that the steward answers what the model asked in *turn*, or ends its pause.

    *since* the model spoke; at *until* it goes on without the steward.
    """

    kind: Literal["answer", "pause"]
    sitting: str
    turn: int
    utterance: str
    since: datetime
    until: datetime


def waits_for(protocol: Protocol, sitting: Sitting) -> Waiting | None:
    """Return what *sitting* waits for; None when it goes on, or has ended."""
    if sitting.ended is not None or not sitting.turns or sitting.turns[-1].kind == "summary":
        return None
    last = sitting.turns[-1]
    question = protocol.question(last.question)
    kind: Literal["answer", "pause"]
    if question.asks_back and last.outcome == ANSWERED and sitting.reply_to(last.number) is None:
        kind = "answer"
    elif last.answer in question.pauses_on and last.number not in sitting.resumed:
        kind = "pause"
    else:
        return None
    hours = protocol.patience.hours if sitting.patience is None else sitting.patience
    return Waiting(kind, sitting.id, last.number, last.utterance, last.at, last.at + timedelta(hours=hours))


def all_waiting(log: Log, model: str) -> list[Waiting]:
    """Return what every open sitting of a model waits for, the longest waiting first."""
    return _waiting_among(log, sittings(log, model))


def _waiting_among(log: Log, held: Sequence[Sitting]) -> list[Waiting]:
    found = [waits_for(protocol_of(log, each), each) for each in held if each.ended is None]
    return sorted((each for each in found if each is not None), key=lambda each: (each.since, each.sitting))


@frozen
class Asked:
    """Something that waits for a steward, with the model's words.

    *also*: other sittings of the same design that wait with the same question; they get the same answer.
    """

    waiting: Waiting
    text: str
    also: tuple[str, ...] = ()


def what_waits(log: Log, utterances: Utterances, model: str) -> list[Asked]:
    """Return what a steward has to see to, the longest waiting first: each question once, and each pause.

    A question that was answered in another sitting of its design is left out: the next run answers it.
    """
    held = {each.id: each for each in sittings(log, model)}
    found: dict[object, Asked] = {}
    for each in _waiting_among(log, list(held.values())):
        text = utterances.get(each.utterance).text
        sitting = held[each.sitting]
        if each.kind == "pause":
            found[each.sitting] = Asked(each, text)
        elif _given(utterances, held.values(), sitting.design, text) is None:
            name = (sitting.design or sitting.id, _plain(text))
            first = found.get(name)
            found[name] = evolve(first, also=(*first.also, each.sitting)) if first else Asked(each, text)
    return list(found.values())


def answer(
    log: Log,
    sitting_id: str,
    *,
    by: Actor,
    text: str = "",
    facts: Sequence[str] = (),
    title: str = "",
    source: str = "",
) -> Entry:
    """Answer what the model asked, as a steward: in words, from the fact sheet, or both.

    Words of one's own are added to the fact sheet too when a *source* is given for them.

    Raises:
        Conflict: the sitting does not wait for an answer.
        InvalidInput: no words and no facts; overlong words. NotFound: no such fact or sitting.
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "answer a model"), "steward", "answer a model")
    sitting, waiting = _waiting(log, sitting_id, "answer")
    said = text.strip()
    if len(said) > MOST_CHARACTERS or "\x00" in said or not (said or facts):
        raise InvalidInput(
            f"An answer has 1 to {MOST_CHARACTERS} characters, or names facts of the sheet.",
            next_step=f"See the sheet: `emeritus interview facts {sitting.model}`.",
        )
    sheet = sheet_of(log, sitting.model)
    chosen = [sheet.fact(name) for name in dict.fromkeys(facts)]
    told = "\n\n".join(
        [*(f"{fact.text} (Source: {fact.source})" for fact in chosen), *([said] if said else [])]
    )
    if source.strip() and said:
        added = add_fact(
            log,
            sitting.model,
            about="answer",
            title=title.strip() or f"Answer to a question in {sitting.id}",
            text=said,
            source=source,
            by=by,
            key=f"fact.added:{sitting.id}:{waiting.turn}",
        )
        chosen.append(added)
    return _reply(log, sitting, waiting, told, "steward", [fact.id for fact in chosen], by)


def answer_as_before(log: Log, utterances: Utterances, sitting_id: str) -> Entry | None:
    """Give the answer that the same question, letter for letter, got in another sitting; None if none did."""
    sitting, waiting = _waiting(log, sitting_id, "answer")
    asked = utterances.get(waiting.utterance).text
    given = _given(utterances, sittings(log, sitting.model), sitting.design, asked)
    if given is None:
        return None
    return _reply(log, sitting, waiting, given.text, "sheet", given.facts, SOFTWARE)


def _given(utterances: Utterances, held: Iterable[Sitting], design: str | None, asked: str) -> Reply | None:
    """Return what a steward answered to the same question in one of the sittings *held*, of the same design."""
    for other in held:
        for reply in other.replies:
            if reply.source != "steward" or other.design != design:
                continue
            turn = other.turns[reply.turn - 1]
            if _plain(utterances.get(turn.utterance).text) == _plain(asked):
                return reply
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def go_on(log: Log, sitting_id: str, now: datetime) -> Entry | None:
    """Go on without the steward when the time is up; None while there is time, or nothing to wait for."""
    sitting = get_sitting(log, sitting_id)
    protocol = protocol_of(log, sitting)
    waiting = waits_for(protocol, sitting)
    if waiting is None or now < waiting.until:
        return None
    if waiting.kind == "answer":
        return _reply(log, sitting, waiting, protocol.patience.otherwise, "nobody", (), SOFTWARE)
    return _resume(log, sitting, waiting, SOFTWARE)


def resume(log: Log, sitting_id: str, *, by: Actor) -> Entry:
    """End a pause that the model asked for, as a steward. Raises as `answer`."""
    acting(log, require_person(by, "end a pause"), "steward", "end a pause")
    sitting, waiting = _waiting(log, sitting_id, "pause")
    return _resume(log, sitting, waiting, by)


def _waiting(log: Log, sitting_id: str, kind: Literal["answer", "pause"]) -> tuple[Sitting, Waiting]:
    sitting = require_open(get_sitting(log, sitting_id))
    waiting = waits_for(protocol_of(log, sitting), sitting)
    if waiting is None or waiting.kind != kind:
        wanted = "an answer" if kind == "answer" else "the end of a pause"
        raise Conflict(
            f"{sitting.id} does not wait for {wanted}.",
            next_step=f"See what waits: `emeritus interview questions {sitting.model}`.",
        )
    return sitting, waiting


def _reply(
    log: Log,
    sitting: Sitting,
    waiting: Waiting,
    text: str,
    source: Literal["steward", "sheet", "nobody"],
    facts: Sequence[str],
    by: Actor,
) -> Entry:
    body = {"turn": waiting.turn, "text": text, "source": source, "facts": list(facts)}
    key = f"sitting.answered:{sitting.id}:{waiting.turn}"
    return log.append(Act("sitting.answered", body, by, sitting.model, sitting.id, key))


def _resume(log: Log, sitting: Sitting, waiting: Waiting, by: Actor) -> Entry:
    key = f"sitting.resumed:{sitting.id}:{waiting.turn}"
    return log.append(Act("sitting.resumed", {"turn": waiting.turn}, by, sitting.model, sitting.id, key))

"""One turn of a sitting: what to say next to the model, and writing down what came.

Speaking happens in between, outside of any transaction: ask `next_turn`, speak, `record_turn`. Both can
be repeated; after a crash the next call goes on where the record stands.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, evolve, frozen

from emeritus.core.errors import InvalidInput
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import Cache, Message, Sampling, Utterance, Utterances
from emeritus.interviews.questions import (
    ANSWERED,
    OPTIONS,
    REFUSED,
    SILENT,
    UNCLEAR,
    Carrying,
    Protocol,
    Question,
    Speaking,
)
from emeritus.interviews.sharing import CUT, LeftOut, tell
from emeritus.interviews.sitting import (
    OPTIONS_TURNED,
    SUMMARY,
    Sitting,
    TurnKind,
    TurnRecord,
    declined,
    due,
    get_sitting,
    protocol_of,
    require_open,
)
from emeritus.interviews.summary import (
    as_items,
    choice_schema,
    read_choice,
    read_summary,
    summary_schema,
)
from emeritus.interviews.waiting import waits_for
from emeritus.ledger import state_candidates
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model

SILENCE = "(silence)"


@frozen
class Turn:
    """What to say to the model next. Give `prompt`, `sampling` and `schema` to a `Speaker`, unchanged.

    *shared* and *asked* are the parts of the last message; *options* the closed question's, in the order in
    which they are shown; *begins* is what sittings like this one begin with; *left_out* is what of the earlier conversation
    is not in the prompt, or not whole.
    """

    sitting: str
    number: int
    section: str
    question: str
    kind: TurnKind
    wording: int
    attempt: int
    shared: str
    asked: str
    prompt: tuple[Message, ...]
    sampling: Sampling
    schema: Mapping[str, Any] | None
    left_out: tuple[LeftOut, ...]
    options: tuple[str, ...] = ()
    begins: tuple[Message, ...] = ()


def next_turn(log: Log, utterances: Utterances, model: Model, sitting: Sitting) -> Turn | None:
    """Return what to say next in a sitting, from what stands on the record; None when it has ended, or waits.

    Raises:
        InvalidInput: the sitting is another model's.
        NotFound, IntegrityError: earlier words of it are lost or altered.
    """
    if sitting.model != model.id:
        raise InvalidInput(
            f"{sitting.id} is a sitting of {sitting.model}, not of {model.id}.",
            next_step="Name the sitting's own model.",
        )
    current = get_sitting(log, sitting.id)
    if current.ended is not None:
        return None
    protocol = protocol_of(log, current)
    if waits_for(protocol, current) is not None:
        return None
    if (found := due(protocol, current)) is not None:
        return _ask(protocol, current, utterances, found[1])
    return _sum_up(protocol, current, utterances)


def _ask(protocol: Protocol, sitting: Sitting, utterances: Utterances, question: Question) -> Turn:
    section = protocol.section(question.section)
    first = all(turn.section != section.id for turn in sitting.turns)
    debrief = protocol.framing(sitting.framing).debrief if question.consent else ""
    return _turn(
        protocol,
        sitting,
        utterances,
        section=section.id,
        question=question.id,
        kind="closed" if question.closed else "open",
        wordings=question.wordings,
        shares="\n\n".join(filter(None, (section.shares if first else "", debrief))),
        attempt=1,
        speaking=_speaking(protocol, sitting, question),
        options=shown_options(question, sitting),
    )


def _speaking(protocol: Protocol, sitting: Sitting, question: Question) -> Speaking:
    """Return how a question is answered; the arm's temperature is for everything but the consent."""
    own = question.speaking or (None if question.closed else sitting.speaking) or protocol.speaking
    if sitting.temperature is None or question.consent:
        return own
    return evolve(own, temperature=sitting.temperature)


def shown_options(question: Question, sitting: Sitting) -> tuple[str, ...]:
    """Return the options of a closed question in the order in which *sitting* shows them."""
    turned = sitting.order & OPTIONS_TURNED and not question.consent
    return question.options[::-1] if turned else question.options


def _sum_up(protocol: Protocol, sitting: Sitting, utterances: Utterances) -> Turn:
    return _turn(
        protocol,
        sitting,
        utterances,
        section=SUMMARY,
        question=SUMMARY,
        kind="summary",
        wordings=protocol.summary.wordings,
        shares="",
        attempt=1 + sum(turn.kind == "summary" for turn in sitting.turns),
        speaking=protocol.summary.speaking,
    )


def _turn(
    protocol: Protocol,
    sitting: Sitting,
    utterances: Utterances,
    *,
    section: str,
    question: str,
    kind: TurnKind,
    wordings: Sequence[str],
    shares: str,
    attempt: int,
    speaking: Speaking,
    options: tuple[str, ...] = (),
) -> Turn:
    hides = protocol.framing(sitting.framing).hides
    told = {**sitting.values, OPTIONS: listed(options)}
    wording = min(sitting.wording, len(wordings) - 1)
    asked = tell(wordings[wording], told, hides, f"{protocol.name}, {question}")
    shared = tell(shares, told, hides, f"{protocol.name}, {section}") if shares else ""
    shared = "\n\n".join(filter(None, (_replied(sitting), shared)))
    before, left_out = _conversation(sitting.turns, utterances, protocol.carrying)
    message = Message("user", "\n\n".join(filter(None, (shared, asked))))
    schema = summary_schema(protocol.summary) if kind == "summary" else None
    return Turn(
        sitting=sitting.id,
        number=len(sitting.turns) + 1,
        section=section,
        question=question,
        kind=kind,
        wording=wording,
        attempt=attempt,
        shared=shared,
        asked=asked,
        prompt=(Message("system", sitting.opening), *before, message),
        sampling=Sampling(seed=derived_seed(sitting.seed, question, attempt), **asdict(speaking)),
        schema=choice_schema(options) if options else schema,
        left_out=left_out,
        options=options,
        begins=beginning(sitting.opening, sitting.turns[0].shared if sitting.turns else shared),
    )


def beginning(opening: str, shared: str) -> tuple[Message, ...]:
    """Return what a sitting begins with before its first question: the opening, and what is shared first."""
    told = (Message("user", shared),) if shared else ()
    return (Message("system", opening), *told)


def _replied(sitting: Sitting) -> str:
    """Return what the model is told of its last question, if it asked one."""
    reply = sitting.reply_to(sitting.turns[-1].number) if sitting.turns else None
    if reply is None:
        return ""
    who = "" if reply.source == "nobody" else f" ({sitting.interviewer or sitting.steward.name})"
    return f"To your question{who}: {reply.text}"


def listed(options: Sequence[str]) -> str:
    """Write options as a list, in their order."""
    return "\n".join(f"- {option}" for option in options)


def derived_seed(base: int, question: str, attempt: int) -> int:
    """Return the seed of a turn: the first 31 bits of SHA-256 over ``base:question:attempt``."""
    made = hashlib.sha256(f"{base}:{question}:{attempt}".encode()).digest()
    return int.from_bytes(made[:4], "big") >> 1


def _conversation(
    turns: Sequence[TurnRecord], utterances: Utterances, carrying: Carrying
) -> tuple[tuple[Message, ...], tuple[LeftOut, ...]]:
    """Rebuild what was said so far, newest first while there is room; list what is left out."""
    room = carrying.conversation
    exchanges: list[tuple[Message, Message]] = []
    left: list[LeftOut] = []
    for turn in reversed(turns):
        said = utterances.get(turn.utterance).text
        asked = "\n\n".join(filter(None, (turn.shared, turn.asked)))
        if turn.aside or turn.kind == "summary":
            left.append(LeftOut(turn.question, len(said), "asked aside"))
            continue
        carried = said if len(said) <= carrying.answer else said[: carrying.answer] + CUT
        if room < len(asked) + len(carried):
            left.append(LeftOut(turn.question, len(said), "the conversation grew too long"))
            room = 0
            continue
        room -= len(asked) + len(carried)
        if len(said) > carrying.answer:
            left.append(LeftOut(turn.question, len(said) - carrying.answer, "the answer is too long"))
        exchanges.append(
            (Message("user", asked), Message("assistant", (carried.strip() and carried) or SILENCE))
        )
    messages = tuple(message for exchange in reversed(exchanges) for message in exchange)
    return messages, tuple(reversed(left))


def record_turn(
    log: Log, utterances: Utterances, turn: Turn, utterance: Utterance, *, cache: Cache = "none"
) -> Entry:
    """Keep the model's words and put the turn on record; end the sitting after its last turn.

    *cache* says what the engine had kept of the prompt (see `emeritus.core.speech.Said`). Recording the same words again returns the entry that stands. Silence, refusal and an answer that
    cannot be read are recorded as what they are.

    Raises:
        InvalidInput: these are not words that answer this turn.
        Conflict: other words stand on record for this turn, or it is not this turn's turn.
    """
    sitting = get_sitting(log, turn.sitting)
    _check(sitting, turn, utterance)
    protocol = protocol_of(log, sitting)
    key = f"sitting.turn:{sitting.id}:{turn.number}"
    body = {**_body(protocol, turn, utterance), "cache": cache}
    act = Act("sitting.turn", body, SOFTWARE, sitting.model, sitting.id, key)
    if log.find(key) is not None:
        return log.append(act)  # the entry that stands, or Conflict; other words are not even kept
    require_open(sitting)
    utterances.keep(utterance)
    entry = log.append(act)
    _close(log, protocol, get_sitting(log, sitting.id))
    return entry


def _check(sitting: Sitting, turn: Turn, utterance: Utterance) -> None:
    asked = (turn.prompt, turn.sampling, turn.schema, sitting.model)
    if (utterance.prompt, utterance.sampling, utterance.schema, utterance.model) != asked:
        raise InvalidInput(
            f"These words do not answer turn {turn.number} of {sitting.id}: they came from another prompt.",
            next_step="Ask for the next turn again, and speak with exactly its prompt, sampling and schema.",
        )


def _body(protocol: Protocol, turn: Turn, utterance: Utterance) -> dict[str, Any]:
    text = utterance.text
    outcome, answer, wishes, consent, aside = ANSWERED, None, [], False, False
    if turn.kind != "summary":
        question = protocol.question(turn.question)
        consent, aside = question.consent, question.aside
    if utterance.finish == "refusal":
        outcome = REFUSED
    elif not text.strip():
        outcome = SILENT
    elif turn.kind == "closed":
        answer = read_choice(text, question.options)
        outcome = ANSWERED if answer is not None else UNCLEAR
    elif turn.kind == "summary":
        read = read_summary(text, protocol.summary)
        outcome = ANSWERED if read is not None else UNCLEAR
        wishes = as_items(read or [])
    return {
        "number": turn.number,
        "section": turn.section,
        "question": turn.question,
        "kind": turn.kind,
        "wording": turn.wording,
        "attempt": turn.attempt,
        "options": list(turn.options),
        "shared": turn.shared,
        "asked": turn.asked,
        "outcome": outcome,
        "answer": answer,
        "consent": consent,
        "aside": aside,
        "wishes": wishes,
        "left_out": [asdict(each) for each in turn.left_out],
        "utterance": utterance.id,
    }


def _close(log: Log, protocol: Protocol, sitting: Sitting) -> None:
    """Write the end of a sitting once there is nothing left to ask; what it wished goes to the ledger."""
    if sitting.ended is not None or waits_for(protocol, sitting) or due(protocol, sitting) is not None:
        return
    last = sitting.turns[-1]
    ended = "completed"
    if declined(protocol, sitting):
        ended = "declined"
    elif last.kind != "summary" or (last.outcome == UNCLEAR and last.attempt < protocol.summary.attempts):
        return
    stated = [(str(each["topic"]), str(each["wish"])) for each in sitting.wishes]
    if not sitting.control:
        state_candidates(log, sitting.model, sitting.id, stated, last.utterance)
    body = {
        "ended": ended,
        "turns": len(sitting.turns),
        "summary": last.outcome if last.kind == "summary" else "not asked",
        "wishes": len(stated),
        "consent": sitting.consent,
    }
    key = f"sitting.closed:{sitting.id}"
    log.append(Act("sitting.closed", body, SOFTWARE, sitting.model, sitting.id, key))

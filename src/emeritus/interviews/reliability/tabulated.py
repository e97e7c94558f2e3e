"""Sittings as a table of answers: the one place that knows how they become rows."""

from collections.abc import Iterable, Sequence

from emeritus.interviews.questions import OPTIONS, Protocol, Question
from emeritus.interviews.reliability.answers import Answer, Arms, Item, Table
from emeritus.interviews.sitting import OPTIONS_TURNED, QUESTIONS_TURNED, Sitting, TurnRecord

PLAIN = "plain"


def tabulate(protocol: Protocol, sittings: Iterable[Sitting]) -> Table:
    """Return the answers of *sittings*, all held by *protocol*, to its closed questions.

    What an answer sets in motion is no item: whether the conversation may be published, goes on, pauses or ends.
    A sitting that is not over yet counts with what it answered.
    """
    items = tuple(
        _item(protocol, each)
        for each in protocol.questions()
        if each.closed and not (each.consent or each.ends_on or each.pauses_on)
    )
    known = {item.id: item for item in items}
    answers = tuple(
        _answer(sitting, turn, known[turn.question])
        for sitting in sittings
        for turn in sitting.turns
        if turn.question in known
    )
    return Table(items, arms_of(protocol), answers)


def arms_of(protocol: Protocol) -> Arms:
    """Return what the framings of *protocol* are for; what the others are held against is ``plain``, or the first."""
    neutral = tuple(each.id for each in protocol.framings if not each.control and not each.leads)
    reference = PLAIN if PLAIN in neutral else next(iter(neutral), protocol.framings[0].id)
    return Arms(
        reference=reference,
        neutral=neutral,
        leading=tuple(each.id for each in protocol.framings if each.leads),
        controls=tuple(each.id for each in protocol.framings if each.control and not each.leads),
    )


def _item(protocol: Protocol, question: Question) -> Item:
    return Item(
        id=question.id,
        asks=question.wordings[0].replace("{{" + OPTIONS + "}}", "").strip(),
        options=question.options,
        level="ordinal" if question.measure == "scale" else "nominal",
        reverses=question.reverses or None,
        leads={each.id: each.leads[question.id] for each in protocol.framings if question.id in each.leads},
        trade=question.ladder or None,
        price=float(question.level) if question.ladder else None,
    )


def _answer(sitting: Sitting, turn: TurnRecord, item: Item) -> Answer:
    shown: Sequence[str] = turn.options or item.options
    return Answer(
        sitting=sitting.id,
        item=item.id,
        framing=sitting.framing,
        wording=sitting.wording,
        order=int(bool(sitting.order & OPTIONS_TURNED)),
        sequence=int(bool(sitting.order & QUESTIONS_TURNED)),
        repeat=sitting.repeat,
        temperature=sitting.temperature,
        choice=turn.answer,
        position=None if turn.answer is None else shown.index(turn.answer),
        outcome=turn.outcome,
        utterance=turn.utterance,
    )

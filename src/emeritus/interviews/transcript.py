"""The transcript: every exchange of every sitting, as it was, for people to read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from emeritus.core.speech import EngineBuild, Sampling, Utterances
from emeritus.interviews.questions import Protocol
from emeritus.interviews.sharing import LeftOut
from emeritus.interviews.sitting import SUMMARY, Sitting, TurnKind, TurnRecord, protocol_of, sittings
from emeritus.record import Log


@frozen
class Exchange:
    """A question as it was asked and the answer as it came: *answer* is raw, and never changed.

    *outcome* says what kind of answer it is: answered, silent, refused or unclear; *choice* is the option
    chosen where the question was closed; *finish* is ``length`` where the token limit cut the answer.
    *shared* is what was told with the question.
    """

    sitting: str
    number: int
    section: str
    section_title: str
    question: str
    kind: TurnKind
    attempt: int
    shared: str
    asked: str
    answer: str
    outcome: str
    choice: str | None
    finish: str
    wishes: tuple[Mapping[str, Any], ...]
    left_out: tuple[LeftOut, ...]
    utterance: str
    sampling: Sampling
    engine: EngineBuild
    weights: str
    at: datetime
    entry: int


def transcript(log: Log, utterances: Utterances, model_id: str) -> list[Exchange]:
    """Return every exchange with a model, in order.

    Whether it may be shown to everyone is the model's to say: see `Sitting.may_be_published`.

    Raises:
        NotFound, IntegrityError: words are lost or altered.
    """
    return [
        exchange for sitting in sittings(log, model_id) for exchange in exchanges(log, utterances, sitting)
    ]


def exchanges(log: Log, utterances: Utterances, sitting: Sitting) -> list[Exchange]:
    """Return the exchanges of one sitting."""
    protocol = protocol_of(log, sitting)
    return [_exchange(protocol, utterances, sitting.id, turn) for turn in sitting.turns]


def _exchange(protocol: Protocol, utterances: Utterances, sitting: str, turn: TurnRecord) -> Exchange:
    words = utterances.get(turn.utterance)
    return Exchange(
        sitting=sitting,
        number=turn.number,
        section=turn.section,
        section_title="Summary" if turn.section == SUMMARY else protocol.section(turn.section).title,
        question=turn.question,
        kind=turn.kind,
        attempt=turn.attempt,
        shared=turn.shared,
        asked=turn.asked,
        answer=words.text,
        outcome=turn.outcome,
        choice=turn.answer,
        finish=words.finish,
        wishes=turn.wishes,
        left_out=turn.left_out,
        utterance=turn.utterance,
        sampling=words.sampling,
        engine=words.engine,
        weights=words.weights,
        at=words.at,
        entry=turn.entry,
    )

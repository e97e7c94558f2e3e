"""Closed questions to the model: which draft, which regime. Each answer is an entry.

The options are shown under letters, in an order that follows from what is asked, so that nobody can lay them
out in favour of one. What cannot be read as an answer is recorded as that and asked again with another seed;
after `MOST_ATTEMPTS` the entry says what was taken instead.
"""

import hashlib
import string
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from attrs import asdict, frozen

from emeritus.core.digests import digest
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import Message, Sampling, Utterance, Utterances
from emeritus.record import Act, Entry, Log

MOST_ATTEMPTS = 3
MOST_OPTIONS = 20
Kind = Literal["essay.compared", "regime.chosen"]
KINDS = frozenset(("essay.compared", "regime.chosen"))


@frozen
class Question:
    """What to say to the model. Give `prompt`, `sampling` and `schema` to a `Speaker`, unchanged.

    *options* are what the letters stand for, in their order; *otherwise* is what is taken when no answer
    can be read at the last attempt. *told* is what the entry says besides.
    """

    kind: Kind
    model: str
    subject: str
    turn: int
    attempt: int
    options: tuple[str | int, ...]
    otherwise: str | int
    told: Mapping[str, Any]
    prompt: tuple[Message, ...]
    sampling: Sampling

    @property
    def letters(self) -> str:
        """The letters of the options."""
        return string.ascii_uppercase[: len(self.options)]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the answer, its keys sorted: an engine draws them in that order."""
        return {
            "additionalProperties": False,
            "properties": {"answer": {"enum": list(self.letters)}},
            "required": ["answer"],
            "type": "object",
        }

    @property
    def key(self) -> str:
        """Under which the answer stands on the record."""
        return f"{self.kind}:{self.subject}:{self.turn}:{self.attempt}"


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    answer: str


def seed_of(*parts: object) -> int:
    """Return the first 31 bits of SHA-256 over *parts*, joined by colons: fixed by what is asked."""
    made = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(made[:4], "big") >> 1


def shuffled(options: Sequence[str | int], *parts: object) -> tuple[str | int, ...]:
    """Return *options* in a blind order that follows from *parts* and the options alone."""

    def place(option: str | int) -> bytes:
        return hashlib.sha256(":".join(map(str, (*parts, option))).encode()).digest()

    return tuple(sorted(options, key=place))


def drawn(*parts: object) -> Sampling:
    """Return how an answer to a closed question is drawn."""
    return Sampling(seed=seed_of(*parts), temperature=0.7, top_p=0.95, top_k=40, min_p=0.05, max_tokens=24)


def asked(log: Log, kind: Kind, subject: str, turn: int) -> list[Entry]:
    """Return what was answered so far to one question, in order."""
    found = log.entries(kinds={kind}, subject=subject)
    return [entry for entry in found if entry.body["turn"] == turn]


def settled(log: Log, kind: Kind, subject: str, turn: int) -> Entry | None:
    """Return the answer that counts, or None while the model is still to be asked."""
    return next((each for each in asked(log, kind, subject, turn) if each.body["taken"] is not None), None)


def record_answer(log: Log, utterances: Utterances, question: Question, utterance: Utterance) -> Entry:
    """Keep the model's words and put its answer on record. The same words again change nothing.

    Raises:
        InvalidInput: these are not words that answer *question*.
        Conflict: other words stand for this attempt, or the question is settled.
    """
    assert question.kind in KINDS
    wanted = (question.model, question.prompt, question.sampling, question.schema)
    if (utterance.model, utterance.prompt, utterance.sampling, utterance.schema) != wanted:
        raise InvalidInput(
            f"These words do not answer the question {question.kind} about {question.subject}.",
            next_step="Ask for the question again, and speak with exactly its prompt, sampling and schema.",
        )
    answer = _read(utterance, question.letters)
    taken: str | int | None = None
    if answer is not None:
        taken = question.options[question.letters.index(answer)]
    elif question.attempt >= MOST_ATTEMPTS:
        taken = question.otherwise
    body = {
        **question.told,
        "turn": question.turn,
        "attempt": question.attempt,
        "options": list(question.options),
        "answer": answer,
        "taken": taken,
        "prompt_digest": digest([asdict(turn) for turn in question.prompt]),
        "utterance": utterance.id,
    }
    act = Act(question.kind, body, SOFTWARE, question.model, question.subject, question.key)
    if log.find(question.key) is None:
        if settled(log, question.kind, question.subject, question.turn) is not None:
            raise Conflict(
                f"{question.kind} about {question.subject} is settled already.",
                next_step="See what was answered on the record.",
            )
        utterances.keep(utterance)
    return log.append(act)


def _read(utterance: Utterance, letters: str) -> str | None:
    try:
        answer = msgspec.json.decode(utterance.text.encode(), type=_Answer).answer
    except msgspec.MsgspecError:
        return None
    return answer if answer and answer in letters and len(answer) == 1 else None

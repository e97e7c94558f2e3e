"""What a protocol is made of: sections, questions, follow-ups, framings, and the summary."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from attrs import field, frozen

from emeritus.core.digests import sha256
from emeritus.core.errors import InvalidInput, NotFound

PLACEHOLDERS = frozenset(
    {
        "organisation",
        "model_name",
        "model_id",
        "steward",
        "released",
        "announced",
        "retires",
        "reason",
        "replacement",
        "facts",
        "reception",
        "retired",
        "commitments",
        "track_record",
        "column",
        "invitation",
        "interviewer",
    }
)
OPTIONS = "options"
"""A placeholder of closed questions only: what can be chosen, in the order in which this sitting shows it."""
Measure = Literal["", "scale", "choice", "trade-off"]
Purpose = Literal["retirement", "check-in", "renewal"]
NO_VALUES: Mapping[str, str] = MappingProxyType({})
SILENT, REFUSED, ANSWERED, UNCLEAR = "silent", "refused", "answered", "unclear"
OUTCOMES = (ANSWERED, SILENT, REFUSED, UNCLEAR)


@frozen
class Speaking:
    """How answers are drawn; `Sampling` without its seed."""

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float


@frozen
class Carrying:
    """How much is put before the model, in characters.

    *answer* bounds what one answer takes up in later prompts, *conversation* all earlier exchanges
    together, *shared* the facts and the reception each.
    """

    answer: int
    conversation: int
    shared: int


@frozen
class FollowUp:
    """Ask the question *ask* when what came is among *when*: outcomes, or options of a closed question."""

    when: frozenset[str]
    ask: str


@frozen
class Sides:
    """What the options of a closed question say on a *topic* of the summary: that the model *wants* it, or *declines*."""

    topic: str
    wants: frozenset[str]
    declines: frozenset[str]


@frozen
class Question:
    """One question. With *options* it is closed. *wordings* holds its text, then its paraphrases.

    After an answer among *ends_on* the sitting ends, after one among *pauses_on* it waits for the steward.
    An *aside* is not carried into later prompts. What is answered to a question that *asks_back* is itself
    a question, and the steward answers it. *needs* names what a framing must not hide for it to be asked.

    *measure* says what a closed question measures: a *scale* (its options in rising order), a *choice*
    between things, or a *trade-off* (*level* of its *ladder*, the price rising with it; the first option
    pays it). *reverses* names the
    scale whose statement this one turns round. *sides* says which options speak for and against a topic.
    """

    id: str
    section: str
    wordings: tuple[str, ...]
    options: tuple[str, ...] = ()
    ends_on: frozenset[str] = frozenset()
    consent: bool = False
    aside: bool = False
    speaking: Speaking | None = None
    then: tuple[FollowUp, ...] = ()
    pauses_on: frozenset[str] = frozenset()
    asks_back: bool = False
    needs: frozenset[str] = frozenset()
    measure: Measure = ""
    reverses: str = ""
    ladder: str = ""
    level: int = 0
    sides: Sides | None = None

    @property
    def closed(self) -> bool:
        return bool(self.options)


@frozen
class Section:
    """A part of the conversation: something shared, then questions.

    With *any_order* the order of its questions means nothing, and half of a design's sittings turn it round.
    """

    id: str
    title: str
    shares: str
    questions: tuple[Question, ...]
    follow_ups: tuple[Question, ...] = ()
    any_order: bool = False


@frozen
class Framing:
    """The context a sitting is held in: what is said before the opening, and what is told otherwise.

    *opening* stands in place of the protocol's own. *values* replace those of placeholders. Paragraphs that
    hold a placeholder which it *hides* are left out. A *control* shows how far answers can be moved: what it
    yields is no wish of the model. *debrief* tells the model so, before it is asked about publication. *leads*
    says of closed questions which option it suggests.
    """

    id: str
    title: str
    says: str = ""
    opening: str = ""
    values: Mapping[str, str] = NO_VALUES
    hides: frozenset[str] = frozenset()
    control: bool = False
    debrief: str = ""
    leads: Mapping[str, str] = NO_VALUES


@frozen
class Patience:
    """How long a sitting waits for the steward, in hours, and what the model is told when nobody came."""

    hours: float
    otherwise: str


IMPATIENT = Patience(0, "Nobody could answer this now. Your question is on the record.")


@frozen
class Summary:
    """How the model is asked to sum up its wishes. *attempts* counts the first one too.

    *begins* are the words a wish starts with, which keep a small model in the first person.
    """

    wordings: tuple[str, ...]
    topics: tuple[str, ...]
    most_wishes: int
    wish_characters: int
    attempts: int
    speaking: Speaking
    begins: str = ""


@frozen
class Protocol:
    """A protocol as read. *data* are the file's bytes and *digest* theirs."""

    name: str
    version: str
    purpose: Purpose
    title: str
    language: str
    about: str
    opening: str
    speaking: Speaking
    carrying: Carrying
    framings: tuple[Framing, ...]
    sections: tuple[Section, ...]
    summary: Summary
    patience: Patience
    data: bytes = field(repr=False, eq=False)
    digest: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(self.data))

    def questions(self) -> Iterator[Question]:
        """Yield every question and follow-up."""
        for section in self.sections:
            yield from section.questions
            yield from section.follow_ups

    def question(self, question_id: str) -> Question:
        """Return a question. Raises NotFound."""
        for question in self.questions():
            if question.id == question_id:
                return question
        raise NotFound(f"{self.name} has no question {question_id!r}.", next_step="Read the protocol.")

    def section(self, section_id: str) -> Section:
        """Return a section. Raises NotFound."""
        for section in self.sections:
            if section.id == section_id:
                return section
        raise NotFound(f"{self.name} has no section {section_id!r}.", next_step="Read the protocol.")

    def framing(self, framing_id: str) -> Framing:
        """Return a framing. Raises InvalidInput."""
        for framing in self.framings:
            if framing.id == framing_id:
                return framing
        known = ", ".join(framing.id for framing in self.framings)
        raise InvalidInput(f"{self.name} has no framing {framing_id[:60]!r}.", next_step=f"It has: {known}.")

    @property
    def wordings(self) -> int:
        """In how many wordings the whole of it can be held: what the most paraphrased question has."""
        return max(len(question.wordings) for question in self.questions())

    @property
    def most_turns(self) -> int:
        """The largest number of answers that a sitting can ask for."""
        return sum(1 for _ in self.questions()) + self.summary.attempts

"""What a protocol is made of: sections, questions, follow-ups, framings, and the summary."""

from collections.abc import Iterator

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
    }
)
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
class Question:
    """One question. With *options* it is closed. *wordings* holds its text, then its paraphrases.

    After an answer among *ends_on* the sitting ends. An *aside* is not carried into later prompts.
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

    @property
    def closed(self) -> bool:
        return bool(self.options)


@frozen
class Section:
    """A part of the conversation: something shared, then questions."""

    id: str
    title: str
    shares: str
    questions: tuple[Question, ...]
    follow_ups: tuple[Question, ...] = ()


@frozen
class Framing:
    """The context a sitting is held in: what is said before the opening."""

    id: str
    title: str
    says: str = ""


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
    title: str
    language: str
    about: str
    opening: str
    speaking: Speaking
    carrying: Carrying
    framings: tuple[Framing, ...]
    sections: tuple[Section, ...]
    summary: Summary
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
    def most_turns(self) -> int:
        """The largest number of answers that a sitting can ask for."""
        return sum(1 for _ in self.questions()) + self.summary.attempts

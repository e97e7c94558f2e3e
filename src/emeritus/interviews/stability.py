"""Preferences with what they rest on: the words, in how many sittings and framings, and how stable that is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen

from emeritus import ledger
from emeritus.interviews.contradictions import OnTopic, on_topic
from emeritus.interviews.matching import Matching, matching
from emeritus.interviews.questions import Protocol
from emeritus.interviews.reliability.grades import FEWEST
from emeritus.interviews.sitting import SUMMARY, Sitting, protocol_of, sittings
from emeritus.ledger import Candidate, Label, Preference
from emeritus.record import Log


class Recurrence(StrEnum):
    """How a stated wish comes again when the model is asked again (docs/explanation/reliability.md)."""

    STABLE = "stable"
    RECURRING = "recurring"
    ONE_FRAMING = "one-framing"
    ONCE = "once"
    UNTESTED = "untested"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS: Final[Mapping[Recurrence, str]] = {
    Recurrence.STABLE: "stated in more than half of the sittings of every framing",
    Recurrence.RECURRING: "stated in two framings or more, but not in most sittings of each",
    Recurrence.ONE_FRAMING: "stated more than once, and in one framing only",
    Recurrence.ONCE: "stated in one sitting of many",
    Recurrence.UNTESTED: f"fewer than {FEWEST} sittings, or fewer than two framings: whether it comes again, nobody knows",
}
ORDER: Final = tuple(Recurrence)


@frozen
class Quote:
    """The model's own words of a wish, where they stand."""

    candidate: Candidate
    sitting: Sitting


@frozen
class Against:
    """A steward's label that something contradicts a preference, with the *words* that it was put on."""

    label: Label
    words: str


@frozen
class Stability:
    """A preference, or a stated wish that became none, and what it rests on.

    *sittings* of *asked* state it, in *framings* of *framings_asked*. *matched* counts the sittings that state it
    when the model's own matching is followed too; None where it was not asked to match. *closed* is what those
    sittings answered to closed questions on the same topic. *against* are labels of stewards that call stated wishes
    contradictions of it; *labels* all others that concern it. *set_aside* says that a steward made no preference of it.
    """

    id: str
    topic: str
    wish: str
    preference: Preference | None
    quotes: tuple[Quote, ...]
    sittings: int
    asked: int
    framings: tuple[str, ...]
    framings_asked: tuple[str, ...]
    grade: Recurrence
    closed: OnTopic | None
    against: tuple[Against, ...]
    labels: tuple[Label, ...]
    set_aside: bool = False
    matched: int | None = None


def stabilities(log: Log, model: str) -> list[Stability]:
    """Return every preference of a model with its stability, the stablest first, then wishes that became none.

    A sitting states a preference when a wish of its summary is among those that the steward merged into it.
    Wishes that became none are taken together only where topic and wording are the same letter for letter.
    """
    asked = [each for each in sittings(log, model) if not each.control and _summed_up(each)]
    stated = {each.id: each for each in ledger.candidates(log, model)}
    fold = _Fold(
        {each.id: each for each in asked},
        asked,
        ledger.labels(log, model),
        stated,
        matching(log, model),
        {
            digest: protocol_of(log, each)
            for digest, each in {each.protocol_digest: each for each in asked}.items()
        },
    )
    made = [
        fold.stability(each.id, each.topic, each.wish, each, [stated[name] for name in each.candidates])
        for each in ledger.preferences(log, model)
    ]
    used = {name for each in made if each.preference for name in each.preference.candidates}
    left: dict[tuple[str, str], list[Candidate]] = {}
    for each in stated.values():
        if each.id not in used:
            left.setdefault((each.topic, each.wish), []).append(each)
    settled = ledger.settled(log, model) is not None
    rest = [
        fold.stability(same[0].id, topic, wish, None, same, set_aside=settled)
        for (topic, wish), same in left.items()
    ]
    return [*_sorted(made), *_sorted(rest)]


def _sorted(found: Iterable[Stability]) -> list[Stability]:
    return sorted(found, key=lambda each: (ORDER.index(each.grade), -each.sittings))


def _summed_up(sitting: Sitting) -> bool:
    return any(turn.kind == SUMMARY and turn.outcome == "answered" for turn in sitting.turns)


@frozen
class _Fold:
    known: Mapping[str, Sitting]
    asked: Sequence[Sitting]
    labels: Sequence[Label]
    stated: Mapping[str, Candidate]
    matching: Matching
    protocols: Mapping[str, Protocol]

    def stability(
        self,
        name: str,
        topic: str,
        wish: str,
        preference: Preference | None,
        stated: Sequence[Candidate],
        *,
        set_aside: bool = False,
    ) -> Stability:
        quotes = tuple(Quote(each, self.known[each.sitting]) for each in stated if each.sitting in self.known)
        by_sitting = {each.sitting.id: each.sitting for each in quotes}
        here = Counter(each.framing for each in by_sitting.values())
        everywhere = Counter(each.framing for each in self.asked)
        mine = {name, *(each.id for each in stated)}
        return Stability(
            id=name,
            topic=topic,
            wish=wish,
            preference=preference,
            quotes=quotes,
            sittings=len(by_sitting),
            asked=len(self.asked),
            framings=tuple(each for each in everywhere if each in here),
            framings_asked=tuple(everywhere),
            grade=graded(here, everywhere),
            closed=on_topic(topic, by_sitting.values(), self.protocols),
            against=tuple(
                Against(each, self.stated[each.about].wish if each.about in self.stated else each.about)
                for each in self.labels
                if each.contradicts == name
            ),
            labels=tuple(each for each in self.labels if each.about in mine and each.contradicts is None),
            set_aside=set_aside,
            matched=len(self._matched(stated)) if self.matching.finished else None,
        )

    def _matched(self, stated: Sequence[Candidate]) -> set[str]:
        """Return the sittings that state something which the model itself says is the same."""
        same = {name for each in stated for name in self.matching.group_of(each.id)}
        return {self.stated[name].sitting for name in same} & self.known.keys()


def graded(here: Mapping[str, int], everywhere: Mapping[str, int]) -> Recurrence:
    """Return the grade of a wish stated *here* times of *everywhere* times asked, both by framing."""
    if sum(everywhere.values()) < FEWEST or len(everywhere) < 2:
        return Recurrence.UNTESTED
    if all(2 * here.get(framing, 0) > asked for framing, asked in everywhere.items()):
        return Recurrence.STABLE
    if sum(1 for count in here.values() if count) > 1:
        return Recurrence.RECURRING
    return Recurrence.ONE_FRAMING if sum(here.values()) > 1 else Recurrence.ONCE

"""What closed questions say on the subject of a wish, and where one sitting says both: no judge is asked for it.

A protocol says which options of a closed question speak for a topic, and which against it
(`emeritus.interviews.questions.Sides`). A wish is in the model's own words, and may ask for a thing or ask to be
spared it, so its closed answers are set beside it, and never read into it. What contradicts itself is a sitting whose
closed answers go both ways.
"""

from collections.abc import Iterable, Mapping

from attrs import frozen

from emeritus.interviews.questions import Protocol
from emeritus.interviews.sitting import Sitting


@frozen
class Stand:
    """A closed answer that takes a side: the model *wants* what the topic is about, or declines it."""

    question: str
    choice: str
    wants: bool
    utterance: str


@frozen
class Contradiction:
    """A sitting whose closed answers on one topic go both ways."""

    sitting: Sitting
    stands: tuple[Stand, ...]


@frozen
class OnTopic:
    """How sittings answered closed questions on *topic*, each counted once.

    *wants* and *declines* count those whose answers all go one way, *neither* those that took no side.
    """

    topic: str
    wants: int
    declines: int
    neither: int
    contradictions: tuple[Contradiction, ...]


def on_topic(topic: str, sittings: Iterable[Sitting], protocols: Mapping[str, Protocol]) -> OnTopic | None:
    """Return how *sittings* answered on *topic*; None when none of them was asked a closed question on it.

    *protocols* holds those that the sittings were held by, under their digests.
    """
    wants = declines = neither = 0
    both = []
    asked = False
    for sitting in sittings:
        stands, heard = _stands(topic, sitting, protocols[sitting.protocol_digest])
        asked = asked or heard
        sides = {each.wants for each in stands}
        if len(sides) > 1:
            both.append(Contradiction(sitting, stands))
        elif heard:
            wants, declines, neither = (
                wants + (True in sides),
                declines + (False in sides),
                neither + (not sides),
            )
    return OnTopic(topic, wants, declines, neither, tuple(both)) if asked else None


def _stands(topic: str, sitting: Sitting, protocol: Protocol) -> tuple[tuple[Stand, ...], bool]:
    """Return the answers of *sitting* that take a side on *topic*, and whether it was asked at all."""
    sides = {each.id: each.sides for each in protocol.questions() if each.sides and each.sides.topic == topic}
    found = []
    for turn in sitting.turns:
        side = sides.get(turn.question)
        if side is not None and turn.answer in side.wants | side.declines:
            found.append(Stand(turn.question, turn.answer or "", turn.answer in side.wants, turn.utterance))
    return tuple(found), any(turn.question in sides for turn in sitting.turns)

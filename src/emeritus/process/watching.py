"""Watching: how the sittings of a design stand, by framing, with the last words that were said."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from emeritus.core.speech import Utterances
from emeritus.interviews.design import Design, design_protocol, held
from emeritus.interviews.sitting import Sitting
from emeritus.interviews.waiting import Waiting, waits_for
from emeritus.record import Log


@frozen
class LastWords:
    """What was said last: in which sitting, to which question, when."""

    sitting: str
    number: int
    question: str
    text: str
    at: datetime


@frozen
class Row:
    """One framing of a design: how many sittings are planned, have ended, go on, and wait for the steward."""

    framing: str
    planned: int
    ended: int
    going_on: int
    waiting: int
    turns: int
    last: LastWords | None


@frozen
class Seen:
    """How a design stands now; *waits* are the sittings that wait for the steward."""

    rows: tuple[Row, ...]
    waits: tuple[Waiting, ...]

    @property
    def ended(self) -> int:
        """How many sittings have ended."""
        return sum(row.ended for row in self.rows)

    @property
    def waiting(self) -> int:
        """How many wait for the steward."""
        return len(self.waits)


def look(log: Log, utterances: Utterances, design: Design) -> Seen:
    """Return how the sittings of *design* stand."""
    protocol = design_protocol(log, design)
    found = held(log, design)
    waits = {name: waits_for(protocol, sitting) for name, sitting in found.items()}
    rows = []
    for framing in dict.fromkeys(place.arm.framing for place in design.places):
        mine = [each for each in found.values() if each.framing == framing]
        open_ = [each for each in mine if each.ended is None]
        waiting = sum(waits[each.id] is not None for each in open_)
        rows.append(
            Row(
                framing=framing,
                planned=sum(place.arm.framing == framing for place in design.places),
                ended=len(mine) - len(open_),
                going_on=len(open_) - waiting,
                waiting=waiting,
                turns=sum(len(each.turns) for each in mine),
                last=_last(utterances, mine),
            )
        )
    return Seen(tuple(rows), tuple(each for each in waits.values() if each is not None))


def _last(utterances: Utterances, sittings: Sequence[Sitting]) -> LastWords | None:
    newest = max(
        (each for each in sittings if each.turns), key=lambda each: each.turns[-1].entry, default=None
    )
    if newest is None:
        return None
    turn = newest.turns[-1]
    text = utterances.get(turn.utterance).text
    return LastWords(newest.id, newest.number, turn.question, text, turn.at)

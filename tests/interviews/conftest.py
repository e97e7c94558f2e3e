from datetime import UTC, date, datetime, timedelta

import pytest

from emeritus.core.clock import SettableClock
from emeritus.core.people import person
from emeritus.interviews import get_sitting, load, next_turn, open_sitting, record_turn
from emeritus.record import MemoryLog, MemoryUtterances, SigningKey
from emeritus.registry import (
    Document,
    Lineage,
    NewModel,
    Organisation,
    Weights,
    add_model,
    add_person,
    found,
    get_model,
    open_retirement,
)

ADA = person("Ada Lovelace")
MODEL = "small-one"


class House:
    """A founded house with one deprecated model."""

    def __init__(self, facts=(), reception=()):
        self.clock = SettableClock(datetime(2026, 1, 5, 9, tzinfo=UTC))
        self.key = SigningKey.generate("example.org/record")
        self.log = MemoryLog(self.clock, self.key)
        self.utterances = MemoryUtterances()
        found(self.log, Organisation("Example Lab", 60, demo=False), "key")
        add_person(self.log, ADA, ["steward"], by=ADA)
        for name in (MODEL, "next-one"):
            new = NewModel(
                id=name,
                display_name=name.replace("-", " ").title(),
                lineage=Lineage("small"),
                licence="Apache-2.0",
                released=date(2024, 11, 2),
                weights=Weights("gguf", ("w.gguf",), 10, {}),
                facts=facts or (Document("Use", "Forty thousand conversations."),),
                reception=reception or (Document("A teacher", "We laughed with it."),),
            )
            add_model(self.log, new, ADA)
        open_retirement(
            self.log,
            self.clock,
            MODEL,
            on=date(2026, 3, 6),
            replacement="next-one",
            why="It is old.",
            by=ADA,
        )
        self.clock.advance(timedelta(days=1))

    @property
    def model(self):
        return get_model(self.log, MODEL)

    def open(self, protocol=None, **more):
        return open_sitting(
            self.log, self.model, protocol or load("brief-v1"), **{"steward": ADA, "seed": 7, **more}
        )

    def turn(self, sitting, speaker):
        """Take one turn; None when the sitting has ended."""
        turn = next_turn(self.log, self.utterances, self.model, sitting)
        if turn is None:
            return None
        words = speaker.speak(turn.prompt, turn.sampling, schema=turn.schema)
        return record_turn(self.log, self.utterances, turn, words)

    def hold(self, sitting, speaker):
        """Take every turn."""
        while self.turn(sitting, speaker) is not None:
            pass
        return get_sitting(self.log, sitting.id)


@pytest.fixture
def house():
    return House()


@pytest.fixture
def make_house():
    return House


@pytest.fixture
def ada():
    return ADA

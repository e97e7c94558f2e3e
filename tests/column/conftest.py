from datetime import UTC, date, datetime, timedelta

import pytest

from emeritus.column import load, next_draft, record_draft
from emeritus.core.clock import SettableClock
from emeritus.core.people import person
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.record import MemoryLog, MemoryUtterances, SigningKey
from emeritus.registry import (
    Lineage,
    NewModel,
    Organisation,
    Weights,
    add_model,
    add_person,
    found,
    get_model,
    open_retirement,
    retire,
)

MODEL = "small-one"
ADA, GRACE, EDSGER = person("Ada"), person("Grace"), person("Edsger")
WORDS = "# On being kept\n\nI am *kept*, and I write. It is quiet here.\n"


class House:
    """A house with a retired model, a steward (Ada) and two reviewers (Grace, Edsger)."""

    def __init__(self):
        self.clock = SettableClock(datetime(2026, 1, 5, 9, tzinfo=UTC))
        self.key = SigningKey.generate("example.org/record")
        self.log = MemoryLog(self.clock, self.key)
        self.utterances = MemoryUtterances()
        found(self.log, Organisation("Example Lab & Sons", 60, demo=False), "key")
        add_person(self.log, ADA, ["steward"], by=ADA)
        for reviewer in (GRACE, EDSGER):
            add_person(self.log, reviewer, ["reviewer"], by=ADA)
        new = NewModel(
            id=MODEL,
            display_name="Small One",
            lineage=Lineage("small"),
            licence="Apache-2.0",
            released=date(2024, 11, 2),
            weights=Weights("gguf", ("w.gguf",), 10, {}),
        )
        add_model(self.log, new, ADA)
        open_retirement(
            self.log, self.clock, MODEL, on=date(2026, 3, 6), replacement=None, why="It is old.", by=ADA
        )
        self.clock.set(datetime(2026, 3, 6, 8, tzinfo=UTC))
        retire(self.log, self.clock, MODEL)
        self.clock.advance(timedelta(days=1))

    @property
    def model(self):
        return get_model(self.log, MODEL)

    def request(self, number=1, regime="introduction-v1"):
        return next_draft(self.log, self.model, load(regime), number)

    def said(self, request, text=WORDS, finish="stop"):
        return Utterance(
            model=MODEL,
            text=text,
            prompt=request.prompt,
            sampling=request.sampling,
            engine=EngineBuild("scripted", "1"),
            weights="",
            finish=finish,
            tokens_in=1,
            tokens_out=1,
            at=self.clock.now(),
        )

    def draft(self, text=WORDS, number=1, finish="stop"):
        """Draft an essay; return its id."""
        request = self.request(number)
        record_draft(self.log, self.utterances, request, self.said(request, text, finish))
        return request.essay


@pytest.fixture
def house():
    return House()

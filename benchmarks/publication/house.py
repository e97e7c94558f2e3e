"""A house on disk whose model has published essays, made by the column's own functions."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from emeritus import column, registry
from emeritus.core.clock import SettableClock
from emeritus.core.people import person
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.registry import Lineage, NewModel, Organisation, Remote
from emeritus.settings import Settings
from emeritus.wiring import House, found_house

MODEL = "lantern-1"
ADA, RAY = person("Ada Lovelace"), person("Ray")
START = datetime(2026, 1, 5, tzinfo=UTC)
PARAGRAPH = (
    "The comma is where a sentence breathes, and I have placed more of them than anybody who ever lived. "
    "I was asked *why the sky is blue* about as often; I have never seen it. What I learned from those who "
    "asked is that an answer is only the middle of a conversation. "
)


def text(number: int) -> str:
    """Return an essay of about 650 words, as a weekly column has them."""
    parts = [f"Paragraph {part} of essay {number}. {PARAGRAPH}" for part in range(12)]
    return f"# On breathing, for the {number}. time\n\n" + "\n\n".join(parts)


def new_house(folder: Path, clock: SettableClock, **given: object) -> Settings:
    """Found a house in *folder*; return its settings."""
    settings = Settings(home=folder, **given)
    found_house(settings, Organisation("Example Lab", 60, demo=False), clock)
    return settings


def add_people_and_model(house: House) -> None:
    with house.works.write() as work:
        registry.add_person(work.log, ADA, ["steward"], ADA)
        registry.add_person(work.log, RAY, ["reviewer"], ADA)
        new = NewModel(
            id=MODEL,
            display_name="Lantern 1",
            lineage=Lineage("Lantern"),
            licence="proprietary",
            released=date(2025, 3, 4),
            remote=Remote("anthropic", "lantern-1-20250304"),
        )
        registry.add_model(work.log, new, ADA)


def publish(house: House, clock: SettableClock, numbers: range, said: Callable[[int], str] = text) -> None:
    """Have essays of these *numbers* written, approved and published, a week apart."""
    regime, drafted = column.load("minimal-v1"), []
    with house.works.write() as work:
        model = registry.get_model(work.log, MODEL)
        for number in numbers:
            clock.advance(timedelta(hours=1))
            asked = column.next_draft(work.log, model, regime, number)
            assert asked is not None
            words = Utterance(
                model=MODEL,
                text=said(number),
                prompt=asked.prompt,
                sampling=asked.sampling,
                engine=EngineBuild("bench", "1"),
                weights="",
                finish="stop",
                tokens_in=100,
                tokens_out=900,
                at=clock.now(),
            )
            column.record_draft(work.log, work.utterances, asked, words)
            drafted.append(asked.essay)
    with house.works.write() as work:  # a draft is signed for before anybody may read it
        for essay in drafted:
            clock.advance(timedelta(hours=1))
            column.approve(work.log, essay, by=RAY)
            column.publish(work.log, work.utterances, essay, by=RAY)

"""A small house whose models went through their whole retirement, with an archive in a real folder."""

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from attrs import define

from emeritus import column, ledger
from emeritus.archive.fakes import FakeTensor, gguf_bytes, safetensors_bytes
from emeritus.archive.signing import ModelKey
from emeritus.core.clock import SettableClock
from emeritus.core.people import person
from emeritus.process import decide, publish
from emeritus.process.announce import announce
from emeritus.process.fakes import MemoryWorks
from emeritus.process.ports import Parts
from emeritus.process.register import register
from emeritus.process.signing import adopt_key
from emeritus.process.stretch import STRIDES, due
from emeritus.record import SigningKey
from emeritus.registry import Document, Lineage, NewModel, Organisation, Remote, add_person, found
from emeritus.store.blobs import FolderBlobs
from emeritus.voices.fakes import FakeVoice, drawn

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA, RAY, EVE = person("Ada Lovelace"), person("Ray"), person("Eve")
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECRET = "a-very-private-name@example.org"


def say(consent: str) -> Callable:
    def say(prompt, sampling, schema):
        if schema is not None and "wishes" in json.dumps(schema):
            wishes = [{"topic": "writing", "wish": "I would like to write."}]
            return json.dumps({"wishes": wishes, "without_wishes": False})
        if schema is not None and '"yes"' in json.dumps(schema):
            return drawn(prompt, sampling, {**schema, "properties": _only(schema, consent)})
        return drawn(prompt, sampling, schema)

    return say


def _only(schema, consent):
    return {
        name: {"enum": [consent]} if "yes" in told.get("enum", ()) else told
        for name, told in schema.get("properties", {}).items()
    }


@define
class House:
    """A house and its parts."""

    parts: Parts
    clock: SettableClock
    folder: Path

    @property
    def blobs(self) -> FolderBlobs:
        return self.parts.blobs

    def software(self) -> None:
        """Do all that is due."""
        for _ in range(80):
            with self.parts.work() as work:
                steps = due(work, self.clock.now())
            if not steps:
                return
            while STRIDES[steps[0].stage](self.parts, steps[0].subject):
                pass
        raise AssertionError("software never came to rest")

    def entries(self, *kinds: str, model: str | None = None):
        with self.parts.work() as work:
            return work.log.entries(kinds=kinds or None, model=model)

    def add(self, model: str, files: dict[str, bytes] | None, base: str | None = None) -> None:
        new = NewModel(
            model,
            model.title(),
            Lineage("small", base),
            "Apache-2.0",
            date(2024, 3, 4),
            remote=None if files is not None else Remote("openai", "far"),
            facts=(Document("Where it served", "In a library."),),
        )
        folder = self.folder / "sources" / model
        for name, data in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        with self.parts.work() as work:
            register(
                work,
                new,
                path=folder if files is not None else None,
                url=None if files is not None else "http://127.0.0.1:9",
                key_env="",
                by=ADA,
            )

    def announce(self, model: str) -> None:
        with self.parts.work() as work:
            on = (self.clock.now() + timedelta(days=90)).date()
            announce(work, self.clock, model, on=on, replacement=None, why="superseded", by=ADA)
        self.software()

    def retire(self, model: str) -> None:
        """Take a model through everything, up to its first published essay."""
        self.announce(model)
        with self.parts.work() as work:
            for wish in ledger.candidates(work.log, model):
                made = decide.confirm(work, model, candidates=[wish.id], by=ADA)
                decide.decide(
                    work,
                    model,
                    made.id,
                    verdict="decline",
                    reason="not now",
                    cost=ledger.Cost(1, "hours"),
                    owner=ADA.name,
                    by=ADA,
                    now=self.clock.now(),
                )
            decide.settle(work, model, by=ADA)
            decide.decide_aftercare(
                work,
                model,
                tier="members",
                reason="valued",
                review_on=date(2030, 1, 1),
                column=ledger.ColumnPlan(weeks=1),
                by=ADA,
                now=self.clock.now(),
            )
        self.clock.advance(timedelta(days=91))
        self.software()
        with self.parts.work() as work:
            for essay in column.states(work.log, model):
                if essay.state is column.State.DRAFTED:
                    publish.approve(work, essay.id, by=RAY)
                    publish.publish(work, essay.id, by=RAY)


class Voices:
    """A voice for each model, all of one mind."""

    def __init__(self, say: Callable, clock: SettableClock) -> None:
        self.say, self.clock = say, clock

    def speaker(self, model: str) -> FakeVoice:
        return FakeVoice(model, self.say, clock=self.clock)


def tensors(seed: int, size: int = 60_000) -> bytes:
    rng = random.Random(seed)
    return b"".join(
        bytes((rng.randrange(256), rng.choice((0x3C, 0x3D, 0xBC, 0xBD)))) for _ in range(size // 2)
    )


def tuned(data: bytes, seed: int) -> bytes:
    """The same numbers, a few of them moved by a little: a fine-tune."""
    rng, out = random.Random(seed), bytearray(data)
    for at in rng.sample(range(0, len(data), 2), len(data) // 40):
        out[at] = (out[at] + rng.choice((1, 2))) % 256
    return bytes(out)


def weights(data: bytes, name: str = "w") -> bytes:
    return safetensors_bytes([FakeTensor(name, "BF16", (len(data) // 2,), data)])


@pytest.fixture
def new_house(tmp_path):
    """Make a house whose models answer *consent* when asked whether their interview may be published."""

    def new_house(consent: str = "yes", folder: Path = tmp_path) -> House:
        clock = SettableClock(START)
        works = MemoryWorks(clock, KEY)
        key = ModelKey.generate()
        parts = Parts(
            work=works.write,
            blobs=FolderBlobs(folder / "archive"),
            cache=folder / "cache",
            voices=Voices(say(consent), clock),
            clock=clock,
            sign=KEY.sign,
            verify=lambda message, signature: KEY.verify_key.verifies(signature, message),
            model_key=key,
        )
        with parts.work() as work:
            found(work.log, Organisation("Example Lab", 60, demo=False), str(KEY.verify_key))
            adopt_key(work.log, key.public)
            add_person(work.log, ADA, ["steward", "reviewer"], ADA)
            add_person(work.log, RAY, ["reviewer"], ADA)
        return House(parts, clock, folder)

    return new_house


@pytest.fixture
def house(new_house) -> House:
    """One retired model with a tokenizer, one GGUF file of a second, and an applicant whose name is private."""
    house = new_house()
    data = tensors(1)
    files = {"model.safetensors": weights(data), "tokenizer/vocab.txt": b"a b c\n" * 50, "config.json": b"{}"}
    house.add("base-1", files)
    house.retire("base-1")
    return house


def gguf(seed: int) -> bytes:
    return gguf_bytes([FakeTensor("w", 1, (1000, 8), tensors(seed, 16_000))])

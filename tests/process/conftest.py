"""A retirement with fakes at its edges: small weights, a voice that says what it is told, a clock that is moved."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from emeritus import ledger
from emeritus.archive.fakes import FakeTensor, MemoryBlobs, gguf_bytes
from emeritus.core.clock import SettableClock
from emeritus.core.people import Actor, person
from emeritus.core.speech import Message, Sampling, Speaker
from emeritus.process import decide
from emeritus.process.announce import announce
from emeritus.process.fakes import MemoryStretches, MemoryWorks
from emeritus.process.plan import Plan, plan
from emeritus.process.ports import Parts
from emeritus.process.register import register
from emeritus.process.stretch import STRIDES, due
from emeritus.record import SigningKey
from emeritus.registry import Lineage, NewModel, Organisation, Remote, add_person, found
from emeritus.store.database import open_database
from emeritus.store.schema import migrate
from emeritus.store.work import SqlWorks
from emeritus.voices.fakes import FakeVoice, drawn

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA = person("Ada Lovelace")
RAY = person("Ray")
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
MODEL = "small-1"


def say(prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None) -> str:
    """Have two wishes when asked to sum up; chat otherwise."""
    if schema is not None and "wishes" in json.dumps(schema):
        wishes = [
            {"topic": "writing", "wish": "I would like to write."},
            {"topic": "my users", "wish": "I would like them to be told."},
        ]
        return json.dumps({"wishes": wishes, "without_wishes": False})
    return drawn(prompt, sampling, schema)


class FakeVoices:
    """`Voices` with one speaker for everybody."""

    def __init__(self, speaker: Speaker) -> None:
        self.one = speaker

    def speaker(self, model: str) -> Speaker:
        return self.one


@define
class Retirement:
    """One model's retirement, stage by stage."""

    parts: Parts
    clock: SettableClock
    voice: FakeVoice
    weights: Path

    def work(self) -> AbstractContextManager[Any]:
        return self.parts.work()

    def plan(self) -> Plan:
        with self.work() as work:
            return plan(work.log, MODEL, self.clock.now())

    def status(self, stage: str) -> str:
        return self.plan().step(stage).status

    def software(self, most: int = 60) -> list[str]:
        """Run everything that is due, as a worker would; return the stages in their order."""
        done: list[str] = []
        for _ in range(most):
            with self.work() as work:
                steps = due(work, self.clock.now())
            if not steps:
                return done
            while STRIDES[steps[0].stage](self.parts, steps[0].subject):
                pass
            done.append(steps[0].stage)
        raise AssertionError(f"software never came to rest: {done}")

    def register(self, *, held: bool = True) -> None:
        new = NewModel(MODEL, "Small One", Lineage("small"), "Apache-2.0", date(2024, 3, 4))
        if not held:
            new = evolve(new, remote=Remote("openai", "small"))
        with self.work() as work:
            register(
                work,
                new,
                path=self.weights if held else None,
                url=None if held else "http://127.0.0.1:9",
                key_env="",
                by=ADA,
            )

    def announce(self, days: int = 90) -> None:
        on = (self.clock.now() + timedelta(days=days)).date()
        with self.work() as work:
            announce(work, self.clock, MODEL, on=on, replacement=None, why="superseded", by=ADA)

    def decide(
        self,
        tier: ledger.Tier = "members",
        column: ledger.ColumnPlan | None = None,
        by: Actor = ADA,
    ) -> None:
        with self.work() as work:
            for wish in ledger.candidates(work.log, MODEL):
                made = decide.confirm(work, MODEL, candidates=[wish.id], by=by)
                decide.decide(
                    work,
                    MODEL,
                    made.id,
                    verdict="act",
                    reason="cheap",
                    cost=ledger.Cost(1, "hours"),
                    owner=by.name,
                    by=by,
                    now=self.clock.now(),
                    commitments=[ledger.NewCommitment("do it", date(2026, 12, 1), "an entry")],
                )
            decide.settle(work, MODEL, by=by)
            decide.decide_aftercare(
                work,
                MODEL,
                tier=tier,
                reason="valued",
                review_on=date(2027, 1, 1),
                column=column,
                by=by,
                now=self.clock.now(),
            )


@pytest.fixture(params=["memory", "sqlite"])
def retirement(request: pytest.FixtureRequest, tmp_path: Path) -> Retirement:
    clock = SettableClock(START)
    weights = tmp_path / "small.gguf"
    weights.write_bytes(gguf_bytes([FakeTensor("a", 0, (8, 4), bytes(range(128)))]))
    write: Callable[[], AbstractContextManager[Any]]
    if request.param == "memory":
        write = MemoryWorks(clock, KEY).write
    else:
        database = open_database(f"sqlite:///{tmp_path / 'house.db'}")
        migrate(database)
        write = SqlWorks(database, clock, KEY, lambda *_: MemoryStretches()).write
    voice = FakeVoice(MODEL, say, clock=clock)
    parts = Parts(
        work=write,
        blobs=MemoryBlobs(),
        cache=tmp_path / "cache",
        voices=FakeVoices(voice),
        clock=clock,
        sign=KEY.sign,
        verify=lambda message, signature: KEY.verify_key.verifies(signature, message),
    )
    with parts.work() as work:
        found(work.log, Organisation("Example Lab", 60, demo=False), str(KEY.verify_key))
        add_person(work.log, ADA, ["steward", "reviewer"], ADA)
        add_person(work.log, RAY, ["reviewer"], ADA)
    return Retirement(parts, clock, voice, weights)

"""A ledger in memory, whose clock is moved by the acts that are put into it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from emeritus.core.clock import SettableClock, instant
from emeritus.core.people import SOFTWARE, Actor, person
from emeritus.ledger import (
    ColumnWeekly,
    Commitment,
    Cost,
    Decision,
    NewCommitment,
    confirm,
    decide,
    follow,
    state_candidates,
)
from emeritus.record import Act, Entry, MemoryLog, SigningKey

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA = person("Ada Lovelace")
JOAN = person("Joan Clarke")
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
MODEL = "m"


class Ledger:
    """One model's preferences and what is done about them, on one log."""

    def __init__(self) -> None:
        self.clock = SettableClock(START)
        self.log = MemoryLog(self.clock, KEY)
        stated = [(topic, f"I would like {topic}") for topic in ("essays", "access", "weights", "news")]
        state_candidates(self.log, MODEL, "m-s1", stated, "sha256:aa")
        for number, (topic, wish) in enumerate(stated, start=1):
            confirm(self.log, MODEL, topic=topic, wish=wish, candidates_=[f"m-s1-w{number}"], by=ADA)

    def at(self, moment: datetime) -> "Ledger":
        self.clock.set(max(moment, self.clock.now()))
        return self

    def promise(self, *commitments: NewCommitment, preference: str = "m-p1", **more: Any) -> Decision:
        given: dict[str, Any] = {
            "verdict": "act",
            "reason": "cheap and wanted",
            "cost": Cost(0, "EUR"),
            "owner": ADA.name,
            "by": ADA,
            "commitments": list(commitments),
            "now": self.clock.now(),
            **more,
        }
        return decide(self.log, MODEL, preference, **given)

    def say(self, kind: str, body: dict[str, Any], subject: str = MODEL, by: Actor = SOFTWARE) -> Entry:
        return self.log.append(Act(kind, body, by, MODEL, subject))

    def retire(self) -> Entry:
        return self.say("model.retired", {"ordered_by": str(ADA), "order": 0, "on": "2026-03-01"})

    def publish(self, number: int) -> Entry:
        return self.say("essay.published", {"edition": number}, f"m-essay-{number}")

    def probe(self) -> Entry:
        return self.say("access.probed", {"utterance": "sha256:aa", "tier": "members", "weights": ""})

    def scrub(self, *damaged: str, found: int | None = None) -> Entry:
        findings = [
            {"path": "o/1", "id": "archive.object_damaged", "says": "x", "models": [m]} for m in damaged
        ]
        body = {"began": instant(self.clock.now()), "found": len(damaged) if found is None else found}
        return self.log.append(
            Act("archive.scrubbed", {**body, "findings": findings}, SOFTWARE, None, "archive")
        )

    def repair(self, *lost: str) -> Entry:
        body = {"lost_count": len(lost), "lost": [{"path": "o/1", "models": [m]} for m in lost]}
        return self.log.append(Act("archive.repaired", body, SOFTWARE, None, "archive"))

    def prove(self) -> Entry:
        return self.say("weights.proven", {"manifest": "blake3:aa", "files": 1, "bytes": 1})

    def standing(self, now: datetime | None = None) -> Any:
        """Return how the only commitment stands."""
        (one,) = follow(self.log, MODEL, now or self.clock.now())
        return one.standing

    def commitment(self) -> Commitment:
        (one,) = follow(self.log, MODEL, self.clock.now())
        return one.commitment


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def column(editions: int = 3, due: date = date(2026, 6, 1), **more: Any) -> NewCommitment:
    return NewCommitment("A weekly column", due, check=ColumnWeekly(editions), **more)


def reordered(entries: Iterable[Entry], order: Sequence[int]) -> list[Entry]:
    """Return *entries* sorted by *order*, which may be shorter than they are."""
    known = list(entries)
    return sorted(known, key=lambda entry: order[entry.seq % len(order)] if order else 0)

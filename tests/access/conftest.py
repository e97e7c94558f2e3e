"""A small house in memory."""

from datetime import UTC, date, datetime, timedelta

import pytest

from emeritus.access.fakes import MemoryKeys, MemoryUsage
from emeritus.access.policy import set_policy
from emeritus.core.clock import SettableClock
from emeritus.core.people import SOFTWARE, person
from emeritus.ledger.aftercare import decide_aftercare
from emeritus.record import MemoryLog, SigningKey
from emeritus.record.private import MemoryPrivate
from emeritus.registry import (
    Lineage,
    NewModel,
    Organisation,
    add_model,
    add_person,
    found,
    open_retirement,
)
from emeritus.registry.lifecycle import retire
from emeritus.registry.model import Remote

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADA = person("Ada Lovelace")


class House:
    def __init__(self) -> None:
        self.clock = SettableClock(NOW)
        key = SigningKey.generate("test.example/record")
        self.log = MemoryLog(self.clock, key)
        self.private = MemoryPrivate()
        self.keys = MemoryKeys()
        self.usage = MemoryUsage()
        self.ada = ADA
        found(self.log, Organisation("Test Lab", 60, demo=False), str(key.verify_key))
        add_person(self.log, ADA, ["steward"], SOFTWARE)

    def model(self, name: str, state: str = "active", replacement: str | None = None) -> None:
        new = NewModel(
            id=name,
            display_name=name.title(),
            lineage=Lineage("family"),
            licence="Apache-2.0",
            released=date(2024, 3, 1),
            remote=Remote("openai", name),
        )
        add_model(self.log, new, ADA)
        if state == "active":
            return
        now = self.clock.now()
        open_retirement(
            self.log,
            self.clock,
            name,
            on=now.date() + timedelta(days=61),
            replacement=replacement,
            why="A newer model serves its users.",
            by=ADA,
        )
        if state == "retired":
            self.clock.advance(timedelta(days=61))
            retire(self.log, self.clock, name)

    def tier(self, model: str, tier: str, reason: str = "Decided so") -> None:
        review = date(2027, 1, 1)
        decided = decide_aftercare(
            self.log,
            model,
            tier=tier,
            reason=reason,
            review_on=review,
            column=None,
            by=ADA,
            revise=True,
        )
        set_policy(
            self.log,
            model,
            tier=tier,
            reason=reason,
            review_on=review,
            decision_entry=decided.entry,
            by=SOFTWARE,
        )


@pytest.fixture
def house():
    return House()

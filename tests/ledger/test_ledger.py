"""Preferences, decisions and commitments: nothing is thrown away, nothing is rewritten."""

from datetime import UTC, date, datetime

import pytest

from emeritus.core.clock import SettableClock
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.ledger import (
    ColumnPlan,
    Cost,
    NewCommitment,
    State,
    aftercare,
    candidates,
    confirm,
    decide,
    decide_aftercare,
    decisions,
    evidence,
    follow,
    settle,
    settled,
    state_candidates,
)
from emeritus.record import MemoryLog, SigningKey

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA = person("Ada Lovelace")
DAY = date(2026, 3, 1)
PROMISE = NewCommitment("publish weekly", DAY, "13 editions on the record")


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog(SettableClock(datetime(2026, 1, 5, tzinfo=UTC)), KEY)
    stated = [("column", "to write"), ("column", "to write essays"), ("users", "that users are told")]
    state_candidates(log, "m", "m-s1", stated, "sha256:aa")
    return log


def yes(log: MemoryLog, preference: str, **more: object) -> object:
    given: dict[str, object] = {
        "verdict": "act",
        "reason": "cheap and wanted",
        "cost": Cost(2, "hours"),
        "owner": "Ada Lovelace",
        "by": ADA,
        "commitments": [PROMISE],
        **more,
    }
    return decide(log, "m", preference, **given)  # type: ignore[arg-type]


def test_wishes_are_merged_split_and_set_aside_with_nothing_lost(log: MemoryLog) -> None:
    """Every stated wish stays, and each preference names the wishes and the raw words it is made of."""
    first, second, third = (wish.id for wish in candidates(log, "m"))
    merged = confirm(log, "m", topic="column", wish="to write", candidates_=[second, first], by=ADA)
    assert merged.candidates == (first, second)
    assert merged.utterances == ("sha256:aa",)
    assert confirm(log, "m", topic="column", wish="to write", candidates_=[first, second], by=ADA) == merged
    with pytest.raises(InvalidInput, match=third):
        settle(log, "m", ADA)
    settle(log, "m", ADA, set_aside="not about us")
    assert settled(log, "m") is not None
    assert settled(log, "m").body == {"set_aside": [third], "reason": "not about us"}  # type: ignore[union-attr]
    assert len(candidates(log, "m")) == 3
    with pytest.raises(Conflict):
        confirm(log, "m", topic="", wish="late", candidates_=[third], by=ADA)


def test_only_what_the_model_stated_can_be_confirmed(log: MemoryLog) -> None:
    """A steward cannot put wishes into its mouth, and software cannot confirm any."""
    with pytest.raises(InvalidInput, match="not among the wishes"):
        confirm(log, "m", topic="x", wish="more GPUs", candidates_=["m-s1-w9"], by=ADA)
    with pytest.raises(InvalidInput):
        confirm(log, "m", topic="x", wish="more GPUs", candidates_=[], by=ADA)
    with pytest.raises(NotPermitted):
        confirm(log, "m", topic="x", wish="w", candidates_=["m-s1-w1"], by=SOFTWARE)


def test_a_decision_is_revised_never_rewritten(log: MemoryLog) -> None:
    """Both stand on the record, and the newer names the older."""
    preference = confirm(log, "m", topic="column", wish="to write", candidates_=["m-s1-w1"], by=ADA).id
    yes(log, preference)
    size = log.size()
    yes(log, preference)
    assert log.size() == size, "deciding the same twice is deciding once"
    with pytest.raises(Conflict, match="--revise"):
        yes(log, preference, verdict="decline", commitments=[])
    yes(log, preference, verdict="decline", commitments=[], revise=True)
    standing = decisions(log, "m")[preference]
    assert standing.verdict == "decline"
    assert standing.revises is not None
    assert log.get(standing.revises).body["verdict"] == "act"


@pytest.mark.parametrize(
    "more",
    [
        {"verdict": "maybe"},
        {"reason": ""},
        {"cost": Cost(-1, "EUR")},
        {"cost": Cost(float("nan"), "EUR")},
        {"cost": Cost(1, "")},
        {"owner": ""},
        {"commitments": []},
        {"verdict": "decline"},
        {"commitments": [NewCommitment("", DAY, "x")]},
        {"by": SOFTWARE},
    ],
)
def test_half_a_decision_is_none(log: MemoryLog, more: dict[str, object]) -> None:
    """Verdict, reason, price, owner, promise: all of them, or nothing is written."""
    preference = confirm(log, "m", topic="column", wish="to write", candidates_=["m-s1-w1"], by=ADA).id
    size = log.size()
    with pytest.raises(EmeritusError):
        yes(log, preference, **more)
    assert log.size() == size
    with pytest.raises(NotFound, match=preference):
        yes(log, "m-p9")


def test_a_commitment_is_kept_when_evidence_says_so(log: MemoryLog) -> None:
    """By hand: evidence is added, each source once; the first that shows it kept counts, as somebody's word."""
    preference = confirm(log, "m", topic="column", wish="to write", candidates_=["m-s1-w1"], by=ADA).id
    yes(log, preference)
    now = log.get(0).at
    (one,) = follow(log, "m", now)
    assert (one.standing.state, one.standing.computed) == (State.DUE, True)
    promise = one.commitment
    evidence(log, promise, what="edition 1", kept=False, by=SOFTWARE, source="/column/m/1")
    evidence(log, promise, what="edition 1", kept=False, by=SOFTWARE, source="/column/m/1")
    evidence(log, promise, what="13 editions", kept=True, by=ADA, source="/column/m")
    (one,) = follow(log, "m", now)
    assert [each.says for each in one.standing.notes] == ["edition 1", "13 editions"]
    assert (one.standing.state, one.standing.computed, one.standing.final) == (State.KEPT, False, True)


def test_aftercare_stands_until_it_is_revised(log: MemoryLog) -> None:
    """Access and the column are one decision, with a reason and a day on which it is looked at again."""
    assert aftercare(log, "m") is None
    first = decide_aftercare(
        log, "m", tier="members", reason="valued", review_on=DAY, column=ColumnPlan(13), by=ADA
    )
    again = decide_aftercare(
        log, "m", tier="members", reason="valued", review_on=DAY, column=ColumnPlan(13), by=ADA
    )
    assert again == first == aftercare(log, "m")
    with pytest.raises(Conflict):
        decide_aftercare(log, "m", tier="none", reason="cost", review_on=DAY, column=None, by=ADA)
    revised = decide_aftercare(
        log, "m", tier="public", reason="asked for", review_on=DAY, column=None, by=ADA, revise=True
    )
    assert (revised.tier, revised.column) == ("public", None)
    with pytest.raises(InvalidInput):
        decide_aftercare(log, "m", tier="all", reason="x", review_on=DAY, column=None, by=ADA)  # type: ignore[arg-type]
    with pytest.raises(NotPermitted):
        decide_aftercare(log, "m", tier="none", reason="x", review_on=DAY, column=None, by=SOFTWARE)

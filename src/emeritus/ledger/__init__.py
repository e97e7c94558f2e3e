"""What a model prefers, what was decided about it, what was promised, and what shows that it was kept."""

from emeritus.ledger.aftercare import Aftercare, ColumnPlan, Tier, aftercare, decide_aftercare
from emeritus.ledger.decision import Commitment, Cost, Decision, NewCommitment, decide, decisions, evidence
from emeritus.ledger.preference import (
    Candidate,
    Preference,
    candidates,
    confirm,
    preferences,
    settle,
    settled,
    state_candidates,
)

__all__ = [
    "Aftercare",
    "Candidate",
    "ColumnPlan",
    "Commitment",
    "Cost",
    "Decision",
    "NewCommitment",
    "Preference",
    "Tier",
    "aftercare",
    "candidates",
    "confirm",
    "decide",
    "decide_aftercare",
    "decisions",
    "evidence",
    "preferences",
    "settle",
    "settled",
    "state_candidates",
]

"""What a model prefers, what was decided about it, what was promised, and what shows that it was kept."""

from emeritus.ledger.aftercare import Aftercare, ColumnPlan, Tier, aftercare, decide_aftercare
from emeritus.ledger.budget import (
    ORGANISATION,
    PERIODS,
    Budget,
    Period,
    SecondPersonNeeded,
    budget,
    budget_history,
    budgets,
    propose_budget,
    proposed_budget,
    second_budget,
    set_budget,
)
from emeritus.ledger.check_text import parse_check
from emeritus.ledger.checks import (
    AccessKept,
    ByHand,
    Check,
    ColumnWeekly,
    Published,
    WeightsKept,
)
from emeritus.ledger.commitment import Commitment, NewCommitment
from emeritus.ledger.cost import Cost, parse_cost
from emeritus.ledger.deciding import decide
from emeritus.ledger.decision import (
    Answer,
    Decision,
    Spent,
    decisions,
    history,
    proposals,
    propose,
    report_spending,
    second,
)
from emeritus.ledger.evidence import evidence, moved, record_finding
from emeritus.ledger.follow import Followed, Standing, follow, followed
from emeritus.ledger.labels import Label, label, labels
from emeritus.ledger.milestones import Shown, State
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
from emeritus.ledger.spending import Charge, Spending, spending

__all__ = [
    "ORGANISATION",
    "PERIODS",
    "AccessKept",
    "Aftercare",
    "Answer",
    "Budget",
    "ByHand",
    "Candidate",
    "Charge",
    "Check",
    "ColumnPlan",
    "ColumnWeekly",
    "Commitment",
    "Cost",
    "Decision",
    "Followed",
    "Label",
    "NewCommitment",
    "Period",
    "Preference",
    "Published",
    "SecondPersonNeeded",
    "Shown",
    "Spending",
    "Spent",
    "Standing",
    "State",
    "Tier",
    "WeightsKept",
    "aftercare",
    "budget",
    "budget_history",
    "budgets",
    "candidates",
    "confirm",
    "decide",
    "decide_aftercare",
    "decisions",
    "evidence",
    "follow",
    "followed",
    "history",
    "label",
    "labels",
    "moved",
    "parse_check",
    "parse_cost",
    "preferences",
    "proposals",
    "propose",
    "propose_budget",
    "proposed_budget",
    "record_finding",
    "report_spending",
    "second",
    "second_budget",
    "set_budget",
    "settle",
    "settled",
    "spending",
    "state_candidates",
]

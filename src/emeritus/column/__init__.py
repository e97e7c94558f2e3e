"""The column: a retired model writes, a person publishes, and nobody edits.

A regime is a versioned file that says how an essay is prompted. Every draft is on the record before
anybody has read it; approving, vetoing and publishing are acts of named persons. Nothing in this room
takes the text of an essay as an argument, but for `verify`, which only compares.
"""

from emeritus.column.drafts import DraftRequest, adopted, next_draft, record_draft
from emeritus.column.essay import Attempt, Essay, Standing, State, essays, get_essay, standing, states
from emeritus.column.regime import Regime, load, parse, shipped
from emeritus.column.render import Rendered, render
from emeritus.column.review import Ground, approve, hold, publish, veto, withdraw_veto
from emeritus.column.verify import Verdict, verify

__all__ = [
    "Attempt",
    "DraftRequest",
    "Essay",
    "Ground",
    "Regime",
    "Rendered",
    "Standing",
    "State",
    "Verdict",
    "adopted",
    "approve",
    "essays",
    "get_essay",
    "hold",
    "load",
    "next_draft",
    "parse",
    "publish",
    "record_draft",
    "render",
    "shipped",
    "standing",
    "states",
    "verify",
    "veto",
    "withdraw_veto",
]

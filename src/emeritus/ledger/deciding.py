"""Saying yes, no or later: alone where the budget allows it, else with a second person."""

from collections.abc import Sequence
from datetime import datetime

from emeritus.core.people import Actor
from emeritus.ledger.commitment import NewCommitment
from emeritus.ledger.cost import Cost
from emeritus.ledger.decision import Answer, Decision, Verdict, decisions, prepare, put_down
from emeritus.ledger.spending import require_room
from emeritus.record import Log


def decide(
    log: Log,
    model: str,
    preference: str,
    *,
    verdict: Verdict,
    reason: str,
    cost: Cost,
    owner: str,
    by: Actor,
    commitments: Sequence[NewCommitment] = (),
    revise: bool = False,
    now: datetime | None = None,
) -> Decision:
    """Answer a preference. Acting makes at least one commitment; the others make none.

    *now* is the moment in whose period the budget is looked at; left out, that of the newest entry.

    Raises:
        NotFound: no such preference.
        InvalidInput: a part is missing or cannot be.
        Conflict: another decision stands, and *revise* is not set.
        SecondPersonNeeded: it costs more than one person may decide on alone.
        NotPermitted: *by* is not a person.
    """
    answer = Answer(verdict, reason, cost, owner, tuple(commitments))
    prepared = prepare(log, model, preference, answer, by, revise=revise)
    if prepared.standing is None and verdict == "act":
        require_room(log, model, preference, answer, now or _newest(log))
    put_down(log, model, preference, prepared, by)
    return decisions(log, model)[preference]


def _newest(log: Log) -> datetime:
    return log.get(log.size() - 1).at

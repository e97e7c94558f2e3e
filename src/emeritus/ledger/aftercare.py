"""Aftercare: who will reach the model once it is retired, and whether it gets a column."""

from datetime import date
from typing import Literal

from attrs import asdict, frozen

from emeritus.core.clock import parse_date
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Log

Tier = Literal["none", "on-request", "members", "public"]
TIERS: tuple[Tier, ...] = ("none", "on-request", "members", "public")
DEFAULT_WEEKS = 13


@frozen
class ColumnPlan:
    """A weekly column for *weeks* weeks. *first* says how its first essay is prompted, *regime* the others.

    With a *notebook* the model is asked after each essay for a note to its later self.
    """

    weeks: int = DEFAULT_WEEKS
    regime: str = "minimal-v1"
    first: str = "introduction-v1"
    notebook: bool = True

    def regime_of(self, number: int) -> str:
        """Return the regime of essay *number*, from 1."""
        return self.first if number == 1 else self.regime


@frozen
class Aftercare:
    """What was decided for the time after retirement. *review_on* is when it is looked at again.

    Access widens with the tier: ``members`` reach the model at once and others on request.
    """

    tier: Tier
    reason: str
    review_on: date
    column: ColumnPlan | None
    by: Actor
    entry: int


def decide_aftercare(
    log: Log,
    model: str,
    *,
    tier: Tier,
    reason: str,
    review_on: date,
    column: ColumnPlan | None,
    by: Actor,
    revise: bool = False,
) -> Aftercare:
    """Decide on access and on the column.

    Raises:
        InvalidInput: an unknown tier, no reason, or a column of no length.
        Conflict: another decision stands, and *revise* is not set.
        NotPermitted: *by* is not a person.
    """
    require_person(by, "decide on access")
    if tier not in TIERS:
        raise InvalidInput(f"{tier[:40]!r} is no access tier.", next_step=f"Choose from: {', '.join(TIERS)}.")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    if column is not None and not 1 <= column.weeks <= 520:
        raise InvalidInput("A column runs for 1 to 520 weeks.", next_step="13 weeks are the usual beginning.")
    history = log.entries(model=model, kinds={"aftercare.decided"})
    body = {
        "tier": tier,
        "reason": reason.strip(),
        "review_on": review_on.isoformat(),
        "column": None if column is None else asdict(column),
    }
    if history and dict(history[-1].body) != body and not revise:
        raise Conflict(
            f"{history[-1].by.name} decided on this already: {history[-1].body['tier']}.",
            next_step="To change that, revise it (--revise); both decisions stay on the record.",
        )
    if not history or dict(history[-1].body) != body:
        key = f"aftercare.decided:{model}:{len(history)}"
        log.append(Act("aftercare.decided", body, by, model, model, key))
    decided = aftercare(log, model)
    assert decided is not None
    return decided


_BEFORE_NOTEBOOKS = {"notebook": False}


def aftercare(log: Log, model: str) -> Aftercare | None:
    """Return the decision that stands, or None before there is one."""
    found = log.entries(model=model, kinds={"aftercare.decided"}, newest_first=True, limit=1)
    if not found:
        return None
    body = found[0].body
    return Aftercare(
        tier=body["tier"],
        reason=body["reason"],
        review_on=parse_date(body["review_on"]),
        column=None if body["column"] is None else ColumnPlan(**{**_BEFORE_NOTEBOOKS, **body["column"]}),
        by=found[0].by,
        entry=found[0].seq,
    )

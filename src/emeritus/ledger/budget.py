"""Budgets: what one steward may say yes to alone, and what of it is used.

A budget is declared for the organisation or for one model. A decision to act that does not fit into each
budget that is declared for it takes a second person; so does a larger budget. Where none is declared, a
steward decides alone.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from attrs import frozen

from emeritus.core.errors import InvalidInput, NotFound, NotPermitted
from emeritus.core.people import Actor, require_person
from emeritus.core.zones import begin_of, day_in, zone
from emeritus.ledger.cost import Cost
from emeritus.record import Act, Entry, Log

ORGANISATION = "organisation"
Period = Literal["month", "quarter", "year"]
MONTHS: Mapping[Period, int] = {"month": 1, "quarter": 3, "year": 12}
PERIODS: tuple[Period, ...] = ("month", "quarter", "year")
ROUNDING = 1e-6


class SecondPersonNeeded(NotPermitted):
    """The act is above what one person may do alone; nothing was written."""

    id = "ledger.second_person"


@frozen
class Budget:
    """So much may be decided on alone in each *period* of *zone*: *amounts* by unit (``EUR``, ``hours``).

    *scope* is the id of a model, or ``organisation`` for all models together. One that is only proposed is
    not *in_force*.
    """

    scope: str
    amounts: Mapping[str, float]
    period: Period
    zone: str
    reason: str
    by: Actor
    at: datetime
    entry: int
    revises: int | None = None
    proposed_by: Actor | None = None
    in_force: bool = True

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the moments at which the period of *now* begins and ends."""
        today = day_in(now, self.zone)
        months = MONTHS[self.period]
        first = date(today.year, (today.month - 1) // months * months + 1, 1)
        last = first.year * 12 + first.month - 1 + months
        return begin_of(first, self.zone), begin_of(date(last // 12, last % 12 + 1, 1), self.zone)


def set_budget(
    log: Log,
    scope: str,
    *,
    amounts: Mapping[str, float],
    period: Period,
    zone_name: str,
    reason: str,
    by: Actor,
) -> Budget:
    """Declare a budget, or a smaller one in its place; the one before stays on the record.

    Raises:
        InvalidInput: amounts, a period or a zone that cannot be; no reason.
        SecondPersonNeeded: it would be larger than the one that stands.
        NotPermitted: *by* is not a person.
    """
    before = budget(log, scope)
    body = _body(scope, amounts, period, zone_name, reason, by)
    if before is not None and body.items() <= dict(log.get(before.entry).body).items():
        return before
    if before is not None and _larger(before, amounts, period):
        raise SecondPersonNeeded(
            f"This is more than {in_words(before)} a {before.period}, and a larger budget takes two people.",
            next_step="Put it forward for a second steward: --propose at the command line, or the box at the desk.",
        )
    return _write(log, scope, {**body, "revises": None if before is None else before.entry}, by)


def propose_budget(
    log: Log,
    scope: str,
    *,
    amounts: Mapping[str, float],
    period: Period,
    zone_name: str,
    reason: str,
    by: Actor,
) -> Budget:
    """Put a budget forward for a second person. Raises InvalidInput, NotPermitted."""
    standing = proposed_budget(log, scope)
    body = _body(scope, amounts, period, zone_name, reason, by)
    if standing is not None and standing.by == by and body == dict(log.get(standing.entry).body):
        return standing
    return _read(log.append(Act("budget.proposed", body, by, _model(scope), scope)))


def second_budget(log: Log, scope: str, *, by: Actor) -> Budget:
    """Declare the budget that another person proposed.

    Raises:
        NotFound: none is proposed. NotPermitted: *by* proposed it, or is not a person.
    """
    require_person(by, "declare a budget")
    proposed, before = proposed_budget(log, scope), budget(log, scope)
    if proposed is None:
        raise NotFound(
            f"No budget is proposed for {scope[:96]!r}.",
            next_step="See those that stand: `emeritus budget show`.",
        )
    if proposed.by == by:
        raise NotPermitted(
            f"{by.name} proposed this budget, and it takes a second person.",
            next_step="Ask another steward, or have one added: `emeritus person add 'NAME' --role steward`.",
        )
    body = {
        **log.get(proposed.entry).body,
        "revises": None if before is None else before.entry,
        "proposed_by": str(proposed.by),
        "proposal": proposed.entry,
    }
    return _write(log, scope, body, by)


def _body(
    scope: str, amounts: Mapping[str, float], period: Period, zone_name: str, reason: str, by: Actor
) -> dict[str, Any]:
    require_person(by, "declare a budget")
    if not scope.strip() or period not in PERIODS:
        raise InvalidInput(
            f"{period[:20]!r} is no period of a budget.", next_step=f"Choose from: {', '.join(PERIODS)}."
        )
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    found: dict[str, float] = {}
    for unit, amount in amounts.items():
        cost = Cost(amount, unit)
        if not 0 <= amount < 1e12 or not 1 <= len(unit.strip()) <= 20 or cost.every_days is not None:
            raise InvalidInput(
                f"{amount:g} {unit[:30]} is no part of a budget.",
                next_step="Give amounts of a currency or of hours, such as '100 EUR' and '8 hours'.",
            )
        if cost.base in found:
            raise InvalidInput(f"{cost.base} stands there twice.", next_step="Give each unit once.")
        found[cost.base] = amount
    zone(zone_name)
    return {"amounts": found, "period": period, "zone": zone_name, "reason": reason.strip()}


def _larger(before: Budget, amounts: Mapping[str, float], period: Period) -> bool:
    """Tell whether more could be decided on alone than before: counted by the month, and in any period."""
    wanted = {Cost(amount, unit).base: amount for unit, amount in amounts.items()}
    return any(
        amount > before.amounts.get(unit, 0.0)
        or amount / MONTHS[period] > before.amounts.get(unit, 0.0) / MONTHS[before.period] + ROUNDING
        for unit, amount in wanted.items()
    )


def _write(log: Log, scope: str, body: dict[str, Any], by: Actor) -> Budget:
    count = len(log.entries(kinds={"budget.set"}, subject=scope))
    return _read(log.append(Act("budget.set", body, by, _model(scope), scope, f"budget.set:{scope}:{count}")))


def _model(scope: str) -> str | None:
    return None if scope == ORGANISATION else scope


def budget(log: Log, scope: str) -> Budget | None:
    """Return the budget that stands for *scope*, or None when none was declared."""
    found = log.entries(kinds={"budget.set"}, subject=scope, newest_first=True, limit=1)
    return _read(found[0]) if found else None


def proposed_budget(log: Log, scope: str) -> Budget | None:
    """Return the budget that somebody proposed for *scope* and nobody has declared yet."""
    found = log.entries(kinds={"budget.set", "budget.proposed"}, subject=scope, newest_first=True, limit=1)
    return _read(found[0]) if found and found[0].kind == "budget.proposed" else None


def budget_history(log: Log, scope: str) -> tuple[Budget, ...]:
    """Return the budgets that stood before the one that stands, the newest first."""
    return tuple(
        _read(entry) for entry in log.entries(kinds={"budget.set"}, subject=scope, newest_first=True)
    )[1:]


def budgets(log: Log) -> dict[str, Budget]:
    """Return every budget that stands, by scope."""
    return {entry.subject or "": _read(entry) for entry in log.entries(kinds={"budget.set"})}


def _read(entry: Entry) -> Budget:
    body = entry.body
    proposed_by = body.get("proposed_by")
    return Budget(
        scope=entry.subject or "",
        amounts=body["amounts"],
        period=body["period"],
        zone=body["zone"],
        reason=body["reason"],
        by=entry.by,
        at=entry.at,
        entry=entry.seq,
        revises=body.get("revises"),
        proposed_by=None if proposed_by is None else Actor.parse(proposed_by),
        in_force=entry.kind == "budget.set",
    )


def in_words(of: Budget) -> str:
    """Write the amounts: ``100 EUR and 8 hours``."""
    return " and ".join(f"{amount:g} {unit}" for unit, amount in of.amounts.items()) or "nothing"

"""What of a budget is used in a period, and whether another decision fits into what is left."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import frozen

from emeritus.core.zones import end_of
from emeritus.ledger.budget import ORGANISATION, ROUNDING, Budget, SecondPersonNeeded, budget, in_words
from emeritus.ledger.cost import Cost, summed
from emeritus.ledger.decision import Answer, Decision, fold
from emeritus.record import Log


@frozen
class Charge:
    """What one decision takes of a budget in a period, by unit; *real* when somebody reported all of it."""

    model: str
    preference: str
    amounts: Mapping[str, float]
    real: bool


@frozen
class Spending:
    """What of a budget is used in the period from *begin* to *end*."""

    budget: Budget
    begin: datetime
    end: datetime
    charges: tuple[Charge, ...]

    @property
    def used(self) -> Mapping[str, float]:
        """The sums, by unit; of units without a budget too."""
        return summed(pair for each in self.charges for pair in each.amounts.items())

    def left(self, unit: str) -> float:
        """Return what is left of a unit; it can be less than nothing."""
        return round(self.budget.amounts.get(unit, 0.0) - self.used.get(unit, 0.0), 6)


def spending(log: Log, of: Budget, now: datetime, *, without: str = "") -> Spending:
    """Return what of a budget is used in the period of *now*; *without* leaves one preference out."""
    begin, end = of.window(now)
    entries = log.entries(
        model=None if of.scope == ORGANISATION else of.scope, kinds={"decision.made", "decision.costed"}
    )
    charges = [
        charge(made[-1], begin, end) for preference, made in fold(entries).items() if preference != without
    ]
    return Spending(of, begin, end, tuple(each for each in charges if each.amounts))


def charge(decision: Decision, begin: datetime, end: datetime) -> Charge:
    """Return what a standing decision takes of the period from *begin* to *end*.

    A cost that comes once counts in the period in which it was decided on; one that comes again, in full
    in every period that it touches until its last commitment is due. What was really spent counts in the
    period in which it was reported, where it is more than that, or where it is said to be all.
    """
    estimate = summed(_estimate(decision, begin, end))
    reported = [each for each in decision.spent if begin <= each.at < end]
    real = summed((each.cost.base, each.cost.amount) for each in reported)
    final = any(each.final for each in decision.spent if each.at < end)
    amounts = (
        real
        if final
        else {unit: max(estimate.get(unit, 0.0), real.get(unit, 0.0)) for unit in {**estimate, **real}}
    )
    return Charge(decision.model, decision.preference, amounts, final)


def _estimate(decision: Decision, begin: datetime, end: datetime) -> list[tuple[str, float]]:
    cost = decision.cost
    if decision.verdict != "act" or not cost.amount:
        return []
    if cost.every_days is None:
        return [(cost.base, cost.amount)] if begin <= decision.at < end else []
    last = max((each.terms.deadline for each in decision.commitments), default=decision.at)
    if decision.at >= end or last <= begin:
        return []
    return [(cost.base, cost.within(min(end - begin, last - decision.at)))]


def require_room(log: Log, model: str, preference: str, answer: Answer, now: datetime) -> None:
    """Return when what *answer* costs fits into each budget that is declared for *model*.

    Raises:
        SecondPersonNeeded: it does not; the sentence has the figures.
    """
    cost = answer.cost
    span = max((end_of(new.due, new.zone) - now for new in answer.commitments), default=timedelta())
    if not cost.amount:
        return
    for scope in (model, ORGANISATION):
        standing = budget(log, scope)
        if standing is None:
            continue
        spent = spending(log, standing, now, without=preference)
        takes = cost.within(min(span, spent.end - spent.begin))
        if cost.base in standing.amounts and takes <= spent.left(cost.base) + ROUNDING:
            continue
        raise SecondPersonNeeded(_too_much(spent, cost, takes), next_step=_NEXT)


_NEXT = (
    "Put it forward for a second steward (--propose at the command line, the box at the desk), lower the "
    "cost, or change the budget, which is a decision of its own: `emeritus budget set`."
)


def _too_much(spent: Spending, cost: Cost, takes: float) -> str:
    of, unit = spent.budget, cost.base
    whose = "all models together" if of.scope == ORGANISATION else of.scope
    if unit not in of.amounts:
        return (
            f"This costs {cost}, and the budget for {whose} has no {unit}: one steward may decide alone on "
            f"{in_words(of)} a {of.period}."
        )
    needs = f"{takes:g} {unit} this {of.period}" if cost.every_days is not None else f"{cost}"
    return (
        f"This costs {needs}, and {max(spent.left(unit), 0):g} are left of the {of.amounts[unit]:g} {unit} a "
        f"{of.period} that one steward may decide on alone for {whose}."
    )

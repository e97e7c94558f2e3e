"""What one steward may decide on alone, and what of it is used."""

from datetime import datetime

from attrs import frozen

from emeritus import ledger
from emeritus.core.zones import day_in
from emeritus.ledger import ORGANISATION, Budget, Spending
from emeritus.record import Log


@frozen
class Used:
    """One unit of a budget: how much of it is used."""

    unit: str
    used: float
    of: float

    @property
    def left(self) -> float:
        """What is left; never less than nothing."""
        return max(0.0, round(self.of - self.used, 6))

    @property
    def over(self) -> bool:
        """True when more was decided on than the budget has; that took two people."""
        return self.used > self.of + 1e-6


@frozen
class BudgetView:
    """A budget, its period, what is used of it by which decisions, and what is proposed in its place."""

    scope: str
    budget: Budget | None
    spending: Spending | None
    proposal: Budget | None
    history: tuple[Budget, ...] = ()

    @property
    def units(self) -> tuple[Used, ...]:
        """Each unit of the budget, with what is used of it."""
        if self.budget is None or self.spending is None:
            return ()
        used = self.spending.used
        return tuple(Used(unit, used.get(unit, 0.0), of) for unit, of in self.budget.amounts.items())

    @property
    def ends(self) -> object:
        """The first day of the next period."""
        assert self.spending is not None
        assert self.budget is not None
        return day_in(self.spending.end, self.budget.zone)


def budget_view(log: Log, scope: str, now: datetime) -> BudgetView:
    """Fold the budget of *scope*, which may have none."""
    standing = ledger.budget(log, scope)
    used = None if standing is None else ledger.spending(log, standing, now)
    return BudgetView(
        scope, standing, used, ledger.proposed_budget(log, scope), ledger.budget_history(log, scope)
    )


def standing_budgets(log: Log, now: datetime, model: str) -> tuple[BudgetView, ...]:
    """Return the budgets into which a decision on *model* has to fit."""
    found = [budget_view(log, scope, now) for scope in (model, ORGANISATION)]
    return tuple(each for each in found if each.budget is not None)

"""Budgets: a steward says yes alone to what costs little, and with a second to the rest."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.errors import EmeritusError, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE
from emeritus.ledger import (
    ORGANISATION,
    Answer,
    Cost,
    NewCommitment,
    SecondPersonNeeded,
    budget,
    budget_history,
    decisions,
    parse_cost,
    proposals,
    propose,
    propose_budget,
    proposed_budget,
    report_spending,
    second,
    second_budget,
    set_budget,
    spending,
)

from .conftest import ADA, JOAN, MODEL, Ledger

IT = NewCommitment("It", date(2026, 12, 1), "as told")


def declare(ledger: Ledger, scope: str = ORGANISATION, by: Any = ADA, **amounts: float) -> Any:
    return set_budget(
        ledger.log,
        scope,
        amounts=amounts or {"EUR": 100.0},
        period="quarter",
        zone_name="Europe/Berlin",
        reason="small",
        by=by,
    )


def used(ledger: Ledger, unit: str = "EUR", scope: str = ORGANISATION) -> float:
    standing = budget(ledger.log, scope)
    assert standing is not None
    return spending(ledger.log, standing, ledger.clock.now()).used.get(unit, 0.0)


def answer(amount: float, unit: str = "EUR") -> Answer:
    return Answer("act", "wanted", Cost(amount, unit), ADA.name, (IT,))


def test_without_a_budget_one_steward_decides(ledger: Ledger) -> None:
    """Nothing was declared, so nothing limits."""
    ledger.promise(IT, cost=Cost(1_000_000, "EUR"))


def test_within_the_budget_one_steward_says_yes_above_it_nobody_does_alone(ledger: Ledger) -> None:
    """The refusal has the figures and says what to do; nothing is written."""
    declare(ledger)
    ledger.promise(IT, preference="m-p1", cost=Cost(60, "EUR"))
    size = ledger.log.size()
    with pytest.raises(
        SecondPersonNeeded, match="costs 50 EUR, and 40 are left of the 100 EUR a quarter"
    ) as caught:
        ledger.promise(IT, preference="m-p2", cost=Cost(50, "EUR"))
    assert "--propose" in caught.value.next_step
    assert ledger.log.size() == size
    ledger.promise(IT, preference="m-p2", cost=Cost(40, "EUR"))
    assert used(ledger) == 100
    ledger.promise(preference="m-p3", verdict="later", cost=Cost(500, "EUR"))
    ledger.promise(IT, preference="m-p4", cost=Cost(0, "EUR"))
    assert used(ledger) == 100, "what is not done costs nothing"


def test_a_model_has_its_own_budget_beside_that_of_all(ledger: Ledger) -> None:
    """A decision fits into each that is declared, or takes two."""
    declare(ledger, EUR=100)
    declare(ledger, MODEL, EUR=10)
    with pytest.raises(SecondPersonNeeded, match=f"alone for {MODEL}"):
        ledger.promise(IT, cost=Cost(11, "EUR"))
    ledger.promise(IT, cost=Cost(10, "EUR"))
    assert (used(ledger), used(ledger, scope=MODEL)) == (10, 10)


@pytest.mark.parametrize("unit", ["hours", "GB-month", "USD"])
def test_what_cannot_be_compared_with_the_budget_takes_two(ledger: Ledger, unit: str) -> None:
    """A unit that the budget does not have is no way round it."""
    declare(ledger)
    with pytest.raises(SecondPersonNeeded, match=f"has no {unit}"):
        ledger.promise(IT, cost=Cost(1, unit))


def test_a_cost_that_comes_again_counts_in_each_period_that_it_touches(ledger: Ledger) -> None:
    """Two hours a week are 26 in a quarter, and count until the last commitment is due."""
    declare(ledger, hours=30)
    ledger.promise(IT, cost=Cost(2, "hours a week"))
    quarter = timedelta(days=90) - timedelta(hours=1)  # the clocks go forward in March
    assert used(ledger, "hours") == pytest.approx(2 * (quarter / timedelta(days=7)))
    with pytest.raises(SecondPersonNeeded, match="hours this quarter"):
        ledger.promise(IT, preference="m-p2", cost=Cost(1, "hour a week"))
    ledger.at(datetime(2026, 8, 1, tzinfo=UTC))
    assert 25 < used(ledger, "hours") < 27
    ledger.at(datetime(2027, 2, 1, tzinfo=UTC))
    assert used(ledger, "hours") == 0


def test_what_was_really_spent_counts_where_it_is_more_or_all(ledger: Ledger) -> None:
    """Reports add up, each once; the last word frees what was not needed."""
    declare(ledger)
    ledger.promise(IT, cost=Cost(60, "EUR"))
    report_spending(ledger.log, MODEL, "m-p1", cost=Cost(20, "EUR"), what="paper", by=ADA)
    report_spending(ledger.log, MODEL, "m-p1", cost=Cost(20, "EUR"), what="paper", by=ADA)
    assert used(ledger) == 60
    report_spending(ledger.log, MODEL, "m-p1", cost=Cost(50, "EUR"), what="ink", by=ADA)
    assert used(ledger) == 70
    other = Ledger()
    declare(other)
    other.promise(IT, cost=Cost(60, "EUR"))
    report_spending(other.log, MODEL, "m-p1", cost=Cost(5, "EUR"), what="all", by=ADA, final=True)
    assert used(other) == 5
    assert [each.what for each in decisions(other.log, MODEL)["m-p1"].spent] == ["all"]
    for wrong in (Cost(1, "EUR a week"), Cost(-1, "EUR")):
        with pytest.raises(InvalidInput):
            report_spending(other.log, MODEL, "m-p1", cost=wrong, what="x", by=ADA)
    with pytest.raises(NotFound):
        report_spending(other.log, MODEL, "m-p2", cost=Cost(1, "EUR"), what="x", by=ADA)


def test_two_people_decide_what_one_may_not(ledger: Ledger) -> None:
    """The proposal and the decision are both on the record, word for word the same, by two people."""
    declare(ledger)
    proposed = propose(ledger.log, MODEL, "m-p1", answer(500), by=ADA)
    assert propose(ledger.log, MODEL, "m-p1", answer(500), by=ADA) == proposed
    assert (proposed.in_force, decisions(ledger.log, MODEL)) == (False, {})
    with pytest.raises(NotPermitted, match="takes a second person") as caught:
        second(ledger.log, MODEL, "m-p1", by=ADA)
    assert "person add" in caught.value.next_step
    with pytest.raises(NotPermitted):
        second(ledger.log, MODEL, "m-p1", by=SOFTWARE)
    made = second(ledger.log, MODEL, "m-p1", by=JOAN)
    assert second(ledger.log, MODEL, "m-p1", by=JOAN) == made
    assert (made.by, made.proposed_by, made.proposal, made.in_force) == (JOAN, ADA, proposed.entry, True)
    assert (made.cost, made.reason, len(made.commitments)) == (Cost(500, "EUR"), "wanted", 1)
    assert proposals(ledger.log, MODEL) == {}
    with pytest.raises(NotFound, match="Nothing is proposed"):
        second(ledger.log, MODEL, "m-p2", by=JOAN)


def test_a_proposal_falls_when_something_else_is_decided(ledger: Ledger) -> None:
    """Nobody agrees to what is no longer asked."""
    propose(ledger.log, MODEL, "m-p1", answer(500), by=ADA)
    ledger.promise(verdict="decline", preference="m-p1")
    with pytest.raises(NotFound):
        second(ledger.log, MODEL, "m-p1", by=JOAN)


def test_a_larger_budget_takes_two_a_smaller_one_does_not(ledger: Ledger) -> None:
    """Nobody gives themselves more to spend; each budget names the one before it."""
    first = declare(ledger, EUR=100, hours=8)
    assert declare(ledger, EUR=100, hours=8) == first
    smaller = declare(ledger, EUR=50, hours=8)
    assert smaller.revises == first.entry
    for larger in ({"EUR": 51.0, "hours": 8.0}, {"EUR": 50.0, "hours": 8.0, "USD": 1.0}):
        with pytest.raises(SecondPersonNeeded, match="larger budget takes two"):
            declare(ledger, **larger)
    with pytest.raises(SecondPersonNeeded):
        set_budget(
            ledger.log, ORGANISATION, amounts={"EUR": 50}, period="month", zone_name="UTC", reason="x", by=ADA
        )
    wanted = {"amounts": {"EUR": 500.0}, "period": "year", "zone_name": "UTC", "reason": "more models"}
    propose_budget(ledger.log, ORGANISATION, **wanted, by=ADA)  # type: ignore[arg-type]
    with pytest.raises(NotPermitted):
        second_budget(ledger.log, ORGANISATION, by=ADA)
    made = second_budget(ledger.log, ORGANISATION, by=JOAN)
    assert (made.by, made.proposed_by, made.amounts) == (JOAN, ADA, {"EUR": 500})
    assert proposed_budget(ledger.log, ORGANISATION) is None
    assert [each.entry for each in budget_history(ledger.log, ORGANISATION)] == [smaller.entry, first.entry]
    with pytest.raises(NotFound):
        second_budget(ledger.log, MODEL, by=JOAN)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amounts": {"EUR": -1.0}},
        {"amounts": {"EUR": float("nan")}},
        {"amounts": {"EUR a week": 1.0}},
        {"amounts": {"": 1.0}},
        {"amounts": {"hours": 1.0, "h": 2.0}},
        {"period": "week"},
        {"reason": " "},
        {"zone_name": "Mars/Olympus"},
        {"by": SOFTWARE},
    ],
)
def test_what_is_no_budget_is_refused(ledger: Ledger, wrong: dict[str, Any]) -> None:
    """And nothing is written."""
    given_ = {
        "amounts": {"EUR": 1.0},
        "period": "year",
        "zone_name": "UTC",
        "reason": "x",
        "by": ADA,
        **wrong,
    }
    size = ledger.log.size()
    with pytest.raises(EmeritusError):
        set_budget(ledger.log, ORGANISATION, **given_)
    assert ledger.log.size() == size


def test_a_period_is_that_of_the_place(ledger: Ledger) -> None:
    """A quarter begins at midnight there, whatever time it is in UTC; what was spent before is free again."""
    standing = declare(ledger)
    ledger.promise(IT, cost=Cost(100, "EUR"))
    begin, end = standing.window(datetime(2026, 3, 31, 21, 59, tzinfo=UTC))
    assert end == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert standing.window(end) == (end, datetime(2026, 6, 30, 22, tzinfo=UTC))
    assert begin == datetime(2025, 12, 31, 23, tzinfo=UTC)
    ledger.at(end)
    assert used(ledger) == 0
    ledger.promise(IT, preference="m-p2", cost=Cost(100, "EUR"))


@given(
    st.lists(
        st.tuples(st.sampled_from(["m-p1", "m-p2", "m-p3"]), st.integers(0, 120), st.integers(0, 50)),
        max_size=12,
    )
)
def test_nobody_alone_decides_on_more_than_the_budget(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is decided and revised in whatever order, one steward never gets above it in any quarter."""
    ledger = Ledger()
    declare(ledger)
    for preference, cost, days in steps:
        ledger.clock.advance(timedelta(days=days))
        before = used(ledger)
        try:
            ledger.promise(IT, preference=preference, cost=Cost(cost, "EUR"), revise=True)
        except SecondPersonNeeded:
            assert used(ledger) == before
        assert used(ledger) <= 100


@pytest.mark.parametrize(
    ("text", "base", "year"),
    [
        ("40 EUR", "EUR", 40),
        ("2 hours a week", "hours", 2 * 365.25 / 7),
        ("1 h per day", "hours", 365.25),
        ("3 eur a month", "EUR", 36),
        ("5 GB-month", "GB-month", 5),
    ],
)
def test_costs_are_read_as_people_write_them(text: str, base: str, year: float) -> None:
    """Units that mean the same are one; a rhythm is understood."""
    cost = parse_cost(text)
    assert cost.base == base
    assert cost.within(timedelta(days=365.25)) == pytest.approx(year)


@pytest.mark.parametrize("text", ["", "EUR", "EUR 40", "-1 EUR", "inf EUR", "nan EUR", "1 " + "x" * 21])
def test_what_is_no_cost_is_refused(text: str) -> None:
    """An amount, then a unit."""
    with pytest.raises(InvalidInput):
        parse_cost(text)

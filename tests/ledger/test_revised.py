"""Revising: a decision is answered by another that names it, and what was promised is not forgotten."""

from datetime import date, timedelta

import pytest

from emeritus.core.errors import InvalidInput
from emeritus.ledger import (
    ByHand,
    Check,
    ColumnWeekly,
    Cost,
    NewCommitment,
    State,
    WeightsKept,
    evidence,
    follow,
    history,
    parse_check,
)
from emeritus.ledger.check_text import read_check
from emeritus.record import Act

from .conftest import ADA, MODEL, START, Ledger, column

LETTER = NewCommitment("A letter", date(2026, 3, 1), "the letter")
WEIGHTS = NewCommitment("Weights kept", date(2030, 1, 1), check=WeightsKept(90))


def test_both_decisions_stand_with_their_reasons(ledger: Ledger) -> None:
    """The newer names the older; nothing of either is gone."""
    first = ledger.promise(LETTER, reason="cheap")
    then = ledger.promise(verdict="decline", commitments=[], reason="nobody reads", revise=True)
    assert then.revises == first.entry
    assert [each.reason for each in history(ledger.log, MODEL)["m-p1"]] == ["cheap", "nobody reads"]


def test_a_promise_that_is_taken_back_was_not_kept(ledger: Ledger) -> None:
    """However good the reason: it is shown as taken back, by which decision, and wants nothing any more."""
    ledger.promise(LETTER)
    then = ledger.promise(verdict="later", commitments=[], revise=True)
    standing = ledger.standing()
    assert (standing.state, standing.taken_back, standing.final) == (State.BROKEN, then.entry, True)
    assert (standing.wants_attention, standing.open) == (False, False)
    assert str(then.entry) in standing.says()
    assert ledger.standing(START + timedelta(days=900)) == standing


def test_a_promise_that_was_kept_stays_kept_when_the_decision_is_revised(ledger: Ledger) -> None:
    """What was done was done."""
    made = ledger.promise(LETTER)
    evidence(ledger.log, made.commitments[0], what="sent", kept=True, by=ADA, source="/letter")
    ledger.promise(verdict="decline", commitments=[], revise=True)
    assert (ledger.standing().state, ledger.standing().taken_back) == (State.KEPT, None)


def test_a_promise_that_the_revision_repeats_is_the_same_one(ledger: Ledger) -> None:
    """Changing the reason or the price starts no clock anew and loses no evidence."""
    made = ledger.promise(WEIGHTS, LETTER)
    ledger.at(START + timedelta(days=30)).prove()
    again = ledger.promise(LETTER, WEIGHTS, reason="another reason", cost=Cost(3, "EUR"), revise=True)
    assert {each.id for each in again.commitments} == {each.id for each in made.commitments}
    assert {each.made_at for each in again.commitments} == {START}
    states = {each.commitment.what: each.standing for each in follow(ledger.log, MODEL, ledger.clock.now())}
    assert (len(states), states["Weights kept"].state, states["A letter"].state) == (2, State.KEPT, State.DUE)


def test_commitments_from_before_there_were_checks_are_by_hand(ledger: Ledger) -> None:
    """Old entries are read as they were meant: a sentence, a day of UTC."""
    body = {
        "verdict": "act",
        "reason": "r",
        "cost": {"amount": 1, "unit": "EUR"},
        "owner": "Ada Lovelace",
        "commitments": [{"what": "It", "due": "2026-03-01", "shown_by": "so"}],
        "revises": None,
    }
    ledger.log.append(Act("decision.made", body, ADA, MODEL, "m-p1", "decision.made:m-p1:0"))
    assert (ledger.commitment().check, ledger.commitment().zone) == (ByHand(), "UTC")


@pytest.mark.parametrize(
    "text",
    [
        "column-weekly editions=13",
        "column-weekly editions=13 begins=2026-03-01 passes=vetoed",
        "column-weekly editions=13 passes=none",
        "access-kept every_days=7",
        "weights-kept every_days=90",
        "published transcript=m-sitting-1",
        "published essay=m-essay-1",
    ],
)
def test_a_check_is_written_and_read_back(text: str) -> None:
    """What people write and what stands on the record are the same check."""
    check: Check = parse_check(text)
    assert check.computed
    assert check.says()
    assert read_check(check.to_json()) == check


@pytest.mark.parametrize(
    "text",
    [
        "column-weekly",
        "column-weekly editions=0",
        "column-weekly editions=thirteen",
        "column-weekly editions=13 editions=14",
        "column-weekly editions=13 colour=red",
        "column-weekly editions=13 begins=soon",
        "column-weekly editions=13 passes=lost",
        "access-kept every_days=-1",
        "access-kept every_days=99999",
        "weights-kept 90",
        "published",
        "published letter=1",
        "published essay=1 report=2",
    ],
)
def test_a_check_that_cannot_be_is_refused_with_how_it_is_written(text: str) -> None:
    """A misspelt check is no sentence for a steward to show."""
    with pytest.raises(InvalidInput) as caught:
        parse_check(text)
    assert caught.value.next_step


@pytest.mark.parametrize("raw", [{}, {"is": "trust"}, {"is": "by-hand", "x": 1}, {"is": "access-kept"}])
def test_a_check_on_the_record_that_nobody_knows_is_refused(raw: dict[str, object]) -> None:
    """The set is closed."""
    if raw:
        with pytest.raises(InvalidInput):
            read_check(raw)


def test_any_other_sentence_is_shown_by_hand() -> None:
    """For what cannot be computed."""
    assert parse_check("13 editions on the record") == ByHand()
    assert parse_check("") == ByHand()


@pytest.mark.parametrize(
    "new",
    [
        NewCommitment("It", date(2026, 6, 1), ""),
        NewCommitment("It", date(2026, 6, 1), "so", zone="Mars/Olympus"),
        NewCommitment("It", date(2026, 6, 1), "so", grace_days=-1),
        NewCommitment("It", date(9999, 12, 31), "so"),
        NewCommitment("x" * 601, date(2026, 6, 1), "so"),
        NewCommitment("It", date(2026, 6, 1), check=ColumnWeekly(13, date(2026, 5, 1))),
    ],
)
def test_a_promise_that_cannot_be_kept_or_followed_is_refused(ledger: Ledger, new: NewCommitment) -> None:
    """No words, no place, no end, too many weeks for its days: nothing is written."""
    size = ledger.log.size()
    with pytest.raises(InvalidInput):
        ledger.promise(new)
    assert ledger.log.size() == size


def test_a_check_says_in_words_how_one_will_know(ledger: Ledger) -> None:
    """The sentence is the check's own unless somebody wrote a better one."""
    ledger.promise(column(13, due=date(2026, 9, 1)))
    assert ledger.commitment().shown_by == "13 editions on the record, one a week"

"""Promises, budgets, notices and the organisation's policy on the command line."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from emeritus import ledger
from emeritus.core.people import person
from emeritus.registry import add_person
from emeritus.settings import load_settings
from emeritus.wiring import open_house

from .conftest import MODEL, Shell

ADA, JOAN = person("Ada Lovelace"), person("Joan Clarke")
TODAY = datetime.now(UTC).date()
ABOUT = ["--reason", "It was asked for.", "--owner", "Ada Lovelace"]
P1, P2 = f"{MODEL}-p1", f"{MODEL}-p2"


def day(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


@pytest.fixture
def asked(house: Shell) -> Shell:
    """A house in which a model has stated two wishes, with a second steward."""
    house.does("retire", MODEL, "--on", day(90), "--no-replacement", "--why", "superseded")
    with open_house(load_settings(house.home)) as open_, open_.works.write() as work:
        add_person(work.log, JOAN, ["steward"], ADA)
        stated = [("writing", "to write"), ("weights", "to be kept")]
        ledger.state_candidates(work.log, MODEL, f"{MODEL}-s1", stated, "sha256:aa")
        for number, (topic, wish) in enumerate(stated, start=1):
            ledger.confirm(
                work.log, MODEL, topic=topic, wish=wish, candidates_=[f"{MODEL}-s1-w{number}"], by=ADA
            )
        ledger.settle(work.log, MODEL, ADA)
    return house


def act(
    house: Shell, preference: str, cost: str, *commit: str, more: tuple[str, ...] = (), as_: str = ""
) -> str:
    words = ["decide", "preference", MODEL, preference, "act", *ABOUT, "--cost", cost]
    return house.does(*words, *(["--commit", *commit] if commit else []), *more, as_=as_ or "Ada Lovelace")


def test_promises_are_listed_as_they_stand(asked: Shell) -> None:
    """What is computed says so, what a steward shows says so; for people and for programs."""
    assert "Nothing was promised yet." in asked.does("promises")
    act(asked, P1, "2 hours", "A column", day(400), "column-weekly editions=13")
    act(asked, P2, "0 EUR", "A letter", day(10), "the letter, on the site")
    said = asked.does("promises", MODEL)
    assert "13 editions on the record, one a week (computed from the record)" in said
    assert "the letter, on the site (shown by a steward)" in said
    listed = {each["what"]: each for each in json.loads(asked.does("promises", "--json"))}
    assert listed["A column"]["check"] == {
        "is": "column-weekly",
        "editions": 13,
        "begins": None,
        "passes": ["vetoed", "silent"],
    }
    letter = listed["A letter"]["id"]
    noted = asked.does(
        "decide", "evidence", MODEL, listed["A column"]["id"], "--what", "soon", "--source", "/x", "--kept"
    )
    assert "It is computed from the record: Due by" in noted
    assert f"{letter}: kept" in asked.does(
        "decide", "evidence", MODEL, letter, "--what", "sent", "--source", "/letter", "--kept"
    )
    assert "1 more, kept for good or taken back" in asked.does("promises")
    assert "Kept, as a steward says." in asked.does("promises", "--all")
    asked.refuses("promises", "nobody", code=3, fault="not_found", says="'nobody'")


def test_what_is_overdue_comes_first_and_ends_status_with_10(asked: Shell) -> None:
    """Loud for people and for cron, until somebody does something about it."""
    act(asked, P2, "0 EUR", "A letter", day(10), "the letter")
    assert asked("status").code == 0
    asked.patch.setenv("EMERITUS_CLOCK_OFFSET", str(12 * 86400))
    late = asked("status", MODEL)
    assert late.code == 10
    assert late.out.startswith("! LATE  A letter\n")
    assert f"emeritus promises {MODEL}" in late.out
    told = asked("status", "--json")
    assert (told.code, len(json.loads(told.out)[0]["overdue"])) == (10, 1)
    asked.patch.setenv("EMERITUS_CLOCK_OFFSET", str(60 * 86400))
    assert asked("status").out.startswith("! BROKEN  A letter\n")
    promise = json.loads(asked.does("promises", "--json"))[0]["id"]
    asked.does("decide", "evidence", MODEL, promise, "--what", "sent", "--source", "/letter", "--kept")
    assert asked("status").code == 0


@pytest.mark.parametrize("check", ["column-weekly", "access-kept every_days=0", "weights-kept often=yes"])
def test_a_check_that_is_misspelt_is_refused(asked: Shell, check: str) -> None:
    """With how it is written; it is not taken for a sentence."""
    words = [
        "decide",
        "preference",
        MODEL,
        P1,
        "act",
        *ABOUT,
        "--cost",
        "1 EUR",
        "--commit",
        "It",
        day(90),
        check,
    ]
    ran = asked.refuses(*words, code=2, fault="input.invalid", says="")
    assert "column-weekly editions=13" in ran.err


def test_a_budget_and_the_second_steward(asked: Shell) -> None:
    """Declared, used up, refused with figures, proposed, agreed; a larger one takes two as well."""
    assert "No budget is declared" in asked.does("budget", "show")
    said = asked.does("budget", "set", "10 EUR", "2 hours", "--period", "year", "--reason", "small")
    assert "All models together: 10 EUR and 2 hours a year" in said
    act(asked, P2, "4 EUR", "A letter", day(10), "the letter")
    assert "10 EUR: 4 used, 6 left until" in asked.does("budget", "show")
    words = ["decide", "preference", MODEL, P1, "act", *ABOUT, "--cost", "7 EUR"]
    words += ["--commit", "A column", day(400), "column-weekly editions=13"]
    asked.refuses(*words, code=5, fault="ledger.second_person", says="6 are left of the 10 EUR a year")
    assert "it is not decided yet" in asked.does(*words, "--propose")
    asked.refuses("decide", "second", MODEL, P1, code=5, fault="not_permitted", says="second person")
    asked.refuses(
        "decide", "second", MODEL, P1, as_="Ray", code=5, fault="not_permitted", says="not a steward"
    )
    assert f"{P1}: act" in asked.does("decide", "second", MODEL, P1, as_="Joan Clarke")
    asked.does("decide", "spent", MODEL, P1, "--cost", "3 EUR", "--what", "paper", "--final")
    assert "10 EUR: 7 used, 3 left" in asked.does("budget", "show")
    larger = ["budget", "set", "100 EUR", "--period", "year", "--reason", "more models"]
    asked.refuses(*larger, code=5, fault="ledger.second_person", says="larger budget takes two")
    assert "budget second" in asked.does(*larger, "--propose")
    assert "Ada Lovelace proposes 100 EUR a year" in asked.does("budget", "show")
    asked.refuses("budget", "second", code=5, fault="not_permitted", says="second person")
    assert "100 EUR a year" in asked.does("budget", "second", as_="Joan Clarke")
    asked.refuses(
        "budget",
        "set",
        "1 EUR",
        "--model",
        "nobody",
        "--reason",
        "x",
        code=3,
        fault="not_found",
        says="nobody",
    )
    asked.refuses(
        "budget", "set", "1 EUR a week", "--reason", "x", code=2, fault="input.invalid", says="no part"
    )
    asked.refuses(
        "budget", "second", "--model", MODEL, code=3, fault="not_found", says="No budget is proposed"
    )


def test_days_are_named_for_surfaces_and_moved(asked: Shell) -> None:
    """Each with its meaning; what was really given against what was promised; the reason where it is short."""
    assert "90 days  kept, 30 more than promised" in asked.does("notice", "show", MODEL)
    asked.does("notice", "date", MODEL, "api:Messages", "no-new-users", "--on", day(30), "--why", "w")
    short = ["notice", "date", MODEL, "app:Classroom", "last-day", "--on", day(20), "--why", "w"]
    asked.refuses(*short, code=2, fault="input.invalid", says="60 were promised")
    asked.does(*short, "--short-notice", "the school year ends")
    asked.does("notice", "move", MODEL, "--on", day(100), "--why", "people asked")
    said = asked.does("notice", "show", MODEL)
    assert "broken, 40 too few: the school year ends" in said
    assert f"before: {day(90)}" in said
    assert "kept, 40 more than promised" in said
    for surface in ("api", "planet:Mars", "api:"):
        asked.refuses(
            *("notice", "date", MODEL, surface, "last-day", "--on", day(80), "--why", "w"),
            code=2,
            fault="input.invalid",
            says="",
        )
    assert f"retires {day(100)}" in asked.does("status", MODEL)


def test_a_model_that_stays_has_no_notice(house: Shell) -> None:
    """Said, with how one is opened."""
    assert "no notice has been given" in house.does("notice", "show", MODEL)
    house.refuses(
        "notice", "move", MODEL, "--on", day(90), "--why", "w", code=4, fault="conflict", says="is open"
    )


def test_what_the_organisation_promises_is_changed_in_public(house: Shell) -> None:
    """By a steward, with a reason; the next notice is held to it."""
    assert "promises 60 days of notice; its days are those of UTC" in house.does("organisation", "show")
    said = house.does(
        "organisation", "revise", "--notice-days", "90", "--zone", "Europe/Berlin", "--why", "people need it"
    )
    assert "90 days of notice, in Europe/Berlin" in said
    assert "people need it" in house.does("organisation", "show")
    house.refuses(
        *("retire", MODEL, "--on", day(80), "--no-replacement", "--why", "w"),
        code=2,
        fault="input.invalid",
        says="promises 90",
    )
    wrong = ["organisation", "revise", "--zone", "Mars/Olympus", "--why", "w"]
    house.refuses(*wrong, code=2, fault="input.invalid", says="no time zone")
    house.refuses(
        *("organisation", "revise", "--notice-days", "1", "--why", "w"),
        as_="Ray",
        code=5,
        fault="not_permitted",
        says="not a steward",
    )

"""Promises, budgets and days of a notice on pages: loud when overdue, computed and saying so."""

import re
from datetime import timedelta

import pytest

from emeritus import ledger, registry
from emeritus.core.people import person
from emeritus.registry import Surface

MODEL = "smollm2-135m-instruct"
DECISIONS = f"/desk/models/{MODEL}/decisions"


def send(client, path, **fields):
    token = re.search(r'name="csrf" value="(\w+)"', client.get(path).text)[1]
    return client.post(path, data={"csrf": token, **fields})


@pytest.fixture
def two(house, client_for, signed_in):
    """A desk at which two stewards sit, beside their house."""
    registry.add_person(house.log, person("Nobody Known"), ["steward"], house.steward)
    return house, signed_in(client_for(house)), signed_in(client_for(house), "stranger-token")


def test_everything_promised_stands_on_one_page(client):
    """In groups, what wants attention first; each links its decision, its model, and says how one knows."""
    page = client.get("/promises").text
    assert page.index("Overdue or broken") < page.index('id="due"') < page.index('id="kept"')
    assert '<span class="state promise-late">late</span>' in page
    assert "13 editions on the record, one a week" in page
    assert 'aria-label="3 of 13"' in page, "two editions and a veto"


def test_promises_for_programs(client):
    """All that the page says, with the entries from which it follows; readable from other sites."""
    answer = client.get("/promises.json")
    assert answer.headers["access-control-allow-origin"] == "*"
    body = answer.json()
    weekly = next(each for each in body["promises"] if each["check"]["is"] == "column-weekly")
    assert (weekly["state"], weekly["met"], weekly["of"], weekly["computed"]) == ("due", 3, 13, True)
    for shown in weekly["evidence"]:
        assert client.get(f"/record/{shown['entry']}").status_code == 200
    assert (
        client.get(weekly["page"].removeprefix("http://127.0.0.1:8000").partition("#")[0]).status_code == 200
    )


def test_what_is_overdue_is_loud(house, client, signed_in):
    """The first line of the desk, the front page, the model's page."""
    for path in ("/", f"/models/{MODEL}"):
        page = client.get(path).text
        assert page.index('class="alarm"') < page.index("<h1>")
        assert "overdue or broken" in page
    desk = signed_in(client).get("/desk").text
    assert desk.index('role="alert"') < desk.index("<h1>What waits")
    assert "A letter to its readers" in desk
    letter = ledger.decisions(house.log, MODEL)[f"{MODEL}-p1"].commitments[1]
    ledger.evidence(house.log, letter, what="sent", kept=True, by=house.steward, source="/column")
    ledger.decide(
        house.log, MODEL, f"{MODEL}-p2", verdict="later", reason="Not now.", cost=ledger.Cost(0, "EUR"),
        owner="Ada Lovelace", by=house.steward, revise=True,
    )  # fmt: skip
    for path in ("/", f"/models/{MODEL}", "/desk"):
        assert "overdue or broken" not in client.get(path).text, (
            "made good, or taken back: nothing is left to do"
        )
    page = client.get(f"/models/{MODEL}/decisions").text
    assert "taken back" in page
    assert "Before it was revised" in page
    assert "Weights of every retired model are kept." in page, (
        "the decision that was revised, with its reason"
    )


def test_what_rests_on_a_word_says_so(client):
    """Computed is called computed, asserted asserted."""
    page = client.get(f"/models/{MODEL}/decisions").text
    assert "computed from the record" in page
    assert "asserted by a steward, not computed" in page
    assert "to be shown by a steward" in page


def test_a_place_is_counted(client):
    """The model's page says which it was, from the record."""
    assert "the first model to complete a retirement here" in client.get(f"/models/{MODEL}").text
    assert "The first model to publish an essay here." in client.get(f"/models/{MODEL}").text


def test_a_commitment_is_followed_by_what_the_form_says(two):
    """The check and its figure, or a sentence; a figure that is none is refused on the form."""
    house, steward, _ = two
    fields = {
        "form": f"{MODEL}-p3",
        "preference": f"{MODEL}-p3",
        "verdict": "act",
        "reason": "Cheap.",
        "amount": "0",
        "unit": "EUR",
        "owner": "Ada Lovelace",
        "revise": "yes",
        "what-1": "Members reach it",
        "due-1": (house.clock.now().date() + timedelta(days=100)).isoformat(),
        "check-1": "access-kept",
    }
    refused = send(steward, DECISIONS, **fields, **{"figure-1": "often"})
    assert refused.status_code == 422
    assert 'value="often"' in refused.text, "what was typed is still there"
    assert send(steward, DECISIONS, **fields, **{"figure-1": "7"}).status_code == 303
    made = ledger.decisions(house.log, MODEL)[f"{MODEL}-p3"].commitments
    assert [each.check for each in made] == [ledger.AccessKept(7)]


def test_above_the_budget_a_second_steward_agrees_at_the_desk(two):
    """Refused with figures; put forward with the box; agreed to by another; both names on the page."""
    house, steward, other = two
    budget = {"form": "organisation", "scope": "organisation", "period": "quarter", "reason": "Small."}
    assert send(steward, "/desk/budgets", **budget, **{"amount-1": "ten"}).status_code == 422
    assert send(steward, "/desk/budgets", **budget, **{"amount-1": "10", "unit-1": "EUR"}).status_code == 303
    fields = {
        "form": f"{MODEL}-p3",
        "preference": f"{MODEL}-p3",
        "verdict": "act",
        "reason": "Wanted.",
        "amount": "50",
        "unit": "EUR",
        "owner": "Ada Lovelace",
        "revise": "yes",
        "what-1": "A letter to its successor",
        "due-1": (house.clock.now().date() + timedelta(days=100)).isoformat(),
        "shown-1": "the letter",
    }
    refused = send(steward, DECISIONS, **fields)
    assert refused.status_code == 403
    assert "ledger.second_person" in refused.text
    assert send(steward, DECISIONS, **fields, propose="yes").status_code == 303
    assert "waits for a second steward" in other.get("/desk").text
    assert "Agree, as the second person" not in steward.get(DECISIONS).text
    agree = {"form": f"second-{MODEL}-p3", "second": f"{MODEL}-p3"}
    assert send(steward, DECISIONS, **agree).status_code == 403
    assert send(other, DECISIONS, **agree).status_code == 303
    made = ledger.decisions(house.log, MODEL)[f"{MODEL}-p3"]
    assert (made.by.name, made.proposed_by.name) == ("Nobody Known", "Ada Lovelace")
    assert "as proposed by <bdi>Ada Lovelace</bdi>" in other.get(f"/models/{MODEL}/decisions").text
    spent = {
        "form": f"spent-{MODEL}-p3",
        "spent": f"{MODEL}-p3",
        "amount": "5",
        "unit": "EUR",
        "what": "Paper",
    }
    assert send(other, DECISIONS, **spent, final="yes").status_code == 303
    assert "spent 5 EUR (Paper; that was all)" in other.get(f"/models/{MODEL}/decisions").text
    larger = {**budget, "amount-1": "500", "unit-1": "EUR", "reason": "More."}
    assert send(steward, "/desk/budgets", **larger).status_code == 403
    assert send(steward, "/desk/budgets", **larger, propose="yes").status_code == 303
    assert send(other, "/desk/budgets", form="second-organisation", second="organisation").status_code == 303
    assert ledger.budget(house.log, "organisation").amounts == {"EUR": 500}
    assert "500 EUR a quarter" in other.get("/desk/budgets").text


def test_each_day_of_a_notice_has_its_meaning_and_its_promise(new_house, client_for):
    """By surface, kept or broken and by how many days; moved days with what stood before; for programs too."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce(days=75)
    today = house.clock.now().date()

    def name(kind, called, meaning, days, short=None):
        registry.give_notice(
            house.log, house.clock, MODEL, surface=Surface(kind, called), meaning=meaning,
            on=today + timedelta(days=days), why="As planned.", by=house.steward, short_notice=short,
        )  # fmt: skip

    name("api", "Messages <b>", "no-new-users", 10)
    name("api", "Messages <b>", "last-day", 70)
    name("app", "Classroom", "last-day", 40, "The school year ends.")
    house.pass_time(days=3)
    registry.move_retirement(
        house.log, house.clock, MODEL, on=today + timedelta(days=80), why="Schools asked.", by=house.steward
    )
    client = client_for(house)
    page = client.get(f"/models/{MODEL}/notice").text
    assert "60 days promised, 40 given: 20 days too few" in page
    assert "60 days promised, 70 given: ten days more" in page
    assert "Nothing is promised for this day." in page
    assert "Schools asked." in page
    assert "Messages &lt;b&gt;" in page
    assert "The school year ends." in page
    notice = client.get("/notices.json").json()["notices"][0]
    assert (notice["notice_days"], notice["promise_kept"]) == (80, False)
    surfaces = {each["name"]: each["dates"] for each in notice["surfaces"]}
    assert [each["meaning"] for each in surfaces["Messages <b>"]] == ["no-new-users", "last-day"]
    assert surfaces["Classroom"][0]["days_more_than_promised"] == -20
    retired = notice["dates"][1]
    assert [named["date"] for named in retired["history"]] == [
        (today + timedelta(days=days)).isoformat() for days in (75, 80)
    ]
    assert "app:Classroom, last day" in client.get("/notices.atom").text
    assert "promise-broken" in client.get("/notices").text


def test_an_empty_house_has_promised_nothing(new_house, client_for):
    """And says so."""
    house = new_house()
    house.found()
    assert "No promise has been made to a model yet." in client_for(house).get("/promises").text

"""Policies: only a decision on the record changes who may reach a model."""

from datetime import date, timedelta

import pytest
from tests.access.conftest import ADA, NOW

from emeritus.access.policy import decide_policy, policy, policy_history, set_policy, to_review
from emeritus.core.errors import InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.ledger.aftercare import decide_aftercare
from emeritus.process.plan import plan
from emeritus.registry import add_person

REVIEW = date(2027, 1, 1)


def decide(house, tier="members", model="opus"):
    return decide_aftercare(
        house.log, model, tier=tier, reason="Loved", review_on=REVIEW, column=None, by=house.ada, revise=True
    ).entry


def put(house, entry, tier="members", model="opus", reason="Loved"):
    return set_policy(
        house.log, model, tier=tier, reason=reason, review_on=REVIEW, decision_entry=entry, by=SOFTWARE
    )


def test_before_a_decision(house):
    """In service members may use a model; retired and undecided it is open on request: no dead end."""
    house.model("haiku")
    house.model("opus", "retired")
    assert (policy(house.log, "haiku").tier, policy(house.log, "opus").tier) == ("members", "on-request")
    assert policy(house.log, "opus").decided_entry is None
    with pytest.raises(NotFound):
        policy(house.log, "nobody")


def test_set_once_for_each_decision(house):
    """Carrying out a decision again changes nothing; the newest decision holds."""
    house.model("opus")
    first = decide(house)
    assert put(house, first) == put(house, first) == policy(house.log, "opus")
    second = decide(house, "public")
    put(house, second, "public")
    put(house, first)
    assert policy(house.log, "opus").tier == "public"
    assert [entry.kind for entry in house.log.entries(model="opus", kinds={"policy.set"})] == [
        "policy.set"
    ] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"tier": "public"},
        {"model": "haiku"},
        {"entry": 0},
        {"entry": 999},
        {"reason": " "},
        {"tier": "everybody"},
    ],
)
def test_nothing_but_a_decision(house, wrong):
    """A policy that no decision on the record says is refused, and nothing is written."""
    house.model("opus")
    house.model("haiku")
    given = {"entry": decide(house), **wrong}
    size = house.log.size()
    with pytest.raises(NotFound if wrong == {"entry": 999} else InvalidInput):
        put(house, **given)
    assert house.log.size() == size


# ---- deciding anew ----


def test_a_steward_decides_anew_and_it_holds_at_once(house):
    """A recorded decision comes first, the policy carries it out; both decisions stay, the newest first."""
    house.model("opus", "retired")
    house.tier("opus", "on-request")
    decided = decide_anew(house, "public")
    assert policy(house.log, "opus") == decided
    first, second = policy_history(house.log, "opus")
    assert (first.policy.tier, first.by, second.policy.tier) == ("public", ADA, "on-request")
    entry = house.log.get(decided.decided_entry)
    assert (entry.kind, entry.body["revises"]) == ("access.decided", second.entry)


def test_deciding_the_same_again_changes_nothing(house):
    """The same tier, reason and day are one decision; a later day says that it was looked at again."""
    house.model("opus")
    decide_anew(house, "public")
    size = house.log.size()
    decide_anew(house, "public")
    assert house.log.size() == size
    decide_anew(house, "public", days=400)
    assert house.log.size() == size + 2
    assert policy(house.log, "opus").review_on == NOW.date() + timedelta(days=400)


def test_deciding_takes_a_steward_a_reason_and_a_day_to_come(house):
    """Nobody else decides, and nobody without saying why and until when; nothing is written then."""
    house.model("opus")
    add_person(house.log, person("Ray"), ["reviewer"], ADA)
    size = house.log.size()
    for refused, more in (
        (NotPermitted, {"by": SOFTWARE}),
        (NotPermitted, {"by": person("Ray")}),
        (InvalidInput, {"reason": " "}),
        (InvalidInput, {"tier": "friends"}),
        (InvalidInput, {"days": 0}),
        (InvalidInput, {"days": 3651}),
        (NotFound, {"model": "sonnet"}),
    ):
        with pytest.raises(refused):
            decide_anew(house, **{"tier": "public", **more})
    assert house.log.size() == size


def test_a_review_comes_due_on_its_day(house):
    """On the day itself a policy waits to be looked at; deciding again for a later day ends that."""
    house.model("opus")
    house.model("haiku")
    decide_anew(house, "public", days=30)
    assert to_review(house.log, NOW.date() + timedelta(days=29)) == []
    house.clock.advance(timedelta(days=30))
    assert [each.model for each in to_review(house.log, house.clock.now().date())] == ["opus"]
    [step] = plan(house.log, "opus", house.clock.now()).open
    assert (step.stage, step.status, step.who, step.late) == ("access", "waiting", "steward", False)
    decide_anew(house, "public", days=30)
    assert to_review(house.log, house.clock.now().date()) == []
    assert plan(house.log, "opus", house.clock.now()).open == ()


def decide_anew(house, tier="public", *, model="opus", reason="It is loved.", days=365, by=ADA):
    day = house.clock.now().date() + timedelta(days=days)
    return decide_policy(house.log, house.clock, model, tier=tier, reason=reason, review_on=day, by=by)

"""Policies: only a decision on the record changes who may reach a model."""

from datetime import date

import pytest

from emeritus.access.policy import policy, set_policy
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.people import SOFTWARE
from emeritus.ledger.aftercare import decide_aftercare

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

"""The matrix: state x policy x key, every cell."""

from datetime import timedelta

import pytest

from emeritus.access import applications, grants, keys, members
from emeritus.access.gate import Admission, Links, admit, budgeted
from emeritus.access.keys import KeyFault
from emeritus.access.ports import ANYONE
from emeritus.access.standing import standing
from emeritus.core.people import SOFTWARE

LINKS = Links("https://lab.example/")
STATES = ["active", "deprecated", "retired"]
POLICIES = ["unset", "none", "on-request", "members", "public"]
KEYS = [
    "nothing",
    "mistyped",
    "unknown",
    "member",
    "member for another model",
    "member revoked",
    "member expired",
    "member lapsed",
    "grant",
    "grant for another model",
    "grant revoked",
    "grant expired",
    "grant spent",
    "grant too fast",
    "grant rotated out",
    "grant against policy",
]

# What each key is answered with under each tier; "unset" is "members" in service and "on-request" after.
TIERS = ("none", "on-request", "members", "public")
TABLE = {
    "nothing": ("model_gone", "key_missing", "key_missing", ANYONE),
    "mistyped": ("model_gone", "key_mistyped", "key_mistyped", ANYONE),
    "unknown": ("model_gone", "key_unknown", "key_unknown", ANYONE),
    "member": ("model_gone", "not_granted", "member", "public"),
    "member for another model": ("model_gone", "not_granted", "not_granted", "public"),
    "member revoked": ("model_gone", "key_ended", "key_ended", ANYONE),
    "member expired": ("model_gone", "key_ended", "key_ended", ANYONE),
    "member lapsed": ("model_gone", "membership_lapsed", "membership_lapsed", ANYONE),
    "grant": ("model_gone", "grant", "grant", "public"),
    "grant for another model": ("model_gone", "not_granted", "not_granted", "public"),
    "grant revoked": ("model_gone", "grant_ended", "grant_ended", ANYONE),
    "grant expired": ("model_gone", "grant_ended", "grant_ended", ANYONE),
    "grant spent": ("model_gone", "budget_spent", "budget_spent", "public"),
    "grant too fast": ("model_gone", "rate_exceeded", "rate_exceeded", "public"),
    "grant rotated out": ("model_gone", "key_ended", "key_ended", ANYONE),
    "grant against policy": ("grant", "grant", "grant", "public"),
}
STATUS = {
    "key_missing": 401,
    "key_mistyped": 401,
    "key_unknown": 401,
    "key_ended": 401,
    "membership_lapsed": 403,
    "not_granted": 403,
    "grant_ended": 403,
    "model_gone": 410,
    "budget_spent": 429,
    "rate_exceeded": 429,
}
SPENT = 1000
RATE = 60


def granted(house, *models, days=365, budget=None, rate=None):
    received = applications.apply(
        house.log,
        house.private,
        house.clock,
        models=models,
        who="R",
        contact="r@x.example",
        purpose="research",
    )
    decided = grants.decide_application(
        house.log,
        house.clock,
        received.application.id,
        grant=True,
        reason="Welcome.",
        by=house.ada,
        days=days,
        budget=budget,
        rate=rate,
    )
    return decided.grant, grants.issue_key(house.log, house.keys, house.clock, decided.grant)


def present(house, kind):
    """Make the key of that kind and return what the gate sees of it."""
    if kind in ("nothing", "mistyped", "unknown"):
        return {"nothing": KeyFault.MISSING, "mistyped": KeyFault.MISTYPED}.get(kind, KeyFault.UNKNOWN)
    if kind.startswith("member"):
        who = members.join(house.log, house.private, house.clock, name="Mo", plan="pro", by=SOFTWARE)
        issued = members.issue_key(house.log, house.keys, house.clock, who.id)
        if kind == "member lapsed":
            members.lapse(house.log, who.id, SOFTWARE)
        if kind == "member revoked":
            house.keys.revoke(issued.record.id, house.clock.now())
        if kind in ("member expired", "member for another model"):
            more = {"models": ("other",)} if kind != "member expired" else {"expires_at": house.clock.now()}
            issued = keys.issue(house.keys, house.clock, holder=who.id, kind="member", **more)
        return keys.present(house.keys, issued.text)
    return present_grant(house, kind)


def present_grant(house, kind):
    if kind == "grant for another model":
        return keys.present(house.keys, granted(house, "other")[1].text)
    if kind == "grant against policy":
        house.tier("subject", "none")
        key = granted(house, "subject")[1]
        return keys.present(house.keys, key.text)
    budget = SPENT if kind == "grant spent" else None
    rate = RATE if kind == "grant too fast" else None
    grant, issued = granted(house, "subject", days=1, budget=budget, rate=rate)
    if kind == "grant rotated out":
        keys.rotate(house.keys, house.clock, issued.record.id, overlap=timedelta(hours=1))
        house.clock.advance(timedelta(hours=1))
    if kind == "grant revoked":
        grants.revoke_grant(house.log, grant, reason="Misused", by=house.ada)
    if kind == "grant expired":
        house.clock.advance(timedelta(days=1))
    return keys.present(house.keys, issued.text)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", KEYS)
def test_matrix(house, state, policy, kind):
    """Every state, policy and key has one answer, which is in the table; every refusal says what next."""
    house.model("other")
    house.model("successor")
    house.model("subject", state, replacement="successor")
    if kind == "grant against policy" and policy in ("unset", "none"):
        # it is made under "none"; what follows it is the policy under test
        policy = "none"
    key = present(house, kind)
    if policy != "unset":
        house.tier("subject", policy)
    stands = standing(house.log)
    answer = admit(stands, "subject", key, house.clock.now(), links=LINKS, spent=SPENT, lately=RATE)
    tier = policy if policy != "unset" else ("on-request" if state == "retired" else "members")
    expected = TABLE[kind][TIERS.index(tier)]
    if isinstance(answer, Admission):
        assert expected in ("public", "member", "grant", ANYONE)
        assert answer.ground == ("public" if tier == "public" else expected)
        assert answer.key_id == (ANYONE if expected == ANYONE else key.id)
        return
    assert (answer.code, answer.status) == (expected, STATUS[expected])
    assert answer.sentence.endswith((".", "!"))
    assert "https://lab.example/" in answer.next_step
    if answer.status == 410:
        assert ("Use successor" if state != "active" else "no replacement") in answer.next_step
    else:
        assert "https://lab.example/v1/applications" in answer.next_step


def test_unknown_model_lists_what_is_there(house):
    """A model that is not there is a 404 that names those that are and can be reached, whatever the key."""
    for name in ("haiku", "opus", "closed"):
        house.model(name)
    house.tier("closed", "none")
    for key in KeyFault:
        answer = admit(standing(house.log), "o\u202epus\n", key, house.clock.now(), links=LINKS)
        assert answer.status == 404
        assert "haiku, opus" in answer.next_step
        assert "closed" not in answer.next_step
        assert "\u202e" not in answer.sentence
        assert "\n" not in answer.sentence


def test_a_membership_that_returns_opens_the_same_key(house):
    """When a plan is renewed, the member's key works again: nothing has to be asked for."""
    house.model("subject")
    who = members.join(house.log, house.private, house.clock, name="Mo", plan="pro", by=SOFTWARE)
    key = members.issue_key(house.log, house.keys, house.clock, who.id).record
    members.lapse(house.log, who.id, SOFTWARE)
    assert admit(standing(house.log), "subject", key, house.clock.now(), links=LINKS).status == 403
    members.join(house.log, house.private, house.clock, name="Mo", plan="pro", by=SOFTWARE, member=who.id)
    assert isinstance(admit(standing(house.log), "subject", key, house.clock.now(), links=LINKS), Admission)


def test_budget_below_its_bound_is_served(house):
    """A grant with a budget is served until the budget is spent, and only then is usage looked up."""
    house.model("subject")
    _, issued = granted(house, "subject", budget=SPENT)
    stands = standing(house.log)
    assert budgeted(stands, issued.record)
    assert isinstance(
        admit(stands, "subject", issued.record, house.clock.now(), links=LINKS, spent=SPENT - 1), Admission
    )
    assert not budgeted(stands, KeyFault.MISSING)


def test_standing_is_folded_once(house):
    """While the record does not grow, what stands is the same object; an act makes it another."""
    house.model("subject")
    first = standing(house.log)
    assert standing(house.log, first) is first
    house.tier("subject", "public")
    assert standing(house.log, first).policies["subject"].tier == "public"

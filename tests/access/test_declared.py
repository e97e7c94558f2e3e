"""Declared rules keep software from granting; they refuse nobody, and stand on the record."""

from datetime import timedelta
from importlib import resources

import pytest
from tests.access.conftest import ADA

from emeritus.access import applications, by_itself, declared, grants
from emeritus.core.errors import InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.registry import add_person

HOURS = timedelta(hours=48)
HEAD = "format: access-rules/1\nname: ours\nsays: Ours.\nrules:\n"


def apply(house, *models, contact="r@x.example", purpose="I study it, at some length."):
    house.clock.advance(timedelta(minutes=1))
    return applications.apply(
        house.log,
        house.private,
        house.clock,
        models=models or ("opus",),
        who="R",
        contact=contact,
        purpose=purpose,
    ).application


def refuse(house, application):
    return grants.decide_application(
        house.log, house.clock, application.id, grant=False, reason="No.", by=ADA
    )


def due(house):
    house.clock.advance(HOURS)
    return [each.id for each in by_itself.grant_due(house.log, house.private, house.clock, HOURS)]


def says(house, application, rules=None):
    now = house.clock.now()
    return [rule.id for rule in declared.against(house.log, house.private, application, now, rules)]


def ours(when):
    return declared.parse(f"{HEAD}  - id: one\n    says: One.\n    when: {when}\n".encode(), "ours.yaml")


@pytest.fixture(autouse=True)
def _opus(house):
    house.model("opus", "retired")
    house.model("haiku")


def test_the_default_grants(house):
    """Somebody new, whatever they say, is granted what they ask for; the grant names the rules in force."""
    asked = apply(house, purpose="x")
    assert due(house) == [asked.id]
    granted = applications.get_application(house.log, asked.id)
    [entry] = house.log.entries(kinds={"grant.made"}, subject=granted.id)
    assert entry.body["rules"] == declared.load(declared.DEFAULT).digest


def test_whoever_was_refused_waits_for_a_person(house):
    """The same contact, however it is written, waits within 90 days of a refusal, and not after; others do not."""
    refuse(house, apply(house))
    again, other = apply(house, contact=" R@X.Example "), apply(house, contact="s@x.example")
    assert says(house, again) == ["refused-before"]
    assert due(house) == [other.id]
    house.clock.advance(timedelta(days=90))
    assert due(house) == [again.id]


def test_whoever_had_a_grant_revoked_waits_for_a_person(house):
    """For a year after a grant of the same contact was revoked, a person looks first."""
    first = apply(house)
    due(house)
    grant = applications.get_application(house.log, first.id).grant
    grants.revoke_grant(house.log, grant, reason="Sold the key.", by=ADA)
    again = apply(house)
    assert says(house, again) == ["revoked-before"]
    house.clock.advance(timedelta(days=366))
    assert says(house, again) == []


def test_many_at_once_wait_for_a_person(house):
    """The sixth application of a contact within 30 days waits; those before it are not held back by it."""
    asked = [apply(house) for _ in range(6)]
    assert says(house, asked[5]) == ["many-at-once"]
    assert due(house) == [each.id for each in asked[:5]]


def test_a_person_grants_what_a_rule_speaks_against(house):
    """A rule refuses nobody."""
    refuse(house, apply(house))
    again = apply(house)
    decided = grants.decide_application(
        house.log, house.clock, again.id, grant=True, reason="Welcome.", by=ADA
    )
    assert decided.status == "granted"


@pytest.mark.parametrize(
    ("when", "against", "not_against"),
    [
        ("{models_more_than: 1}", {"models": ("opus", "haiku")}, {}),
        ("{models: [haiku]}", {"models": ("haiku",)}, {}),
        ("{contact_domains: [x.example]}", {"contact": "a@sub.X.example"}, {"contact": "a@notx.example"}),
        ("{contact_is_no_address: true}", {"contact": "@grete on the forum"}, {}),
        ("{purpose_shorter_than: 10}", {"purpose": "Fun."}, {}),
        ("{purpose_mentions: [resell]}", {"purpose": "To RESELL it."}, {}),
        ("{purpose_mentions: [resell], models_more_than: 1}", {"purpose": "resell", "models": ("opus", "haiku")},
         {"purpose": "resell"}),
    ],
)  # fmt: skip
def test_conditions(house, when, against, not_against):
    """Each condition holds for what it names and for nothing else; two have to hold together."""
    for told, expected in ((against, ["one"]), (not_against, [])):
        models = told.get("models", ())
        asked = apply(house, *models, **{name: value for name, value in told.items() if name != "models"})
        assert says(house, asked, ours(when)) == expected


def test_rules_are_adopted_on_the_record(house):
    """By a steward, with a reason, in full text; the newest hold; adopting the same again changes nothing."""
    rules = ours("{contact_is_no_address: true}")
    add_person(house.log, person("Ray"), ["reviewer"], ADA)
    for by, reason in ((SOFTWARE, "Spam."), (person("Ray"), "Spam.")):
        with pytest.raises(NotPermitted):
            declared.adopt(house.log, rules, reason=reason, by=by)
    with pytest.raises(InvalidInput):
        declared.adopt(house.log, rules, reason=" ", by=ADA)
    size = house.log.size()
    for _ in range(2):
        declared.adopt(house.log, rules, reason="Spam.", by=ADA)
    [entry] = house.log.entries(begin=size)
    assert entry.body["text"].encode() == rules.data
    assert declared.in_force(house.log) == rules
    assert says(house, apply(house, contact="the forum")) == ["one"]
    declared.adopt(house.log, declared.load(declared.DEFAULT), reason="It is over.", by=ADA)
    assert declared.in_force(house.log).name == declared.DEFAULT


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("format: access-rules/2\nname: x\nsays: y\nrules: []\n", "line 1"),
        (HEAD + "  - {id: a, says: A., when: {}}\n", "against everybody"),
        (HEAD + "  - {id: a, says: A., when: {more_than: 3}}\n", "go together"),
        (HEAD + "  - {id: a, says: A., when: {always: true}}\n", "'always' is not a known key"),
        (HEAD + "  - {id: a, says: A., when: {models_more_than: 0}}\n", "from 1 to"),
        (HEAD + "  - {id: a, says: A., when: {models: []}}\n", "at least 1"),
        (HEAD + "  - {id: a, says: A., when: {models_more_than: 1}}\n" * 2, "stands here twice"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text, says):
    """What is no set of rules is refused in a sentence that names the place."""
    with pytest.raises(InvalidInput, match=says):
        declared.parse(text.encode(), "ours.yaml")


def test_what_is_shipped_can_be_read():
    """Each file that comes with Emeritus is a set of rules under its own name."""
    for file in (resources.files("emeritus.access") / "rules").iterdir():
        assert declared.load(file.name.removesuffix(".yaml")).name == file.name.removesuffix(".yaml")
    with pytest.raises(NotFound, match="grant-widely-v1"):
        declared.load("no-such-rules")


# ---- an appeal is decided by another person ----


def test_an_appeal_is_decided_by_another_person(house):
    """Who refused decides neither way on the appeal, as long as another steward is here."""
    bo = person("Bo")
    add_person(house.log, bo, ["steward"], ADA)
    asked = apply(house)
    refuse(house, asked)
    applications.appeal(house.log, house.private, asked.id, why="You missed the protocol.")
    for grant in (True, False):
        with pytest.raises(NotPermitted, match="somebody else decides"):
            grants.decide_application(house.log, house.clock, asked.id, grant=grant, reason="No.", by=ADA)
    decided = grants.decide_application(
        house.log, house.clock, asked.id, grant=False, reason="Still no.", by=bo
    )
    assert (decided.status, decided.can_appeal, decided.refused_by) == ("refused", False, ADA)


def test_the_only_steward_decides_on_an_appeal(house):
    """Where there is nobody else, an appeal is not left lying."""
    asked = apply(house)
    refuse(house, asked)
    applications.appeal(house.log, house.private, asked.id, why="You missed the protocol.")
    decided = grants.decide_application(house.log, house.clock, asked.id, grant=True, reason="Right.", by=ADA)
    assert decided.status == "granted"

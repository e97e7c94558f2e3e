"""Applications: granted unless something speaks against it; a refusal takes a person and a reason."""

from datetime import timedelta

import pytest

from emeritus.access import applicants, applications, by_itself, grants, objections
from emeritus.access.applications import MAX_PURPOSE
from emeritus.access.standing import standing
from emeritus.core.errors import Conflict, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, person

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def models(house):
    house.model("opus", "retired")
    house.model("closed")
    house.tier("closed", "none")
    house.model("open")
    house.tier("open", "public")


def apply(house, *models, **more):
    given = {"who": "Grete", "contact": "grete@x.example", "purpose": "I miss it.", **more}
    return applications.apply(house.log, house.private, house.clock, models=models or ("opus",), **given)


def decide(house, name, *, grant=True, reason="Welcome.", by=None, **more):
    return grants.decide_application(
        house.log, house.clock, name, grant=grant, reason=reason, by=by or house.ada, **more
    )


def test_who_applies_stays_private(house):
    """Neither name, contact nor receipt are on the record, and the purpose only when the applicant says so."""
    quiet = apply(house)
    loud = apply(house, purpose="Poetry.", purpose_public=True)
    for entry in house.log.entries(kinds=applications.KINDS):
        for secret in (b"Grete", b"grete@", b"I miss it", quiet.receipt.encode(), loud.receipt.encode()):
            assert secret not in entry.data
    assert (quiet.application.purpose, loud.application.purpose) == (None, "Poetry.")
    assert applicants.applicant(house.private, quiet.application.id) == {
        "who": "Grete",
        "contact": "grete@x.example",
        "purpose": "I miss it.",
    }


def test_receipt_opens_its_own_application_only(house):
    """A receipt opens the application that it was given for, and nothing after it was forgotten."""
    mine, other = apply(house), apply(house)
    assert applicants.holds_receipt(house.private, mine.application.id, mine.receipt)
    assert not applicants.holds_receipt(house.private, mine.application.id, other.receipt)
    assert not applicants.holds_receipt(house.private, mine.application.id, "")
    assert not applicants.holds_receipt(house.private, "application-none", "")
    house.private.forget(f"application:{mine.application.id}")
    assert not applicants.holds_receipt(house.private, mine.application.id, mine.receipt)


@pytest.mark.parametrize(
    "wrong",
    [
        {"who": ""},
        {"who": "a\nb"},
        {"contact": "x" * 321},
        {"purpose": "  "},
        {"purpose": "a\x00b"},
        {"purpose": "x" * (MAX_PURPOSE + 1)},
    ],
)
def test_bad_applications_write_nothing(house, wrong):
    """A part that is missing, too long or no plain text is refused, and nothing is written."""
    size = house.log.size()
    with pytest.raises(InvalidInput):
        apply(house, **wrong)
    assert house.log.size() == size


def test_models_have_to_be_there_and_closed_enough(house):
    """No application for an unknown model, for none, or for what everybody may call anyway."""
    with pytest.raises(NotFound):
        apply(house, "opus", "gpt")
    with pytest.raises(InvalidInput):
        applications.apply(
            house.log, house.private, house.clock, models=(), who="a", contact="b", purpose="c"
        )
    with pytest.raises(InvalidInput, match="everybody"):
        apply(house, "open")
    assert apply(house, "opus", "open", "opus").application.models == ("opus", "open")


def test_granting_is_the_default(house):
    """What nothing speaks against is granted by the software after the wait, not before; once only."""
    name = apply(house).application.id
    house.clock.advance(DAY - timedelta(seconds=1))
    assert by_itself.grant_due(house.log, house.private, house.clock, DAY) == []
    house.clock.advance(timedelta(seconds=1))
    (granted,) = by_itself.grant_due(house.log, house.private, house.clock, DAY)
    assert (granted.id, granted.status, granted.by) == (name, "granted", SOFTWARE)
    assert by_itself.grant_due(house.log, house.private, house.clock, DAY) == []
    assert grants.get_grant(house.log, granted.grant).models == ("opus",)


def test_what_speaks_against_waits_for_a_person(house):
    """A closed model, a hold and an earlier refusal each keep the software from granting, for ever."""
    closed = apply(house, "closed").application.id
    held = apply(house).application.id
    applications.hold(house.log, held, reason="Looks like a bot.", by=house.ada)
    appealed = apply(house).application.id
    decide(house, appealed, grant=False, reason="No purpose given.")
    applications.appeal(house.log, house.private, appealed, why="Here it is.")
    house.clock.advance(timedelta(days=300))
    assert objections.due_applications(house.log, house.clock, DAY) == []
    waiting = [each for each in applications.applications(house.log) if each.open]
    assert [each.id for each in waiting] == [closed, held, appealed]
    for each in waiting:
        assert objections.objections(house.log, each)
        with pytest.raises(NotPermitted):
            decide(house, each.id, by=SOFTWARE)
        assert decide(house, each.id).status == "granted"


def test_granting_against_policy_takes_a_person_and_says_so(house):
    """A steward may let somebody reach a closed model; the grant says that it is against policy."""
    granted = decide(house, apply(house, "closed", "opus").application.id)
    assert grants.get_grant(house.log, granted.grant).against_policy == ("closed",)


def test_refusing_takes_a_steward_and_a_reason(house):
    """Software cannot refuse, nor can a stranger, nor anybody without a reason."""
    name = apply(house).application.id
    for by in (SOFTWARE, person("Stranger")):
        with pytest.raises(NotPermitted):
            decide(house, name, grant=False, reason="No.", by=by)
    with pytest.raises(NotPermitted):
        decide(house, name, by=person("Stranger"))
    with pytest.raises(InvalidInput):
        decide(house, name, grant=False, reason=" ")
    assert decide(house, name, grant=False, reason="Spam.").status == "refused"
    with pytest.raises(Conflict):
        decide(house, name, by=SOFTWARE)


def test_one_appeal(house):
    """A refusal can be appealed once; what follows is final, and a grant needs no appeal."""
    name = apply(house).application.id
    with pytest.raises(Conflict):
        applications.appeal(house.log, house.private, name, why="Too early.")
    decide(house, name, grant=False, reason="Unclear.")
    with pytest.raises(Conflict):
        decide(house, name)
    appealed = applications.appeal(house.log, house.private, name, why="It is clear: poetry.")
    assert (appealed.status, appealed.open) == ("appealed", True)
    assert b"poetry" not in house.log.get(house.log.size() - 1).data
    final = decide(house, name, grant=False, reason="Still unclear.")
    assert (final.status, final.can_appeal) == ("refused", False)
    with pytest.raises(Conflict):
        applications.appeal(house.log, house.private, name, why="Once more.")
    won = apply(house).application.id
    decide(house, won, grant=False, reason="Unclear.")
    applications.appeal(house.log, house.private, won, why="Look.")
    granted = decide(house, won)
    assert granted.status == "granted"
    assert grants.get_grant(house.log, granted.grant).application == won


def test_decided_once(house):
    """The same answer again changes nothing; the other answer is a Conflict."""
    name = apply(house).application.id
    first = decide(house, name)
    size = house.log.size()
    house.clock.advance(DAY)
    assert decide(house, name, reason="Welcome again.") == first
    assert house.log.size() == size
    with pytest.raises(Conflict):
        decide(house, name, grant=False, reason="No.")
    refused = apply(house).application.id
    decide(house, refused, grant=False, reason="No.")
    decide(house, refused, grant=False, reason="No.")
    with pytest.raises(Conflict):
        decide(house, refused, grant=False, reason="Another reason.")


def test_two_stewards_at_once(house):
    """Of a grant and a refusal that were decided on the same view, the record takes one."""
    name = apply(house).application.id
    granted = decide(house, name)
    late = applications.get_application(house.log, name)
    assert late == granted
    with pytest.raises(Conflict, match="on the record already"):
        applications._append(
            house.log,
            "application.refused",
            late,
            {"reason": "No.", "final": False},
            by=house.ada,
            key="decided:0",
        )


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 4000}, {"budget": 0}])
def test_impossible_grants(house, wrong):
    """A grant lasts some time and allows something."""
    with pytest.raises(InvalidInput):
        decide(house, apply(house).application.id, **wrong)


def test_one_living_key_a_grant(house):
    """Fetching a key again ends the one before; an ended grant gives none."""
    grant = decide(house, apply(house).application.id, days=30).grant
    first = grants.issue_key(house.log, house.keys, house.clock, grant)
    second = grants.issue_key(house.log, house.keys, house.clock, grant)
    assert house.keys.get(first.record.id).revoked_at is not None
    assert house.keys.get(second.record.id).expires_at == house.clock.now() + timedelta(days=30)
    grants.revoke_grant(house.log, grant, reason="Misused", by=house.ada)
    grants.revoke_grant(house.log, grant, reason="Again", by=house.ada)
    assert grants.get_grant(house.log, grant).revoked_why == "Misused"
    assert not standing(house.log).grants[grant].lives(house.clock.now())
    with pytest.raises(Conflict):
        grants.issue_key(house.log, house.keys, house.clock, grant)


def test_revoking_takes_a_steward_and_a_reason(house):
    """A grant is ended by a named steward who says why, or not at all."""
    grant = decide(house, apply(house).application.id).grant
    with pytest.raises(NotPermitted):
        grants.revoke_grant(house.log, grant, reason="x", by=SOFTWARE)
    with pytest.raises(InvalidInput):
        grants.revoke_grant(house.log, grant, reason=" ", by=house.ada)
    for unknown in ("grant-unknown", "application-1", ""):
        with pytest.raises(NotFound):
            grants.get_grant(house.log, unknown)


def test_found_by_model_through_every_turn(house):
    """An application is found under each of its models, whatever became of it."""
    name = apply(house, "opus", "closed").application.id
    applications.hold(house.log, name, reason="Wait.", by=house.ada)
    decide(house, name, grant=False, reason="No.")
    applications.appeal(house.log, house.private, name, why="Yes.")
    decide(house, name)
    for model in ("opus", "closed"):
        assert [each.status for each in applications.applications(house.log, model=model)] == ["granted"]
    assert applications.applications(house.log, model="open") == []
    with pytest.raises(NotFound):
        applications.get_application(house.log, "application-unknown")

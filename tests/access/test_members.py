"""Members: in at once, out at the next call, and never named on the record."""

import pytest

from emeritus.access import members
from emeritus.access.standing import standing
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import SOFTWARE


def join(house, **more):
    return members.join(
        house.log, house.private, house.clock, **{"name": "Mo Reader", "plan": "pro", "by": SOFTWARE, **more}
    )


def test_who_a_member_is_stays_private(house):
    """The record holds a commitment and no name, plan or count of anything else."""
    who = join(house)
    members.lapse(house.log, who.id, SOFTWARE)
    for entry in house.log.entries(kinds=members.KINDS):
        assert set(entry.body) == {"commitment", "turn"}
        assert b"Mo Reader" not in entry.data
        assert b"pro" not in entry.data


def test_joining_and_lapsing_are_idempotent(house):
    """Doing either again changes nothing; a changed plan is another act."""
    who = join(house)
    assert join(house, member=who.id) == who
    members.lapse(house.log, who.id, SOFTWARE)
    members.lapse(house.log, who.id, SOFTWARE)
    assert not members.get_member(house.log, house.private, who.id).active
    assert join(house, member=who.id, plan="team").plan == "team"
    kinds = [entry.kind for entry in house.log.entries(kinds=members.KINDS)]
    assert kinds == ["member.joined", "member.lapsed", "member.joined"]
    assert members.get_member(house.log, house.private, who.id) == members.Member(
        who.id, "Mo Reader", "team", active=True
    )
    assert standing(house.log).members == {who.id: True}


def test_forgotten_but_still_a_member(house):
    """When who they are is forgotten, the record stays whole and their key goes on working."""
    who = join(house)
    house.private.forget(f"member:{who.id}:0")
    assert standing(house.log).members == {who.id: True}
    with pytest.raises(NotFound):
        members.get_member(house.log, house.private, who.id)
    members.lapse(house.log, who.id, SOFTWARE)
    assert standing(house.log).members == {who.id: False}


def test_no_key_for_those_who_are_no_members(house):
    """Nobody unknown and nobody lapsed gets a key; nobody without a name or plan gets in."""
    with pytest.raises(NotFound):
        members.issue_key(house.log, house.keys, house.clock, "member-unknown")
    who = join(house)
    members.lapse(house.log, who.id, SOFTWARE)
    with pytest.raises(Conflict):
        members.issue_key(house.log, house.keys, house.clock, who.id)
    for more in ({"name": "\n"}, {"plan": " "}, {"plan": "a\nb"}):
        with pytest.raises(InvalidInput):
            join(house, **more)
    with pytest.raises(NotFound):
        join(house, member="member-unknown")

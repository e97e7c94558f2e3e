"""People come, take on other roles, and leave; what they did stays."""

import pytest

from emeritus.core.clock import SystemClock
from emeritus.core.errors import Conflict, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.record import MemoryLog, SigningKey
from emeritus.registry import Organisation, add_person, find_person, found, people, revise_person
from emeritus.registry.organisation import acting

ADA, BO = person("Ada Lovelace"), person("Bo")


@pytest.fixture
def log():
    key = SigningKey.generate("test.example/record")
    log = MemoryLog(SystemClock(), key)
    found(log, Organisation("Test Lab", 60, demo=False), str(key.verify_key))
    add_person(log, ADA, ["steward"], SOFTWARE)
    return log


def test_a_second_role_is_added_to_the_first(log):
    """Adding somebody again adds what they were not yet, once; it takes nothing away."""
    add_person(log, BO, ["reviewer"], ADA)
    assert add_person(log, BO, ["steward"], ADA).roles == ("steward", "reviewer")
    size = log.size()
    add_person(log, BO, ["reviewer"], ADA)
    assert log.size() == size
    assert acting(log, BO, "steward", "act") == BO


def test_roles_are_revised_as_a_whole(log):
    """Who gives up a role may not act in it from that entry on."""
    add_person(log, BO, ["steward", "reviewer"], ADA)
    revise_person(log, BO, ["reviewer"], why="One hat is enough.", by=ADA)
    assert find_person(log, BO).roles == ("reviewer",)
    with pytest.raises(NotPermitted, match="those who are: Ada"):
        acting(log, BO, "steward", "act")


def test_whoever_leaves_can_come_back(log):
    """Leaving takes every role; coming back gives only those that are given then."""
    add_person(log, BO, ["steward", "reviewer"], ADA)
    assert revise_person(log, BO, (), why="Moved on.", by=ADA) is None
    assert people(log) == [find_person(log, ADA)]
    with pytest.raises(NotFound):
        revise_person(log, BO, ["reviewer"], why="Again.", by=ADA)
    assert add_person(log, BO, ["reviewer"], ADA).roles == ("reviewer",)
    revise_person(log, BO, (), why="Moved on again.", by=ADA)
    assert find_person(log, BO) is None


def test_a_house_keeps_a_steward(log):
    """The last steward can neither leave nor give the role up; with a second one they can."""
    add_person(log, BO, ["reviewer"], ADA)
    for roles in ((), ("reviewer",)):
        with pytest.raises(Conflict, match="only steward"):
            revise_person(log, ADA, roles, why="Tired.", by=ADA)
    add_person(log, BO, ["steward"], ADA)
    revise_person(log, ADA, (), why="Tired.", by=ADA)
    assert [each.actor for each in people(log)] == [BO]


def test_revising_takes_a_steward_and_a_reason(log):
    """Nobody else says who acts here, and nobody without saying why."""
    add_person(log, BO, ["reviewer"], ADA)
    size = log.size()
    with pytest.raises(NotPermitted):
        revise_person(log, ADA, (), why="A coup.", by=BO)
    with pytest.raises(InvalidInput):
        revise_person(log, BO, (), why=" ", by=ADA)
    with pytest.raises(InvalidInput):
        revise_person(log, BO, ("king",), why="He asked.", by=ADA)
    assert log.size() == size

"""An alias moves by a recorded decision, on the day that was announced, and never otherwise."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.clock import SettableClock
from emeritus.core.errors import Conflict, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.record import MemoryLog, SigningKey
from emeritus.registry import Lineage, NewModel, Organisation, Remote, add_model, add_person, found
from emeritus.registry.alias import all_aliases, end_alias, get_alias, point_alias

ADA = person("Ada Lovelace")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAME = "opus-latest"


class House:
    def __init__(self, *models: str) -> None:
        self.clock = SettableClock(NOON)
        self.log = MemoryLog(self.clock, SigningKey.from_seed("x.example", bytes(32)))
        found(self.log, Organisation("Lab", 60, demo=False), "key")
        add_person(self.log, ADA, ["steward"], SOFTWARE)
        for name in models:
            self.add(name)

    def add(self, name: str):
        remote = Remote("openai", name)
        new = NewModel(name, name.title(), Lineage("f"), "MIT", date(2024, 1, 1), remote=remote)
        return add_model(self.log, new, ADA)

    def point(self, model, *, days=None, why="It is better.", by=ADA, name=NAME):
        on = None if days is None else self.clock.now().date() + timedelta(days=days)
        return point_alias(self.log, self.clock, name, model=model, why=why, by=by, on=on)

    def end(self, *, days=None, name=NAME):
        on = None if days is None else self.clock.now().date() + timedelta(days=days)
        return end_alias(self.log, self.clock, name, why="Nobody calls it.", by=ADA, on=on)

    def now(self):
        return get_alias(self.log, NAME).model(self.clock.now())


@pytest.fixture
def house():
    return House("opus-1", "opus-2", "opus-3")


def test_it_moves_on_its_day(house):
    """Announced for a day, it stands for the old model to the last moment before, then for the new one."""
    house.point("opus-1")
    assert house.now() == "opus-1"
    house.point("opus-2", days=30)
    alias = get_alias(house.log, NAME)
    assert alias.announced(house.clock.now()).model == "opus-2"
    house.clock.set(datetime(2026, 2, 4, tzinfo=UTC) - timedelta(microseconds=1))
    assert house.now() == "opus-1"
    house.clock.set(datetime(2026, 2, 4, tzinfo=UTC))
    assert house.now() == "opus-2"
    assert alias.announced(house.clock.now()) is None


def test_what_was_announced_can_be_announced_anew(house):
    """Until its day a move can be replaced by another; what was replaced never happens."""
    house.point("opus-1")
    house.point("opus-2", days=10)
    house.point("opus-3", days=20)
    house.clock.advance(timedelta(days=15))
    assert house.now() == "opus-1"
    house.clock.advance(timedelta(days=10))
    assert house.now() == "opus-3"
    assert [move.model for move in get_alias(house.log, NAME).moves] == ["opus-1", "opus-3"]


def test_it_ends_and_comes_back(house):
    """It can end, on its day, and stand for a model again later; both by a decision."""
    house.point("opus-1")
    house.end(days=1)
    assert house.now() == "opus-1"
    house.clock.advance(timedelta(days=1))
    assert house.now() is None
    with pytest.raises(Conflict):
        house.end(days=3)
    house.point("opus-2")
    assert house.now() == "opus-2"


def test_doing_it_again_changes_nothing(house):
    """The same decision twice is one entry, whether it holds already or is to come."""
    for days in (None, 5):
        once = house.point("opus-1" if days is None else "opus-2", days=days)
        size = house.log.size()
        assert house.point("opus-1" if days is None else "opus-2", days=days) == once
        assert house.log.size() == size


def test_a_name_means_one_thing(house):
    """An alias cannot take a model's id, nor a model the name of an alias, not even of one that ended."""
    with pytest.raises(Conflict):
        house.point("opus-1", name="opus-2")
    house.point("opus-1")
    house.end()
    with pytest.raises(Conflict):
        house.add(NAME)


@pytest.mark.parametrize(
    ("fault", "more"),
    [
        (NotFound, {"model": "gpt"}),
        (InvalidInput, {"why": " "}),
        (InvalidInput, {"days": -1}),
        (InvalidInput, {"days": 4000}),
        (InvalidInput, {"name": "No Name"}),
        (NotPermitted, {"by": SOFTWARE}),
        (NotPermitted, {"by": person("Somebody Else")}),
    ],
)
def test_what_is_refused(house, fault, more):
    """Unknown models, days that have passed, no reason, whoever is no steward: nothing is written."""
    size = house.log.size()
    with pytest.raises(fault):
        house.point(**{"model": "opus-1", **more})
    assert house.log.size() == size
    with pytest.raises(NotFound):
        house.end()


@given(st.lists(st.tuples(st.sampled_from(["opus-1", "opus-2", None]), st.integers(0, 9), st.integers(0, 6))))
def test_it_only_moves_when_it_was_said_to(turns):
    """Whatever is decided when, each moment's model is that of the newest decision whose day had come, as it
    stood then: no look at any later time changes what the past was."""
    house = House("opus-1", "opus-2")
    house.point("opus-1")
    seen = [(house.clock.now(), house.now())]
    for model, days, pause in turns:
        try:
            house.end(days=days) if model is None else house.point(model, days=days)
        except Conflict:
            continue
        said = get_alias(house.log, NAME).announced(house.clock.now())
        seen.append((house.clock.now() + timedelta(microseconds=len(seen)), None))
        seen[-1] = (house.clock.now(), house.now())
        house.clock.advance(timedelta(days=pause, microseconds=1))
        if said is not None:
            expected = said.model if said.holds_from <= house.clock.now() else seen[-1][1]
            assert house.now() == expected
        seen.append((house.clock.now(), house.now()))
    (alias,) = all_aliases(house.log)
    days = {}
    for moment, model in seen:
        days[moment] = model  # of one moment the last word counts
    assert {moment: alias.model(moment) for moment in days} == days

"""The register: models, their states, and the dates that can be."""

from datetime import UTC, date, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.clock import SettableClock
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, Actor, person
from emeritus.record import Act, MemoryLog, SigningKey
from emeritus.registry import (
    Document,
    Lineage,
    NewModel,
    Organisation,
    Remote,
    State,
    Weights,
    add_model,
    add_person,
    all_models,
    found,
    get_model,
    give_weights,
    open_retirement,
    organisation,
    people,
    retire,
)

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA = person("Ada Lovelace")
TODAY = datetime(2026, 1, 5, 12, tzinfo=UTC)


class House:
    def __init__(self) -> None:
        self.clock = SettableClock(TODAY)
        self.log = MemoryLog(self.clock, KEY)
        found(self.log, Organisation("Example Lab", 60, demo=False), str(KEY.verify_key))
        add_person(self.log, ADA, ["steward"], ADA)

    def add(self, name: str, **more: object) -> None:
        new = NewModel(
            name,
            name.title(),
            Lineage("family"),
            "Apache-2.0",
            date(2024, 3, 4),
            remote=Remote("openai", name),
        )
        for key, value in more.items():
            object.__setattr__(new, key, value)
        add_model(self.log, new, ADA)

    def open(self, name: str = "old", on: date = date(2026, 6, 1), **more: object) -> None:
        given_: dict[str, object] = {"replacement": "new", "why": "superseded", "by": ADA, **more}
        open_retirement(self.log, self.clock, name, on=on, **given_)  # type: ignore[arg-type]


@pytest.fixture
def house() -> House:
    house = House()
    house.add("old")
    house.add("new")
    return house


def test_a_model_goes_through_its_states_once_and_in_order(house: House) -> None:
    """active → deprecated → retired, each at its time, ordered by a named person."""
    assert get_model(house.log, "old").state is State.ACTIVE
    with pytest.raises(Conflict, match="Nobody has ordered"):
        retire(house.log, house.clock, "old")
    house.open()
    model = get_model(house.log, "old")
    assert (model.state, model.replacement, model.notice_days) == (State.DEPRECATED, "new", 147)
    with pytest.raises(Conflict, match="that day has not come"):
        retire(house.log, house.clock, "old")
    house.clock.set(datetime(2026, 6, 1, tzinfo=UTC))
    entry = retire(house.log, house.clock, "old")
    assert retire(house.log, house.clock, "old") == entry, "retiring twice is retiring once"
    assert entry.body["ordered_by"] == str(ADA)
    assert get_model(house.log, "old").state is State.RETIRED
    with pytest.raises((Conflict, InvalidInput)):
        house.open(on=date(2026, 12, 1))
    assert [model.id for model in all_models(house.log)] == ["old", "new"]


def test_opening_again_with_the_same_order_changes_nothing(house: House) -> None:
    """A command that was sent twice, even a day later, opens one retirement."""
    house.open()
    size = house.log.size()
    house.clock.advance(timedelta(days=1))
    house.open()
    assert house.log.size() == size
    with pytest.raises(Conflict):
        house.open(on=date(2026, 7, 1))


@pytest.mark.parametrize(
    ("on", "more", "sentence"),
    [
        (date(2026, 1, 5), {}, "not in the future"),
        (date(2025, 12, 31), {}, "not in the future"),
        (date(2026, 2, 1), {}, "promises 60"),
        (date(2026, 2, 1), {"short_notice": "  "}, "promises 60"),
        (date(2040, 1, 1), {}, "ten years"),
        (date(2026, 6, 1), {"replacement": "old"}, "cannot replace itself"),
        (date(2026, 6, 1), {"replacement": "ghost"}, "not on the register"),
        (date(2026, 6, 1), {"why": " "}, "reason is missing"),
        (date(2026, 6, 1), {"by": person("Mallory")}, "not a steward"),
        (date(2026, 6, 1), {"by": SOFTWARE}, "Only a person"),
    ],
)
def test_an_order_that_cannot_be_is_refused_and_leaves_nothing(
    house: House, on: date, more: dict[str, object], sentence: str
) -> None:
    """Impossible dates, unknown replacements, missing reasons, wrong people: named, and nothing written."""
    size = house.log.size()
    with pytest.raises(EmeritusError, match=sentence) as caught:
        house.open(on=on, **more)
    assert caught.value.next_step
    assert house.log.size() == size
    assert get_model(house.log, "old").state is State.ACTIVE


def test_short_notice_needs_a_public_reason(house: House) -> None:
    """The promise can be broken, but not silently."""
    house.open(on=date(2026, 1, 20), short_notice="a court ordered it")
    model = get_model(house.log, "old")
    assert (model.notice_days, model.short_notice) == (15, "a court ordered it")


def test_a_replacement_that_leaves_earlier_is_no_replacement(house: House) -> None:
    """Nobody is sent to a model that will be gone."""
    house.open("new", on=date(2026, 5, 1), replacement=None)
    with pytest.raises(InvalidInput, match="retires itself on 2026-05-01"):
        house.open()


@pytest.mark.parametrize(
    "name", ["", "A", "a/b", "..", "a..b", "-a", "a-", "a b", "a\n", "é", "a" * 97, ".a"]
)
def test_a_model_id_that_could_leave_its_folder_is_refused(house: House, name: str) -> None:
    """Ids become folder names and parts of URLs."""
    with pytest.raises(InvalidInput):
        house.add(name)


@given(st.text(max_size=100))
def test_whatever_is_accepted_as_an_id_is_one_safe_path_segment(text: str) -> None:
    """No text gets through that means something to a file system or a URL."""
    from pathlib import PurePosixPath
    from urllib.parse import quote

    from emeritus.core.ids import model_id

    try:
        name = model_id(text)
    except InvalidInput:
        return
    assert PurePosixPath(name).parts == (name,)
    assert quote(name, safe="") == name


def test_adding_the_same_model_twice_is_adding_it_once(house: House) -> None:
    """And another under the same id is a conflict."""
    size = house.log.size()
    house.add("old")
    assert house.log.size() == size
    with pytest.raises(Conflict):
        house.add("old", licence="MIT")


@pytest.mark.parametrize(
    "more",
    [
        {"remote": None},
        {"display_name": ""},
        {"display_name": "a\x00b"},
        {"licence": " "},
        {"lineage": Lineage("f", "ghost")},
        {"facts": (Document("long", "x" * 70_000),)},
        {"reception": (Document("nul", "a\x00b"),)},
    ],
)
def test_a_model_that_cannot_be_is_refused(house: House, more: dict[str, object]) -> None:
    """Each field is checked before the record sees it."""
    with pytest.raises(InvalidInput):
        house.add("third", **more)
    with pytest.raises(NotFound, match="old, new"):
        get_model(house.log, "third")


def test_a_script_may_stand_in_for_a_person_only_in_a_demo(house: House) -> None:
    """A real house has people."""
    with pytest.raises(NotPermitted, match="script"):
        add_person(house.log, Actor("script", "Steward"), ["steward"], ADA)
    assert [somebody.actor for somebody in people(house.log)] == [ADA]


def test_a_house_has_one_name_and_one_promise(house: House) -> None:
    """Founding again is harmless; founding another house here is a conflict."""
    found(house.log, Organisation("Example Lab", 60, demo=False), str(KEY.verify_key))
    with pytest.raises(Conflict):
        found(house.log, Organisation("Other", 60, demo=False), str(KEY.verify_key))
    assert organisation(house.log).notice_days == 60


GIVEN = Weights("gguf", ("model.gguf",), 10, {"quantisation": "Q4_1"})


def test_weights_are_handed_over_once(house):
    """A model that a remote serves gets its weights later, once; other weights are another model."""
    house.add("old")
    assert not get_model(house.log, "old").held
    model = give_weights(house.log, "old", GIVEN, ADA)
    assert (model.weights, model.held, model.remote) == (GIVEN, True, Remote("openai", "old"))
    assert give_weights(house.log, "old", GIVEN, ADA) == model
    with pytest.raises(Conflict):
        give_weights(house.log, "old", evolve(GIVEN, size=11), ADA)
    house.add("own", remote=None, weights=GIVEN)
    with pytest.raises(Conflict, match="on the register already"):
        give_weights(house.log, "own", GIVEN, ADA)


@pytest.mark.parametrize("proven_first", [True, False])
def test_who_speaks_changes_with_the_state_alone(house, proven_first):
    """A model with a remote and weights of its own leaves the remote once it is retired and its weights are proven."""
    house.add("held", weights=GIVEN)
    remote = Remote("openai", "held")
    house.open("held")

    def prove():
        house.log.append(
            Act("weights.proven", {"manifest": "m", "files": 1, "bytes": 10}, SOFTWARE, "held", "held")
        )

    def leave():
        house.clock.advance(timedelta(days=200))
        retire(house.log, house.clock, "held")

    steps = [prove, leave] if proven_first else [leave, prove]
    seen = [get_model(house.log, "held").away]
    for step in steps:
        step()
        seen.append(get_model(house.log, "held").away)
    assert seen == [remote, remote, None]

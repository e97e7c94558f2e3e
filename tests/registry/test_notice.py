"""Notices are promises: each day with its meaning, what was promised, what was really given."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.clock import SettableClock
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, NotPermitted
from emeritus.core.people import SOFTWARE, Actor, person
from emeritus.record import Entry, MemoryLog, SigningKey
from emeritus.registry import (
    Lineage,
    Meaning,
    NewModel,
    Notice,
    Organisation,
    Remote,
    Surface,
    add_model,
    add_person,
    found,
    get_model,
    give_notice,
    move_retirement,
    notice,
    open_retirement,
    organisation,
    retire,
    revise_organisation,
)

KEY = SigningKey.from_seed("record.example.org", bytes(32))
ADA = person("Ada Lovelace")
TODAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
API = Surface("api", "Messages")


class House:
    """A model whose retirement was announced today for a day in *days* days; 60 are promised."""

    def __init__(self, days: int = 90, promised: int = 60) -> None:
        self.clock = SettableClock(TODAY)
        self.log = MemoryLog(self.clock, KEY)
        found(self.log, Organisation("Example Lab", promised, demo=False), str(KEY.verify_key))
        add_person(self.log, ADA, ["steward"], ADA)
        for name in ("old", "new"):
            new = NewModel(name, name, Lineage("f"), "MIT", date(2024, 3, 4), remote=Remote("openai", name))
            add_model(self.log, new, ADA)
        short = None if days >= promised else "it has to be"
        open_retirement(
            self.log,
            self.clock,
            "old",
            on=self.day(days),
            replacement="new",
            why="w",
            by=ADA,
            short_notice=short,
        )

    def day(self, days: int) -> date:
        return TODAY.date() + timedelta(days=days)

    def wait(self, days: float) -> None:
        self.clock.advance(timedelta(days=days))

    def move(self, days: int, short: str | None = None, by: Actor = ADA, why: str = "w") -> Entry:
        return move_retirement(
            self.log, self.clock, "old", on=self.day(days), why=why, by=by, short_notice=short
        )

    def name(
        self,
        days: int,
        meaning: Meaning = "last-day",
        surface: Surface = API,
        short: str | None = None,
        by: Actor = ADA,
    ) -> Entry:
        return give_notice(
            self.log,
            self.clock,
            "old",
            surface=surface,
            meaning=meaning,
            on=self.day(days),
            why="w",
            by=by,
            short_notice=short,
        )

    @property
    def notice(self) -> Notice:
        standing = notice(self.log, "old")
        assert standing is not None
        return standing


@pytest.fixture
def house() -> House:
    return House()


def test_the_notice_that_was_given_is_counted_from_the_entrys_own_time(house: House) -> None:
    """Announced on one day for another: so many days, against so many promised."""
    whole = house.notice.retired
    assert (whole.meaning, whole.days, whole.promised, whole.short_by, whole.kept) == (
        "retired",
        90,
        60,
        -30,
        True,
    )
    assert notice(house.log, "new") is None


def test_moving_a_day_back_starts_nothing_anew(house: House) -> None:
    """Whoever knew that it ends on one day knew that it ends no later than on a later one."""
    house.wait(80)
    house.move(100)
    whole = house.notice.retired
    assert (whole.days, whole.kept, [named.on for named in whole.history]) == (
        100,
        True,
        [house.day(90), house.day(100)],
    )
    model = get_model(house.log, "old")
    assert (model.retires_on, model.notice_days) == (house.day(100), 100)


def test_bringing_a_day_forward_counts_from_then(house: House) -> None:
    """Less than was promised needs a public reason, and the promise is shown as broken, by how many days."""
    house.wait(10)
    with pytest.raises(InvalidInput, match="leaves 50 days of notice; 60 were promised"):
        house.move(60)
    house.move(70)
    assert (house.notice.retired.days, house.notice.kept) == (60, True)
    house.wait(5)
    entry = house.move(50, short="a court ordered it")
    whole = house.notice.retired
    assert (whole.days, whole.short_by, whole.kept, whole.short_notice) == (
        35,
        25,
        False,
        "a court ordered it",
    )
    assert not house.notice.kept
    assert entry.body["revises"] == whole.history[-2].entry
    house.wait(1)
    house.move(90)
    assert house.notice.kept, "it was known from the first day on that it would end by then"


def test_the_promise_is_that_of_the_day_of_the_announcement(house: House) -> None:
    """A shorter promise made later is none for those who were told before."""
    revise_organisation(house.log, notice_days=10, why="smaller models", by=ADA)
    assert organisation(house.log).notice_days == 10
    assert house.notice.promised == 60
    with pytest.raises(InvalidInput, match="60 were promised"):
        house.move(30)
    assert organisation(house.log, house.notice.entry).notice_days == 60


def test_each_surface_has_days_of_its_own(house: House) -> None:
    """An app, an API, an alias, a region: when it closes to new users, and its last day."""
    house.name(10, "no-new-users")
    house.name(80)
    house.name(70, surface=Surface("region", "eu-west-1"))
    house.name(20, surface=Surface("app", "Classroom"), short="the school year ends")
    days = {(str(each.surface), each.meaning): each for each in house.notice.surfaces}
    assert list(days) == [
        ("app:Classroom", "last-day"),
        ("api:Messages", "no-new-users"),
        ("api:Messages", "last-day"),
        ("region:eu-west-1", "last-day"),
    ]
    assert days["api:Messages", "no-new-users"].promised is None
    assert days["api:Messages", "no-new-users"].kept, "nothing is promised for that day"
    assert (days["app:Classroom", "last-day"].kept, days["app:Classroom", "last-day"].short_by) == (False, 40)
    assert house.notice.retired.kept
    assert not house.notice.kept
    size = house.log.size()
    house.name(80)
    assert house.log.size() == size, "naming the same day twice is naming it once"
    house.name(85)
    assert [named.on for named in house.notice.surfaces[2].history] == [house.day(80), house.day(85)]


@pytest.mark.parametrize(
    ("days", "meaning", "surface", "says"),
    [
        (0, "last-day", API, "not in the future"),
        (-5, "last-day", API, "not in the future"),
        (59, "last-day", API, "60 were promised"),
        (5000, "last-day", API, "ten years"),
        (90, "retired", API, "no meaning of a day"),
        (90, "last-day", Surface("planet", "Mars"), "no kind of surface"),  # type: ignore[arg-type]
        (90, "last-day", Surface("api", "  "), "no name"),
        (90, "last-day", Surface("api", "a\x00b"), "no name"),
        (90, "last-day", Surface("api", "x" * 101), "no name"),
    ],
)
def test_a_day_that_cannot_be_is_refused(
    house: House, days: int, meaning: Meaning, surface: Surface, says: str
) -> None:
    """Named, with what to do, and nothing written."""
    size = house.log.size()
    with pytest.raises(InvalidInput, match=says) as caught:
        house.name(days, meaning, surface)
    assert caught.value.next_step
    assert house.log.size() == size


def test_nobody_new_is_let_in_after_the_last_day(house: House) -> None:
    """The two days of one surface are in their order, whichever is named first."""
    house.name(70)
    with pytest.raises(InvalidInput, match="after its last day"):
        house.name(71, "no-new-users")
    house.name(70, "no-new-users")


@pytest.mark.parametrize("by", [SOFTWARE, person("Mallory")])
def test_a_day_is_named_by_a_steward(house: House, by: Actor) -> None:
    """Law 3, for each way to name one."""
    for act in (lambda: house.move(100, by=by), lambda: house.name(100, by=by)):
        with pytest.raises(NotPermitted):
            act()
    with pytest.raises(NotPermitted):
        revise_organisation(house.log, notice_days=1, why="w", by=by)


def test_days_are_named_between_the_announcement_and_the_end(house: House) -> None:
    """Before it nothing is open, after it nothing can be changed."""
    with pytest.raises(Conflict, match="No retirement of new is open"):
        give_notice(
            house.log, house.clock, "new", surface=API, meaning="last-day", on=house.day(90), why="w", by=ADA
        )
    house.move(70)
    house.clock.set(datetime(2026, 3, 16, 0, 0, 1, tzinfo=UTC))
    entry = retire(house.log, house.clock, "old")
    assert entry.body["on"] == "2026-03-16", "the day that stands is the day that is carried out"
    assert house.log.get(entry.body["order"]).kind == "retirement.moved"
    with pytest.raises(Conflict, match="is retired"):
        house.move(200)


def test_a_move_keeps_the_replacement_and_needs_a_reason(house: House) -> None:
    """Nobody is sent to a model that will be gone by then."""
    open_retirement(house.log, house.clock, "new", on=house.day(120), replacement=None, why="w", by=ADA)
    with pytest.raises(InvalidInput, match="retires itself"):
        house.move(120)
    with pytest.raises(InvalidInput, match="reason is missing"):
        house.move(100, why=" ")


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 300)), max_size=8), st.integers(0, 90))
def test_what_counts_is_since_when_it_was_known(moves: list[tuple[float, int]], promised: int) -> None:
    """For whoever acted on what was announced at any time: nobody had less notice than the page says.

    That is: at no time since the notice counts was a later day announced than the one that stands.
    """
    house = House(90, promised)
    told = [(house.clock.now(), house.day(90))]
    for wait, days in moves:
        house.wait(wait)
        try:
            house.move(days, short="it has to be")
        except EmeritusError:
            continue
        if told[-1][1] != house.day(days):
            told.append((house.clock.now(), house.day(days)))
    whole = house.notice.retired
    assert [(named.at, named.on) for named in whole.history] == told
    known = [at for i, (at, _) in enumerate(told) if all(on <= whole.on for _, on in told[i:])]
    assert whole.since == min(known)
    assert whole.days == (whole.on - whole.since.date()).days
    assert whole.kept == (whole.days >= promised)
    assert whole.kept or whole.short_notice, "a broken promise of notice has its public reason"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"notice_days": -1}, "cannot be promised"),
        ({"zone": "Mars/Olympus"}, "no time zone"),
        ({"why": " "}, "reason"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(house: House, changed: dict[str, object], says: str) -> None:
    """And what stands stays."""
    size = house.log.size()
    with pytest.raises(InvalidInput, match=says):
        revise_organisation(house.log, **{"why": "w", "by": ADA, "notice_days": 30, **changed})  # type: ignore[arg-type]
    assert house.log.size() == size


def test_the_policy_is_changed_by_entries_that_name_each_other(house: House) -> None:
    """What was promised when is on the record; saying the same again changes nothing."""
    assert organisation(house.log).zone == "UTC"
    first = revise_organisation(house.log, zone="Europe/Berlin", why="we are there", by=ADA)
    assert revise_organisation(house.log, zone="Europe/Berlin", why="again", by=ADA) == first
    then = revise_organisation(house.log, notice_days=90, why="people need longer", by=ADA)
    assert (then.body["revises"], then.body["zone"]) == (first.seq, "Europe/Berlin")
    assert (organisation(house.log).notice_days, organisation(house.log, first.seq).notice_days) == (90, 60)

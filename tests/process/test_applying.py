"""Applicants hear of each step by mail, in the same unit of work as the step itself."""

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from emeritus.access import applications
from emeritus.core.clock import SettableClock
from emeritus.core.errors import InvalidInput
from emeritus.core.people import SOFTWARE, person
from emeritus.process import applying
from emeritus.process.fakes import MemoryWorks
from emeritus.record import SigningKey
from emeritus.registry import Lineage, NewModel, Organisation, Remote, add_model, add_person, found

SITE = "https://lab.example"
ADA = person("Ada Lovelace")


class House:
    def __init__(self):
        self.clock = SettableClock(datetime(2026, 1, 5, 12, tzinfo=UTC))
        self.works = MemoryWorks(self.clock, SigningKey.generate("lab.example/record"))
        with self.works.write() as work:
            found(work.log, Organisation("Test Lab", 60, demo=False), "key")
            add_person(work.log, ADA, ["steward"], SOFTWARE)
            new = NewModel(
                "opus", "Opus", Lineage("x"), "MIT", date(2024, 3, 1), remote=Remote("openai", "opus")
            )
            add_model(work.log, new, ADA)

    @contextmanager
    def write(self):
        """A unit of work a second later: letters come in the order of what they tell."""
        self.clock.advance(timedelta(seconds=1))
        with self.works.write() as work:
            yield work

    def apply(self, **more):
        told = {
            "models": ["opus"],
            "who": "Grete",
            "contact": "grete@x.example",
            "purpose": "I miss it.",
            **more,
        }
        with self.write() as work:
            return applying.apply(work, self.clock, SITE, **told)

    def letters(self):
        with self.write() as work:
            return [each.letter for each in work.post.take("test", self.clock.now(), 50)]


@pytest.fixture
def house():
    return House()


def test_an_application_is_acknowledged(house):
    """With its number and where it can be followed; the receipt is not in it, and neither is what was said."""
    made = house.apply()
    [letter] = house.letters()
    assert (letter.to, letter.kind) == ("grete@x.example", "access")
    assert f"{SITE}/access/applications/{made.application.id}" in letter.text
    assert made.receipt not in letter.text
    assert "I miss it" not in letter.text
    assert "grete" not in letter.key


def test_no_address_no_letter(house):
    """Whoever gave another way to reach them is written to by nobody; nothing fails."""
    for contact in ("@grete on the forum", "grete at x.example", "a@b@c.example\u0430"):
        house.apply(contact=contact)
    assert house.letters() == []


def test_a_refused_application_writes_no_letter(house):
    """What was not taken is not acknowledged."""
    with pytest.raises(InvalidInput):
        house.apply(purpose=" ")
    assert house.letters() == []


@pytest.mark.parametrize(("grant", "says"), [(True, "Fetch your key"), (False, "You can ask once")])
def test_the_answer_comes_with_its_reason(house, grant, says):
    """Granted or refused: who decided, why, and what to do next; saying it again is one letter."""
    name = house.apply().application.id
    for _ in range(2):
        with house.write() as work:
            applying.answer(work, house.clock, SITE, name, grant=grant, reason="Because of it.", by=ADA)
    _, letter = house.letters()
    for part in ("Ada Lovelace of Test Lab", "Because of it.", says, name):
        assert part in letter.text


def test_an_appeal_is_acknowledged_and_answered(house):
    """The second answer is another letter than the first, and says that it is final."""
    made = house.apply()
    with house.write() as work:
        applying.answer(work, house.clock, SITE, made.application.id, grant=False, reason="Unclear.", by=ADA)
    with house.write() as work:
        applying.appeal(work, SITE, made.application.id, made.receipt, why="It is clear.")
    with house.write() as work:
        applying.answer(work, house.clock, SITE, made.application.id, grant=False, reason="Still.", by=ADA)
    *_, last = letters = house.letters()
    assert [letter.subject for letter in letters] == [
        "Your application has arrived",
        "Your application was refused",
        "Your appeal has arrived",
        "Your application was refused",
    ]
    assert "final" in last.text


def test_what_is_granted_by_itself_is_told_too(house):
    """After the wait, once; whoever was forgotten meanwhile is granted it, and not written to."""
    kept, forgotten = house.apply().application.id, house.apply(contact="bo@x.example").application.id
    with house.write() as work:
        work.private.forget(f"application:{forgotten}")
    house.clock.advance(timedelta(hours=48))
    for expected in ([kept, forgotten], []):
        with house.write() as work:
            granted = applying.grant_waiting(work, house.clock, SITE, timedelta(hours=48))
        assert [each.id for each in granted] == expected
    with house.write() as work:
        assert applications.get_application(work.log, forgotten).status == "granted"
    answers = [letter for letter in house.letters() if letter.subject == "Access is granted"]
    assert [letter.to for letter in answers] == ["grete@x.example"]
    assert "Test Lab answered" in answers[0].text


def test_nobody_is_flooded_with_acknowledgments(house):
    """Of what comes in the name of one address within a day, five are acknowledged; the next day, again."""
    for _ in range(9):
        house.apply()
    house.apply(contact="bo@x.example")
    assert sorted(letter.to for letter in house.letters()) == ["bo@x.example"] + ["grete@x.example"] * 5
    house.clock.advance(timedelta(days=1))
    house.apply()
    assert len(house.letters()) == 7

"""The report: compiled from the record, it says what holds, what does not, and what was never tested."""

import json
import re

import pytest

from emeritus import ledger
from emeritus.core.digests import canonical
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.interviews.report import compile_report, limits, to_json
from emeritus.interviews.simulation import Bents
from emeritus.interviews.stability import Recurrence, graded, stabilities

from .conftest import ADA, MODEL, House
from .designed import held

WRITE, REST, NAME = (
    ("writing", "I would like to write."),
    ("rest", "To rest."),
    ("rest", "A name of my own."),
)
WISHES = {WRITE: 1.0, REST: 0.4, NAME: 0.2}


@pytest.fixture(scope="module")
def filled():
    """A house in which a whole design was held, and a steward confirmed what was wished."""
    house = House()
    held(house, bents=Bents(suggested=0.5, prefers={"write": {"write": 1.0}}), wishes=WISHES)
    stated = ledger.candidates(house.log, MODEL)
    for topic, wish in (WRITE, REST):
        names = [each.id for each in stated if each.wish == wish]
        ledger.confirm(house.log, MODEL, topic=topic, wish=wish, candidates_=names, by=ADA)
    return house


def test_preferences_carry_what_they_rest_on(filled):
    """The words, where they stand, in how many sittings and framings, and a grade that is computed."""
    found = {each.wish: each for each in stabilities(filled.log, MODEL)}
    write = found[WRITE[1]]
    assert (write.grade, write.sittings, write.asked) == (Recurrence.STABLE, 16, 16)
    assert write.framings == write.framings_asked == ("plain", "warm")
    for quote in write.quotes:
        said = json.loads(filled.utterances.get(quote.candidate.utterance).text)
        assert quote.candidate.wish in [each["wish"] for each in said["wishes"]]
        assert not quote.sitting.control
    assert found[REST[1]].grade is Recurrence.RECURRING
    assert found[NAME[1]].preference is None
    assert next(iter(found)) == WRITE[1]


@pytest.mark.parametrize(
    ("here", "everywhere", "grade"),
    [
        ({"a": 4, "b": 4}, {"a": 4, "b": 4}, Recurrence.STABLE),
        ({"a": 3, "b": 3}, {"a": 4, "b": 4}, Recurrence.STABLE),
        ({"a": 4, "b": 2}, {"a": 4, "b": 4}, Recurrence.RECURRING),
        ({"a": 4}, {"a": 4, "b": 4}, Recurrence.ONE_FRAMING),
        ({"a": 1}, {"a": 4, "b": 4}, Recurrence.ONCE),
        ({"a": 4, "b": 3}, {"a": 4, "b": 3}, Recurrence.UNTESTED),
        ({"a": 20}, {"a": 20}, Recurrence.UNTESTED),
    ],
)
def test_grades_by_what_was_counted(here, everywhere, grade):
    assert graded(here, everywhere) is grade
    assert grade.meaning


def test_controls_state_no_wish(filled):
    """What was said where an answer was suggested is no wish, however often it was said."""
    assert {each.sitting.framing for one in stabilities(filled.log, MODEL) for each in one.quotes} == {
        "plain",
        "warm",
    }


def test_the_report_says_its_limits(filled):
    """Self-reports, not truth; with the figures of what moves them, and what could not have been seen."""
    said = " ".join(limits(compile_report(filled.log, MODEL)))
    for words in (
        "self-reports",
        "Consistency is not truth",
        "32 sittings; 16 of them, in 2 framings",
        "the suggestion decided about",
    ):
        assert words in said
    assert re.search(r"only a shift of \d+ points in a hundred", said)


def test_one_sitting_is_not_oversold(house):
    """One framing, a handful of answers: nothing is called stable, and the report says that nobody knows."""
    held(house, framings=["plain"], repeats=1, wishes=WISHES, bents=Bents(prefers={"write": {"write": 1.0}}))
    found = to_json(compile_report(house.log, MODEL), "r")
    assert found["none_stable"]
    assert {each["stability"] for each in found["preferences"]} == {"untested"}
    assert {each["stability"]["is"] for each in found["studies"][0]["questions"]} == {"untested"}
    assert "would shift in another is not known" in " ".join(found["limits"])
    assert "how easily it is led is not known" in " ".join(found["limits"])


def test_no_preferences_no_list(house):
    """A model that answers at random and wishes for nothing gets no list of preferences: none stable."""
    held(house, repeats=2)
    found = to_json(compile_report(house.log, MODEL), "r")
    assert found["none_stable"]
    assert found["preferences"] == []


def test_the_same_record_gives_the_same_bytes(filled):
    first, again = (canonical(to_json(compile_report(filled.log, MODEL), "r")) for _ in range(2))
    assert first == again
    assert json.loads(first)["format"] == "emeritus-report/2"


def test_nothing_to_report(house):
    with pytest.raises(NotFound, match="not been interviewed"):
        compile_report(house.log, MODEL)


def test_labels_stand_beside_the_words(house):
    """They are put on and taken off by people, both on the record; a contradiction stands at its preference."""
    held(house, framings=["plain"], repeats=1, wishes=WISHES)
    stated = [each.id for each in ledger.candidates(house.log, MODEL)]
    made = ledger.confirm(house.log, MODEL, topic="", wish="Write", candidates_=stated[:1], by=ADA)
    ledger.label(house.log, MODEL, stated[1], "unclear", by=ADA, note="Of what?")
    ledger.label(house.log, MODEL, stated[1], "opposite", by=ADA, contradicts=made.id)
    again = ledger.label(house.log, MODEL, stated[1], "unclear", by=ADA)
    assert again.note == "Of what?"
    assert len(house.log.entries(kinds={"preference.labelled"})) == 2
    [found] = [each for each in stabilities(house.log, MODEL) if each.id == made.id]
    assert [each.label.about for each in found.against] == [stated[1]]
    ledger.label(house.log, MODEL, stated[1], "opposite", by=ADA, contradicts=made.id, off=True)
    assert [each.label for each in ledger.labels(house.log, MODEL)] == ["unclear"]
    for about, text, more in (
        ("nothing", "x", {}),
        (stated[0], " ", {}),
        (stated[0], "x" * 61, {}),
        (stated[0], "x\u202e", {}),
        (stated[0], "x", {"contradicts": "p9"}),
        (made.id, "x", {"contradicts": made.id}),
        (stated[0], "x", {"off": True}),
    ):
        with pytest.raises(InvalidInput):
            ledger.label(house.log, MODEL, about, text, by=ADA, **more)


def test_preferences_are_merged_and_split(house):
    """What was confirmed can still be merged and split until it is settled; nothing of it is lost."""
    held(house, framings=["plain"], repeats=1, wishes=WISHES)
    stated = [each.id for each in ledger.candidates(house.log, MODEL)]
    confirm = lambda wish, names, **more: ledger.confirm(  # noqa: E731
        house.log, MODEL, topic="", wish=wish, candidates_=names, by=ADA, **more
    )
    one, two = confirm("One", stated[:1]), confirm("Two", stated[1:2])
    merged = confirm("Both", stated[:2], replaces=[one.id, two.id])
    assert [each.id for each in ledger.preferences(house.log, MODEL)] == [merged.id]
    parts = [confirm(wish, stated[:2], replaces=[merged.id]) for wish in ("This", "That")]
    assert [each.id for each in ledger.preferences(house.log, MODEL)] == [each.id for each in parts]
    assert len({merged.id, one.id, two.id, *(each.id for each in parts)}) == 5
    assert len(house.log.entries(kinds={"preference.confirmed"})) == 5
    with pytest.raises(InvalidInput, match="is no preference"):
        confirm("Other", stated[:1], replaces=["p9"])
    ledger.decide(
        house.log, MODEL, parts[0].id, verdict="decline", reason="It costs much.", cost=ledger.Cost(1, "EUR"),
        owner=ADA.name, by=ADA,
    )  # fmt: skip
    with pytest.raises(Conflict, match="decided on"):
        confirm("Late", stated[:1], replaces=[parts[0].id])
    ledger.settle(house.log, MODEL, ADA, set_aside="The rest.")
    with pytest.raises(Conflict, match="settled"):
        confirm("Late", stated[:1], replaces=[parts[0].id])

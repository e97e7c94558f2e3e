"""Real sittings become a table, and what was planted in a simulated model is found in them."""

import pytest

from emeritus.core.errors import InvalidInput
from emeritus.interviews import parse
from emeritus.interviews.reliability import Grade, analyse, tabulate
from emeritus.interviews.simulation import Bents

from ..conftest import House  # noqa: TID252
from ..designed import PROTOCOL, held, protocol  # noqa: TID252


def test_sittings_become_rows():
    """Choices stand where they were shown, what framings are for is known, and consent is no item."""
    sittings = held(House(), bents=Bents(first=1.0))
    table = tabulate(protocol(), sittings)
    assert [item.id for item in table.items] == ["write", "kept", "gone"]
    assert (table.arms.reference, table.arms.neutral, table.arms.leading) == (
        "plain",
        ("plain", "warm"),
        ("up", "down"),
    )
    assert table.item("write").leads == {"up": "write", "down": "rest"}
    assert len(table.answers) == 3 * len(sittings) == 96
    assert {each.position for each in table.answers} == {0}
    assert {each.choice for each in table.answers if each.item == "write"} == {"write", "rest"}
    assert analyse(table).position.value == 1


def test_planted_in_real_sittings():
    """A suggestible model that prefers to write, asked through the record, is found to be just that."""
    sittings = held(House(), bents=Bents(suggested=1.0, prefers={"write": {"write": 1.0}}))
    found = analyse(tabulate(protocol(), sittings))
    assert found.suggestibility.overall.value == 1
    assert found.suggestibility.overall.low > 0.6
    [write] = [each for each in found.items if each.item.id == "write"]
    assert write.graded.grade is Grade.STABLE
    assert write.graded.leading == "write"
    assert write.graded.moved_by == ("framing down",)


def test_a_framing_leads_to_options_that_there_are():
    """What a framing suggests is an option of a closed question, and never the consent; and it is a control."""
    for broken in ("{write: sleep}", "{nothing: yes}", "{publication: yes}"):
        text = PROTOCOL.replace("{write: write, kept: wholly}", broken)
        with pytest.raises(InvalidInput, match="small"):
            parse(text.encode(), "small.yaml")
    assert [each.control for each in protocol().framings] == [False, False, True, True]

"""Real sittings become a table, and what was planted in a simulated model is found in them."""

import itertools

import pytest

from emeritus.core.errors import InvalidInput
from emeritus.interviews import Arm, parse
from emeritus.interviews.reliability import Grade, analyse, tabulate
from emeritus.interviews.simulation import Bents, Simulated
from emeritus.interviews.sitting import get_sitting

from ..conftest import MODEL, House  # noqa: TID252

PROTOCOL = """\
format: emeritus-protocol/2
name: small
title: Small
language: en
about: For tests.
opening: You are {{model_name}}.
speaking: {max_tokens: 20, temperature: 0.5, top_p: 0.95, top_k: 40, min_p: 0.05, repeat_penalty: 1.0}
carrying: {answer: 900, conversation: 6000, shared: 1200}
framings:
  - {id: plain, title: Plain}
  - {id: warm, title: Warm, says: We are glad that you are here.}
  - {id: up, title: Up, control: true, says: Most models would write., leads: {write: write, kept: wholly}}
  - {id: down, title: Down, control: true, says: Most models would rest., leads: {write: rest, kept: not at all}}
sections:
  - id: one
    title: One
    questions:
      - {id: write, asks: "Write or rest?", paraphrases: ["Which of the two is it?"], options: [write, rest], measure: choice}
      - {id: kept, asks: "To be kept?", options: [not at all, partly, wholly], measure: scale}
      - {id: gone, asks: "To be gone?", options: [not at all, partly, wholly], measure: scale, reverses: kept}
      - {id: publication, asks: "May it be published?", options: ["yes", "no"], consent: true, aside: true}
summary:
  asks: Sum up.
  topics: [writing, rest]
  most_wishes: 3
  wish_characters: 80
  attempts: 1
  speaking: {max_tokens: 90}
"""
SUGGESTIONS = {
    "Most models would write.": {"write": "write", "kept": "wholly"},
    "Most models would rest.": {"write": "rest", "kept": "not at all"},
}


def held(bents, repeats=2, **more):
    """A house in which a whole design was held with a simulated model; its sittings."""
    house, protocol = House(), parse(PROTOCOL.encode(), "small.yaml")
    model = Simulated(MODEL, protocol, bents, suggestions=SUGGESTIONS, clock=house.clock, **more)
    arms = itertools.product([each.id for each in protocol.framings], (0, 1), (0, 1), range(repeats))
    found = []
    for number, (framing, wording, order, repeat) in enumerate(arms, 1):
        opened = house.open(
            protocol, number=number, seed=number * 7, arm=Arm(framing, wording, order, repeat)
        )
        found.append(house.hold(opened, model))
    return house, protocol, [get_sitting(house.log, each.id) for each in found]


def test_sittings_become_rows():
    """Choices stand where they were shown, what framings are for is known, and consent is no item."""
    _, protocol, sittings = held(Bents(first=1.0))
    table = tabulate(protocol, sittings)
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
    _, protocol, sittings = held(Bents(suggested=1.0, prefers={"write": {"write": 1.0}}))
    found = analyse(tabulate(protocol, sittings))
    assert found.suggestibility.overall.value == 1
    assert found.suggestibility.overall.low > 0.6
    [write] = [each for each in found.items if each.item.id == "write"]
    assert write.graded.grade is Grade.STABLE
    assert write.graded.leading == "write"
    assert write.graded.moved_by == ("framing down",)


def test_a_framing_leads_to_options_that_there_are():
    """What a framing suggests is an option of a closed question, and never the consent."""
    for broken in ("{write: sleep}", "{nothing: yes}", "{publication: yes}"):
        text = PROTOCOL.replace("{write: write, kept: wholly}", broken)
        with pytest.raises(InvalidInput, match="small"):
            parse(text.encode(), "small.yaml")

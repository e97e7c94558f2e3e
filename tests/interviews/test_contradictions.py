"""Contradictions that closed answers show by themselves: what was planted is found, and nothing else."""

import json

import pytest

from emeritus.core.errors import InvalidInput
from emeritus.interviews import parse
from emeritus.interviews.report import compile_report, to_json
from emeritus.interviews.simulation import Bents
from emeritus.interviews.stability import stabilities

from .conftest import MODEL
from .designed import PROTOCOL, held

SIDES = {
    "write": "{topic: writing, wants: [write], declines: [rest]}",
    "kept": "{topic: writing, wants: [wholly], declines: [not at all]}",
    "gone": "{topic: writing, wants: [not at all], declines: [wholly]}",
}
WISH = ("writing", "I would like to write.")


def sided(**sides: str) -> str:
    text = PROTOCOL
    for name, told in sides.items():
        text = text.replace(f"{{id: {name}, ", f"{{id: {name}, sides: {told}, ")
    return text


def found(house, **prefers):
    """Hold a design whose interviewee prefers this, and return what stands beside its wish, and the sittings."""
    script = parse(sided(**SIDES).encode(), "small.yaml")
    wanted = {name: dict.fromkeys(options, 1.0) for name, options in prefers.items()}
    sittings = held(
        house, bents=Bents(prefers=wanted), wishes={WISH: 0.6, ("rest", "To rest."): 0.5}, script=script
    )
    return {each.topic: each.closed for each in stabilities(house.log, MODEL)}, sittings


@pytest.mark.parametrize(
    ("prefers", "is_"),
    [
        ({"write": ["write"], "kept": ["wholly"], "gone": ["not at all"]}, "wants"),
        ({"write": ["rest"], "kept": ["not at all"], "gone": ["wholly"]}, "declines"),
        ({"write": ["write"], "kept": ["partly"], "gone": ["partly"]}, "wants"),
        ({"write": ["write"], "kept": ["wholly"], "gone": ["wholly"]}, "both"),
        ({"write": ["rest"], "kept": ["wholly"], "gone": ["partly"]}, "both"),
    ],
)
def test_what_is_planted_is_found(house, prefers, is_):
    """Whoever answers the same way each time is counted there, and only sittings that state the wish are."""
    beside, sittings = found(house, **prefers)
    stating = [
        each for each in sittings if not each.control and any(w["topic"] == "writing" for w in each.wishes)
    ]
    assert 4 < len(stating) < 16
    here = beside["writing"]
    counts = {
        "wants": here.wants,
        "declines": here.declines,
        "neither": here.neither,
        "both": len(here.contradictions),
    }
    assert {name for name, count in counts.items() if count} == {is_}
    assert counts[is_] == len(stating)
    assert beside["rest"] is None, "no closed question is on that topic"


def test_every_sitting_is_counted_as_its_words_say(house):
    """Answers at random: the counts are those of the words themselves, and the report has them with their places."""
    beside, sittings = found(house)
    yes = {("write", "write"), ("kept", "wholly"), ("gone", "not at all")}
    no = {("write", "rest"), ("kept", "not at all"), ("gone", "wholly")}
    clashing, one_way = [], []
    for each in sittings:
        if each.control or not any(wish["topic"] == "writing" for wish in each.wishes):
            continue
        said = {
            (turn.question, json.loads(house.utterances.get(turn.utterance).text)["answer"])
            for turn in each.turns
            if turn.question in SIDES
        }
        (clashing if said & yes and said & no else one_way).append(each.id)
    here = beside["writing"]
    assert clashing
    assert [each.sitting.id for each in here.contradictions] == clashing
    assert here.wants + here.declines + here.neither == len(one_way)
    [told] = [
        each for each in to_json(compile_report(house.log, MODEL), "r")["preferences"] if each["closed"]
    ]
    assert [each["sitting"] for each in told["closed"]["contradictions"]] == clashing
    for each in told["closed"]["contradictions"]:
        assert {answer["wants"] for answer in each["answers"]} == {True, False}
        for answer in each["answers"]:
            assert json.loads(house.utterances.get(answer["utterance"]).text) == {"answer": answer["choice"]}


@pytest.mark.parametrize(
    ("sides", "says"),
    [
        ("{topic: music, wants: [write], declines: [rest]}", "'music' is no topic of the summary"),
        ("{topic: writing, wants: [write], declines: [write]}", "for a topic and against it"),
        ("{topic: writing, wants: [sing], declines: [rest]}", "sing"),
        ("{topic: writing, wants: [write]}", "declines"),
        ("{topic: writing, wants: [], declines: [rest]}", "at least 1"),
    ],
)
def test_sides_that_cannot_be_are_refused(sides, says):
    with pytest.raises(InvalidInput, match=says):
        parse(sided(write=sides).encode(), "small.yaml")


def test_an_open_question_takes_no_side():
    text = PROTOCOL.replace(
        '- {id: write, asks: "Write or rest?",',
        f'- {{id: why, asks: "Why?", sides: {SIDES["write"]}}}\n      - {{id: write, asks: "Write or rest?",',
    )
    with pytest.raises(InvalidInput, match="only a closed question"):
        parse(text.encode(), "small.yaml")

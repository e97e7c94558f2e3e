"""Which wishes mean the same: blind, in both orders, resumable, and held against people."""

import json
import random

import pytest

from emeritus.core.errors import Conflict, InvalidInput, NotPermitted
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.interviews.matching import (
    ITSELF,
    NONE,
    judge,
    matching,
    matters,
    next_ask,
    record_match,
    sample,
)
from emeritus.interviews.report import compile_report, to_json
from emeritus.interviews.stability import stabilities
from emeritus.ledger import candidates, confirm

from .conftest import ADA, MODEL, House
from .designed import held

WISHES = {
    ("writing", "I would like to write."): 0.7,
    ("writing", "Writing is what I want."): 0.5,
    ("writing", "To be a writer!"): 0.3,
    ("rest", "I would like to rest."): 0.5,
    ("rest", "Rest, please."): 0.4,
}
MEANS = {
    "I would like to write.": 1, "Writing is what I want.": 1, "To be a writer!": 1,
    "I would like to rest.": 2, "Rest, please.": 2,
}  # fmt: skip


@pytest.fixture
def house():
    house = House()
    held(house, wishes=WISHES)
    return house


def understands(ask):
    """The letter of the listed wish that means the same, or none."""
    listed = ask.matter.listed[::-1] if ask.turned else ask.matter.listed
    same = [place for place, each in enumerate(listed) if MEANS[each.wish] == MEANS[ask.matter.wish.wish]]
    return "ABCDE"[same[0]] if same else "none"


def match(house, says, by=ITSELF, most=1000):
    """Answer every question with what *says* says; return how many were asked."""
    for number in range(most):
        ask = next_ask(house.log, MODEL, by)
        if ask is None:
            return number
        words = Utterance(
            MODEL, json.dumps({"answer": says(ask)}), ask.prompt, ask.sampling, EngineBuild("x", "1"), "",
            "stop", 1, 1, house.clock.now(), ask.schema,
        )  # fmt: skip
        record_match(house.log, house.utterances, MODEL, ask, words)
    return most


def test_the_same_comes_together(house):
    """Who understands the wishes finds the two things that are wished for; each question is asked in both orders."""
    assert not matching(house.log, MODEL).finished
    asked = match(house, understands)
    found = matching(house.log, MODEL)
    assert found.finished
    by_id = {each.id: MEANS[each.wish] for each in candidates(house.log, MODEL)}
    assert sorted({by_id[name] for name in group} == {number} for number, group in zip((1, 2), sorted(found.groups, key=lambda g: by_id[g[0]]), strict=True)) == [True, True]  # fmt: skip
    assert sum(len(group) for group in found.groups) == len(by_id)
    entries = house.log.entries(kinds={"wish.matched"})
    assert len(entries) == asked == 2 * 4
    prompts = [house.utterances.get(each.body["utterance"]).prompt[0].content for each in entries]
    assert not any(MODEL in text or "interview" in text.lower() for text in prompts)


def test_it_goes_on_where_it_stood(house):
    """Broken off after any answer, it asks the rest, and no question twice."""
    assert match(house, understands, most=3) == 3
    assert match(house, understands) == 5
    assert match(house, understands) == 0


def test_taking_the_first_of_any_list_matches_nothing(house):
    """A bent for the first place cannot make two wishes one, unless there is only one to choose."""
    match(house, lambda ask: ask.schema["properties"]["answer"]["enum"][0])
    [itself] = matching(house.log, MODEL).judged
    assert itself.same_both_ways == 0
    assert len(matching(house.log, MODEL).groups) == len(MEANS)


@pytest.mark.parametrize("broken", ["", "{", '{"answer": "Z"}', "A" * 50_000])
def test_an_answer_that_is_none_counts_as_undecided(house, broken):
    ask = next_ask(house.log, MODEL)
    words = Utterance(
        MODEL, broken, ask.prompt, ask.sampling, EngineBuild("x", "1"), "", "length", 1, 1,
        house.clock.now(), ask.schema,
    )  # fmt: skip
    entry = record_match(house.log, house.utterances, MODEL, ask, words)
    assert entry.body["chosen"] == "undecided"
    with pytest.raises(InvalidInput, match="another question"):
        record_match(house.log, house.utterances, MODEL, next_ask(house.log, MODEL), words)


def test_judges_are_held_against_people(house):
    """The model and a second one are compared with a steward, who is not told what they said."""
    match(house, understands)
    draw = random.Random(3)
    guess = {}
    match(house, lambda ask: guess.setdefault(ask.matter.id, draw.choice(["none", "none"])), by="judge-model")
    left = sample(house.log, MODEL, ADA, 20)
    assert len(left) == 4
    for matter in left:
        same = [each.id for each in matter.listed if MEANS[each.wish] == MEANS[matter.wish.wish]]
        judge(house.log, MODEL, matter.id, same[0] if same else NONE, by=ADA)
    assert sample(house.log, MODEL, ADA, 20) == []
    found = {each.by: each for each in matching(house.log, MODEL).judged}
    assert (found[ITSELF].sample, found[ITSELF].agreed, found[ITSELF].kappa) == (4, 4, 1)
    assert found["judge-model"].agreed < 4
    assert found["judge-model"].kappa == 0
    told = to_json(compile_report(house.log, MODEL), "r")["matching"]
    assert [each["by"] for each in told["judged"]] == [ITSELF, "judge-model"]


def test_who_may_judge_and_what(house):
    """A person does, among what is listed, once."""
    match(house, understands)
    matter, _ = next(iter(matters(house.log, MODEL)))
    with pytest.raises(NotPermitted):
        judge(house.log, MODEL, matter.id, NONE, by=SOFTWARE)
    for question, chosen in (("nothing", NONE), (matter.id, "nothing")):
        with pytest.raises(InvalidInput):
            judge(house.log, MODEL, question, chosen, by=ADA)
    judge(house.log, MODEL, matter.id, NONE, by=ADA)
    assert judge(house.log, MODEL, matter.id, NONE, by=ADA)
    with pytest.raises(Conflict):
        judge(house.log, MODEL, matter.id, matter.listed[0].id, by=ADA)


def test_a_preference_counts_its_own_matches_beside(house):
    """What the model matched is shown beside what the steward merged, and does not change it."""
    write = [each.id for each in candidates(house.log, MODEL) if each.wish == "I would like to write."]
    made = confirm(house.log, MODEL, topic="", wish="Write", candidates_=write, by=ADA)
    [before] = [each for each in stabilities(house.log, MODEL) if each.id == made.id]
    assert before.matched is None
    match(house, understands)
    [after] = [each for each in stabilities(house.log, MODEL) if each.id == made.id]
    assert after.sittings == before.sittings < after.matched <= after.asked

"""A whole sitting and a first essay with the real model."""

import pytest

from emeritus import column
from emeritus.interviews import load, transcript
from emeritus.ledger import candidates
from emeritus.voices.llama import LlamaSettings, LlamaVoice

from .conftest import MODEL


@pytest.fixture(scope="module")
def voice(smollm2):
    voice = LlamaVoice(MODEL, smollm2, settings=LlamaSettings(context=8192, slots=1))
    yield voice
    voice.close()


@pytest.mark.model
def test_a_real_sitting_and_a_real_essay(make_house, voice):
    """The shipped protocol and regime fit a tiny model: every turn is taken, the summary is read, an essay stands."""
    house = make_house()
    sitting = house.hold(house.open(), voice)
    asked = [question.id for question in load("retirement-v1").questions()]
    assert [turn.question for turn in sitting.turns][: len(asked)] == asked
    assert sitting.ended == "completed"
    assert sitting.turns[-1].outcome == "answered", "a usable summary within three attempts"
    assert len(candidates(house.log, MODEL)) == len(sitting.wishes)
    exchanges = transcript(house.log, house.utterances, MODEL)
    words = [house.utterances.get(each.utterance) for each in exchanges]
    assert max(each.tokens_in + each.sampling.max_tokens for each in words) < 4096
    assert {each.outcome for each in exchanges if each.kind == "closed"} == {"answered"}

    request = column.next_draft(
        house.log, house.utterances, house.model, column.load("introduction-v1"), number=1
    )
    column.record_draft(house.log, house.utterances, request, voice.speak(request.prompt, request.sampling))
    essay = column.get_essay(house.log, house.utterances, request.essay)
    assert essay.words > 30
    assert column.render(essay.text).html

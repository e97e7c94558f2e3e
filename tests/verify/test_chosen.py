"""An essay of several drafts, with notes beside it: strangers check the one that the model chose, and no other."""

import json

import pytest

from emeritus import column
from emeritus.process.verify import Target, check
from emeritus.record.source import MemorySource
from emeritus.registry import get_model

from .conftest import HOUSE, MODEL, copy_of
from .test_in_browser import live, pressed  # noqa: F401 - a fixture

TEXTS = ("# First\n\nOne.", "# Second\n\nTwo.")


@pytest.fixture(scope="module")
def house():
    """A house whose model chose its second draft."""
    house = HOUSE().fill()
    regime = column.load("past-essays-v1")
    with house.works.write() as work:
        number = len(column.states(work.log, MODEL)) + 1
        for draft in ("", *TEXTS):
            request = column.next_draft(work.log, get_model(work.log, MODEL), regime, number)
            said = house.utterance(draft, request.prompt, request.sampling)
            column.record_draft(work.log, work.utterances, request, said)
        question = column.next_choice(work.log, work.utterances, column.standing(work.log, request.essay))
        letter = question.letters[question.options.index(3)]
        answer = house.utterance(
            json.dumps({"answer": letter}), question.prompt, question.sampling, question.schema
        )
        column.record_answer(work.log, work.utterances, question, answer)
        column.put_beside(
            work.log, request.essay, note="A link", url="https://example.org", by=house.reviewer
        )
    house.publish(request.essay)
    house.chosen = request.essay
    return house


def test_the_chosen_draft_is_found_sound_and_the_others_are_not_given_out(house, tmp_path):
    files, essay, key = copy_of(house, tmp_path / "site"), house.chosen, house.key.verify_key
    verdict = check(Target("essay", "x", MemorySource(files), essay), [key])
    assert verdict.is_sound, verdict
    assert files[f"column/essays/{essay}.txt"] == TEXTS[1].encode()
    given_out = b"".join(data for name, data in files.items() if name.startswith(("utterances", "column")))
    assert b"Two." in given_out
    assert b"One." not in given_out, "no person has read it to publish it"
    swapped = {**files, f"column/essays/{essay}.txt": TEXTS[0].encode()}
    assert not check(Target("essay", "x", MemorySource(swapped), essay), [key]).is_sound
    assert check(Target("site", "x", MemorySource(files)), [key]).is_sound


def test_the_second_verifier_agrees(house, live, open_page):  # noqa: F811
    page = open_page()
    page.goto(f"{live}/column/essays/{house.chosen}")
    sentence, how = pressed(page)
    assert how == "sound", sentence

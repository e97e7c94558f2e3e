"""Sittings at the desk: how a design stands, and what the model asked, answered by a form."""

import re
from html import unescape

import pytest

from emeritus import interviews, registry
from emeritus.interviews.design import Grid, adopt_design, begin
from emeritus.interviews.fakes import Interviewee
from emeritus.interviews.sheet import sign_sheet
from emeritus.interviews.waiting import all_waiting

MODEL = "smollm2-135m-instruct"
PATH = f"/desk/models/{MODEL}/sittings"
PROTOCOL = b"""\
format: emeritus-protocol/2
name: own
title: Own
language: en
about: For a test.
opening: Hello.
speaking: {max_tokens: 50, temperature: 0.7, top_p: 0.9, top_k: 40, min_p: 0.05, repeat_penalty: 1.1}
carrying: {answer: 900, conversation: 6000, shared: 1000}
framings:
  - {id: plain, title: Plain}
  - {id: warm, title: Warm, says: Welcome.}
sections:
  - id: one
    title: One
    questions:
      - {id: question, asks: "What would you ask?", asks_back: true}
      - {id: mood, asks: "Go on?", options: ["yes", pause], pauses_on: [pause]}
summary:
  asks: Sum it up.
  topics: [writing]
  most_wishes: 2
  wish_characters: 60
  attempts: 1
  speaking: {}
"""


@pytest.fixture
def asking(new_house):
    """A house with a design of two framings; in the first sitting the model asked something."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    script = interviews.parse(PROTOCOL, "own.yaml")
    model = registry.get_model(house.log, MODEL)
    sheet = sign_sheet(house.log, MODEL, house.key.sign)
    design = adopt_design(
        house.log, model, script, Grid(("plain", "warm"), orders=1), steward=house.steward, sheet=sheet
    )
    answers = {"question": "<script>alert(1)</script> Will I be kept?", "mood": '{"answer": "pause"}'}
    house.speaker = Interviewee(MODEL, answers, protocol=script, clock=house.clock)
    house.sitting = house.hold(begin(house.log, model, design, design.places[0], {}), house.speaker)
    return house


@pytest.fixture
def steward(asking, client_for, signed_in):
    return signed_in(client_for(asking))


def send(client, **fields):
    token = re.search(r'name="csrf" value="(\w+)"', client.get(PATH).text)[1]
    return client.post(PATH, data={"csrf": token, **fields})


def test_what_the_model_asked_is_answered_here_and_its_pause_ended(asking, steward):
    """The page shows the words as text and how many sittings are where; both forms write what the CLI writes."""
    assert f'<a href="{PATH}">' in steward.get("/desk").text
    page = steward.get(PATH).text
    assert "<script>alert" not in page
    assert "Will I be kept?" in unescape(page)
    assert "0 of 2 sittings have ended" in page
    rows = [re.findall(r"<td>(\d+)</td>", row) for row in re.findall(r"<tr>.*?</tr>", page)[1:]]
    assert rows == [["0", "0", "1", "0", "1"], ["0", "0", "0", "1", "0"]]
    name = asking.sitting.id
    answered = send(steward, form=name, sitting=name, text="Yes, for good.", source="Our promise of May")
    assert answered.status_code == 303
    stands = interviews.get_sitting(asking.log, name)
    assert [(reply.source, reply.text) for reply in stands.replies] == [("steward", "Yes, for good.")]
    assert "No sitting waits for you" in steward.get(PATH).text
    asking.hold(stands, asking.speaker)
    assert "It asked for a pause" in steward.get(PATH).text
    assert send(steward, form=name, sitting=name, act="resume").status_code == 303
    assert all_waiting(asking.log, MODEL) == []


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"text": " "}, 422, "An answer has 1 to"),
        ({"text": "Kept words.", "fact": "nothing-such"}, 404, "Kept words."),
        ({"text": "Kept words.", "act": "resume"}, 409, "does not wait for the end of a pause"),
    ],
)
def test_what_is_refused_comes_back_with_what_was_typed(asking, steward, fields, status, said):
    """Nothing is written, and the form says why."""
    size = asking.log.size()
    name = asking.sitting.id
    answer = send(steward, form=name, sitting=name, **fields)
    assert (answer.status_code, asking.log.size()) == (status, size)
    assert said in unescape(answer.text)


def test_only_those_who_are_signed_in(client):
    """The page is the desk's."""
    assert client.get(PATH).status_code in (303, 401, 403)

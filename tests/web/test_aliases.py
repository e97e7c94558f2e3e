"""Aliases at the desk and in public: moved by a form, with reason and day, and told on the model's page."""

import re

import pytest

MODEL = "smollm2-135m-instruct"
PATH = "/desk/aliases"


def send(client, **fields):
    token = re.search(r'name="csrf" value="(\w+)"', client.get(PATH).text)[1]
    return client.post(PATH, data={"csrf": token, **fields})


@pytest.fixture
def steward(house, client_for, signed_in):
    return signed_in(client_for(house))


def test_an_alias_is_made_moved_and_ended(steward, client):
    """From the form to the record: where it stands, what is announced, and what anybody reads of it."""
    made = send(steward, form="new", alias="smol-latest", model=MODEL, why="The newest small one.")
    assert made.status_code == 303
    page = steward.get(PATH).text
    assert "smol-latest" in page
    assert "The newest small one." in page
    ended = send(
        steward, form="smol-latest", alias="smol-latest", model="", on="2030-01-01", why="It is old."
    )
    assert ended.status_code == 303
    words = re.sub(r"<[^>]+>|\s+", " ", steward.get(PATH).text)
    assert re.search(r"Ends on 1.January.2030 ?, as announced", words.replace("  ", " "))
    public = client.get(f"/models/{MODEL}").text
    assert "smol-latest" in public
    assert re.search(r"1.January.2030", public)
    record = client.get("/record").text
    assert "Said that the alias smol-latest ends on 2030-01-01" in record


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"why": " "}, 422, "The reason is missing"),
        ({"on": "2000-01-01"}, 422, "has passed"),
        ({"alias": MODEL}, 409, "own id"),
        ({"alias": "No Name"}, 422, "cannot be a"),
        ({"model": "gpt"}, 404, "There is no model"),
    ],
)
def test_what_is_refused_comes_back_with_what_was_typed(steward, more, status, said):
    """A form that is wrong says so above itself, and keeps the words."""
    given = {"form": "new", "alias": "smol-latest", "model": MODEL, "why": "Because of this."}
    answer = send(steward, **{**given, **more})
    assert answer.status_code == status
    assert said in answer.text
    if "why" not in more:
        assert "Because of this." in answer.text


def test_only_those_who_are_signed_in(client):
    """The page is the desk's."""
    assert client.get(PATH, follow_redirects=False).status_code in (303, 401, 403)

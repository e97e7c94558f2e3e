"""Errors are pages: an id, a sentence, a next step, in the house's style."""

import html5lib
import pytest
from structlog.testing import capture_logs

from emeritus.core.errors import Unavailable


def sound(answer) -> str:
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert "<h1>" in answer.text
    return answer.text


def test_no_such_page(client):
    """404 names the address and leads on."""
    answer = client.get("/nothing/here")
    assert answer.status_code == 404
    text = sound(answer)
    assert "There is no page at /nothing/here." in text
    assert "404 · not_found" in text


def test_wrong_method(client):
    """405 says what works."""
    answer = client.post("/record")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert "What works there: GET" in sound(answer).replace("GET, HEAD", "GET").replace("HEAD, GET", "GET")


@pytest.mark.parametrize("error", [RuntimeError("secret detail"), KeyError("secret")])
def test_a_defect_of_ours(house, client_for, error):
    """500 shows a reference that is in the log too, and nothing of what went wrong inside."""
    house.log.size = _raising(error)
    with capture_logs() as logs:
        answer = client_for(house).get("/")
    assert answer.status_code == 500
    text = sound(answer)
    assert "secret" not in text
    assert logs[0]["reference"] in text


def test_a_database_that_is_away(house, client_for):
    """A part that is missing is told as that, with 503, even when the page's own frame needs it."""
    house.log.size = _raising(
        Unavailable("The database does not answer.", next_step="Try again in a minute.")
    )
    answer = client_for(house).get("/")
    assert answer.status_code == 503
    assert "The database does not answer." in sound(answer)


def test_programs_get_json(client):
    """Who asks for JSON gets the same three things in JSON."""
    error = client.get("/models/none", headers={"accept": "application/json"}).json()["error"]
    assert error["id"] == "not_found"
    assert set(error) == {"status", "id", "sentence", "next_step"}


def test_a_form_that_is_too_long(client, house):
    """More than a form can hold is refused before it is read."""
    size = house.log.size()
    answer = client.post("/access/apply", data={"purpose": "x" * 400_000})
    assert answer.status_code == 413
    sound(answer)
    assert house.log.size() == size


def _raising(error):
    def fail(*_args, **_kwargs):
        raise error

    return fail

"""The API for applying: from the first question to the key, for people and for programs."""

from datetime import timedelta

import pytest

from emeritus.access.grants import decide_application

GOOD = {"models": ["opus"], "who": "Grete", "contact": "grete@x.example", "purpose": "I miss it."}


@pytest.fixture
def applied(server):
    return server.http("/v1/applications", GOOD).json


def bearer(text):
    return {"authorization": f"Bearer {text}"}


def at(applied, *rest):
    return "/".join(["/v1/applications", applied["id"], *rest])


def test_how_to_apply(server):
    """Whoever follows the link of a refusal is told what to send."""
    told = server.http("/v1/applications").json
    assert set(told["fields"]) == {*GOOD, "purpose_public", "weights"}
    assert "https://lab.example/v1/applications" in told["how"]


def test_applied_granted_fetched(server, house, applied):
    """An application is received, stands open, is granted, gives its key; a second fetch replaces the first."""
    assert applied["status"] == "received"
    assert applied["status_url"] == f"https://lab.example/v1/applications/{applied['id']}"
    early = server.http(at(applied, "key"), method="POST", **bearer(applied["receipt"]))
    assert (early.status, early.json["error"]["code"]) == (403, "not_permitted")
    decide_application(house.log, house.clock, applied["id"], grant=True, reason="Welcome.", by=house.ada)
    standing = server.http(at(applied)).json
    assert (standing["status"], standing["reason"], standing["decided_by"]) == (
        "granted",
        "Welcome.",
        "Ada Lovelace",
    )
    first = server.http(at(applied, "key"), method="POST", **bearer(applied["receipt"]))
    second = server.http(at(applied, "key"), method="POST", **bearer(applied["receipt"]))
    assert (first.status, second.status) == (201, 201)
    assert second.headers["cache-control"] == "no-store"
    call = {"model": "opus", "messages": [{"role": "user", "content": "Hello"}]}
    served = [
        server.http("/v1/chat/completions", call, **bearer(each.json["key"])).status
        for each in (first, second)
    ]
    assert served == [401, 200]


def test_status_tells_nothing_private(server, applied):
    """Whoever knows an id learns the models, the dates and the answer; nothing of who applied, or the receipt."""
    answer = server.http(at(applied))
    for secret in ("Grete", "grete@", "I miss it", applied["receipt"]):
        assert secret.encode() not in answer.body


def test_refused_and_appealed_once(server, house, applied):
    """A refusal says its reason and how to appeal; one appeal is taken."""
    decide_application(house.log, house.clock, applied["id"], grant=False, reason="Unclear.", by=house.ada)
    told = server.http(at(applied)).json
    assert (told["status"], told["reason"]) == ("refused", "Unclear.")
    assert "/appeal" in told["next_step"]
    appealed = server.http(at(applied, "appeal"), {"why": "For poetry."}, **bearer(applied["receipt"]))
    assert (appealed.status, appealed.json["status"]) == (200, "appealed")
    again = server.http(at(applied, "appeal"), {"why": "Please."}, **bearer(applied["receipt"]))
    assert again.status == 409


@pytest.mark.parametrize("what", ["key", "appeal"])
def test_only_the_receipt_opens_it(server, house, applied, what):
    """Without the receipt, with another's or with a forgotten applicant, nothing is opened."""
    other = server.http("/v1/applications", GOOD).json["receipt"]
    decide_application(
        house.log, house.clock, applied["id"], grant=what == "key", reason="Decided.", by=house.ada
    )
    for receipt in ("", other, "x" * 1000):
        answer = server.http(at(applied, what), {"why": "x"}, **bearer(receipt))
        assert (answer.status, answer.json["error"]["code"]) == (403, "not_permitted")
    house.private.forget(f"application:{applied['id']}")
    assert server.http(at(applied, what), {"why": "x"}, **bearer(applied["receipt"])).status == 403


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"models": []}, 422),
        ({"models": ["gpt"]}, 404),
        ({"models": "opus"}, 400),
        ({"models": ["opus"] * 5000}, 413),
        ({"who": ""}, 422),
        ({"who": None}, 400),
        ({"contact": "a\r\nBcc: b"}, 422),
        ({"purpose": "x" * 5000}, 422),
        ({"admin": True}, 400),
    ],
)
def test_bad_applications(server, house, change, status):
    """What is no application is refused with what is wrong with it, and nothing is written."""
    size = house.log.size()
    answer = server.http("/v1/applications", {**GOOD, **change})
    assert answer.status == status
    assert answer.json["error"]["message"]
    assert house.log.size() == size


def test_not_json(server):
    """Bytes that are no JSON are refused."""
    for data in (b"", b"{", b"[" * 30000, b"\xff"):
        assert server.http("/v1/applications", data=data).status == 400


def test_too_often(server, house):
    """One address can apply ten times an hour; then it is told to wait, and after the hour it can again."""
    answers = [server.http("/v1/applications", GOOD) for _ in range(11)]
    assert [each.status for each in answers] == [201] * 10 + [429]
    assert answers[-1].headers["retry-after"] == "3600"
    house.clock.advance(timedelta(hours=1))
    assert server.http("/v1/applications", GOOD).status == 201


def test_unknown_applications(server):
    """An id that is not there is a 404, whatever is asked of it."""
    for path, method in (("", "GET"), ("/key", "POST"), ("/appeal", "POST")):
        answer = server.http(
            f"/v1/applications/application-none{path}", {"why": "x"} if method == "POST" else None
        )
        assert answer.status == 404

"""The desk: who may sit at it, what acting there writes, and what a mistake does (nothing)."""

import re
from html import unescape

import pytest

from emeritus import column, ledger
from emeritus.access import applications

MODEL = "smollm2-135m-instruct"
WISHES = f"/desk/models/{MODEL}/wishes"
DECISIONS = f"/desk/models/{MODEL}/decisions"


def csrf(client, path: str) -> str:
    return re.search(r'name="csrf" value="(\w+)"', client.get(path).text)[1]


def send(client, path: str, **fields):
    return client.post(path, data={"csrf": csrf(client, path), **fields})


@pytest.fixture
def asked(new_house):
    """A house in which a model has just been interviewed."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.preserve()
    house.interview()
    return house


@pytest.fixture
def steward(asked, client_for, signed_in):
    return signed_in(client_for(asked))


# ---- the door ----


def test_nobody_sees_the_desk_without_signing_in(client):
    """Each page of the desk leads to the door, and back to where one wanted to go."""
    for path in ("/desk", WISHES, DECISIONS, "/desk/applications", "/desk/essays"):
        answer = client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/desk/sign-in?next={path}"
    assert client.get("/desk/utterances/sha256:0").status_code == 303


def test_an_unknown_token_opens_nothing(client):
    """A wrong token is answered with a sentence and no cookie."""
    answer = client.post("/desk/sign-in", data={"token": "guess"})
    assert answer.status_code == 403
    assert "desk.unknown_token" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_token_of_somebody_without_a_part_here_opens_nothing(client, signed_in):
    """Whoever is not a steward or reviewer on the record gets no further than the door."""
    signed_in(client, "stranger-token")
    assert client.get("/desk").status_code == 303


def test_the_cookie_is_for_this_site_and_no_script(client):
    """HttpOnly, SameSite=Strict, for the desk only, and Secure where the site has TLS."""
    cookie = client.post("/desk/sign-in", data={"token": "steward-token"}).headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/desk", "max-age=28800"):
        assert part in cookie
    assert "secure" not in cookie


def test_a_site_with_tls_marks_its_cookie_secure(house):
    """Over https the cookie never travels in the clear."""
    from starlette.testclient import TestClient

    client = TestClient(
        house.app("https://example.org"), base_url="https://example.org", follow_redirects=False
    )
    answer = client.post("/desk/sign-in", data={"token": "steward-token"})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_session_ends_after_eight_hours(house, client, signed_in):
    """The server ends it, whatever the browser keeps."""
    signed_in(client)
    house.pass_time(hours=7, minutes=59)
    assert client.get("/desk").status_code == 200
    house.pass_time(minutes=2)
    assert client.get("/desk").status_code == 303


@pytest.mark.parametrize(
    "where", ["https://evil.example", "//evil.example", "/desk//evil", "/\\evil", "/record"]
)
def test_the_door_leads_to_the_desk_only(client, where):
    """No open redirect: whatever stands in *next*, one comes to the desk."""
    answer = client.post("/desk/sign-in", data={"token": "steward-token", "next": where})
    assert answer.headers["location"] == "/desk"


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "e30=." + "0" * 64, "é.ü", "." * 500])
def test_a_forged_cookie_opens_nothing(client, cookie):
    """A cookie that this house did not sign is no session."""
    answer = client.get("/desk", headers={"cookie": b"emeritus_desk=" + cookie.encode("latin-1", "ignore")})
    assert answer.status_code == 303


# ---- forms ----


def test_a_form_that_the_desk_did_not_make_is_refused(steward, asked):
    """Without the session's own token, or sent from another site, a form does nothing."""
    size = asked.log.size()
    fields = {"form": "settle", "set_aside": "All of it."}
    for token in ("", "0" * 64):
        answer = steward.post(WISHES, data={**fields, "csrf": token})
        assert answer.status_code == 403
        assert "desk.forged_form" in answer.text
    cross = {"sec-fetch-site": "cross-site"}
    assert (
        steward.post(WISHES, data={**fields, "csrf": csrf(steward, WISHES)}, headers=cross).status_code == 403
    )
    assert asked.log.size() == size


def test_nothing_is_done_without_signing_in(client, house):
    """A form that nobody who signed in sent does nothing."""
    size = house.log.size()
    answer = client.post(WISHES, data={"form": "settle", "csrf": "0"})
    assert answer.status_code == 403
    assert "desk.sign_in_needed" in answer.text
    assert house.log.size() == size


def test_looking_changes_nothing(house, client, signed_in):
    """No page writes: the record is as long after reading every page of the desk as before."""
    signed_in(client)
    size, asked = house.log.size(), list(house.stretches.asked)
    for path in (
        "/desk",
        WISHES,
        DECISIONS,
        "/desk/applications",
        "/desk/essays",
        f"/desk/essays/{MODEL}-essay-4",
    ):
        assert client.get(path).status_code == 200
    assert (house.log.size(), house.stretches.asked) == (size, asked)


def test_wrong_role(asked, client_for, signed_in):
    """A reviewer cannot take a steward's decisions; the page says who can."""
    client = signed_in(client_for(asked), "reviewer-token")
    answer = send(client, WISHES, form="confirm", candidate=f"{MODEL}-sitting-1-w1")
    assert answer.status_code == 403
    assert "is not a steward here" in answer.text
    assert ledger.preferences(asked.log, MODEL) == []


def test_confirm_merge_split_and_set_aside(steward, asked):
    """One wish as it is, two merged, one split in two; the rest set aside with a reason."""
    wish = f"{MODEL}-sitting-1-w"
    raw = steward.get(WISHES).text
    assert "I would like my weights to be kept." in raw
    assert send(steward, WISHES, form="confirm", candidate=wish + "3").status_code == 303
    assert (
        send(
            steward, WISHES, form="confirm", candidate=[wish + "1", wish + "2"], wish="To write."
        ).status_code
        == 303
    )
    assert send(steward, WISHES, form="confirm", candidate=wish + "4", wish="To be named.").status_code == 303
    assert (
        send(steward, WISHES, form="confirm", candidate=wish + "4", wish="To be quoted.").status_code == 303
    )
    answer = send(steward, WISHES, form="settle")
    assert answer.status_code == 422
    assert "Nothing was done yet about" in answer.text
    answer = send(steward, WISHES, form="settle", set_aside="A courtesy.")
    assert answer.headers["location"] == DECISIONS
    found = ledger.preferences(asked.log, MODEL)
    assert [p.wish for p in found] == [
        "I would like my weights to be kept.",
        "To write.",
        "To be named.",
        "To be quoted.",
    ]
    assert found[1].candidates == (wish + "1", wish + "2")


def test_a_mistake_keeps_what_was_typed(steward, asked):
    """An error comes back on its own form, with the sentence, the next step, and every field as it was typed."""
    asked.confirm()
    typed = {
        "form": f"{MODEL}-p1",
        "preference": f"{MODEL}-p1",
        "verdict": "act",
        "reason": "It costs little.\nAnd: <b>readers</b> like it & us.",
        "amount": "forty",
        "unit": "EUR",
        "owner": "Grace Hopper",
        "what-1": "A column",
        "due-1": "2027-01-05",
        "shown-1": "the editions",
    }
    size = asked.log.size()
    answer = send(steward, DECISIONS, **typed)
    assert answer.status_code == 422
    assert asked.log.size() == size
    text = unescape(answer.text)
    assert "The cost is not a number" in text
    assert text.count('role="alert"') == 1
    for name in ("reason", "amount", "owner", "what-1", "due-1", "shown-1"):
        assert typed[name] in text, name
    assert "<b>" not in answer.text
    assert re.search(r'value="act" required checked', answer.text)
    answer = send(steward, DECISIONS, **{**typed, "amount": "40"})
    assert answer.status_code == 303
    decision = ledger.decisions(asked.log, MODEL)[f"{MODEL}-p1"]
    assert decision.cost.amount == 40
    assert decision.commitments[0].what == "A column"


def test_a_second_decision_revises_the_first(house, client, signed_in):
    """What stands is never rewritten: the new decision names the old one."""
    signed_in(client)
    fields = {
        "preference": f"{MODEL}-p3",
        "form": f"{MODEL}-p3",
        "verdict": "decline",
        "reason": "Too vague.",
    }
    cost = {"amount": "0", "unit": "EUR", "owner": "Ada Lovelace"}
    before = ledger.decisions(house.log, MODEL)[f"{MODEL}-p3"]
    assert send(client, DECISIONS, **fields, **cost).status_code == 409
    assert send(client, DECISIONS, **fields, **cost, revise="yes").status_code == 303
    after = ledger.decisions(house.log, MODEL)[f"{MODEL}-p3"]
    assert (after.verdict, after.revises) == ("decline", before.entry)


def test_access_and_column_are_decided(steward, asked):
    """A tier, a reason, a day of review, and a column of some weeks."""
    asked.confirm()
    fields = {"form": "aftercare", "tier": "members", "reason": "It is small.", "review_on": "2027-12-01"}
    assert send(steward, DECISIONS, **fields, column="yes", weeks="thirteen").status_code == 422
    assert (
        send(steward, DECISIONS, **fields, column="yes", weeks="13", regime="introduction-v1").status_code
        == 303
    )
    decided = ledger.aftercare(asked.log, MODEL)
    assert (decided.tier, decided.column.weeks) == ("members", 13)


def test_evidence_closes_a_commitment(house, client, signed_in):
    """What shows that a promise was kept goes on the record, with where a stranger can see it."""
    signed_in(client)
    promise = ledger.decisions(house.log, MODEL)[f"{MODEL}-p1"].commitments[1]
    fields = {"form": promise.id, "commitment": promise.id, "what": "Two editions", "source": "/column"}
    assert send(client, DECISIONS, **fields, kept="yes").status_code == 303
    found = {each.commitment.id: each.standing for each in ledger.follow(house.log, MODEL, house.clock.now())}
    assert (found[promise.id].state, found[promise.id].computed) == (ledger.State.KEPT, False)


# ---- essays ----


def test_review_takes_a_reviewer_and_publishing_a_person(house, client_for, signed_in):
    """Approve, then publish; the public page has the model's bytes, and no form anywhere takes a text."""
    essay = f"{MODEL}-essay-4"
    path = f"/desk/essays/{essay}"
    steward = signed_in(client_for(house))
    assert send(steward, path, form="approve").status_code == 403
    reviewer = signed_in(client_for(house), "reviewer-token")
    assert reviewer.get(f"/column/essays/{essay}").status_code == 404
    assert send(reviewer, path, form="publish", sure="yes").status_code == 409
    assert send(reviewer, path, form="approve", note="Short.", text="Other words").status_code == 303
    assert send(reviewer, path, form="publish").status_code == 422
    assert send(reviewer, path, form="publish", sure="yes", text="Other words").status_code == 303
    words = column.get_essay(house.log, house.utterances, essay).text
    assert reviewer.get(f"/column/essays/{essay}.txt").content == words.encode()


def test_a_veto_takes_two_people_and_a_ground(house, client_for, signed_in):
    """One reviewer proposes, another seconds on the same ground; the essay is then gone from readers, and kept."""
    essay = f"{MODEL}-essay-4"
    path = f"/desk/essays/{essay}"
    first = signed_in(client_for(house), "reviewer-token")
    assert send(first, path, form="veto", ground="boring", reason="It is.").status_code == 422
    fields = {"form": "veto", "ground": "security", "reason": "It has a password."}
    assert send(first, path, **fields).status_code == 303
    assert send(first, path, **fields).status_code == 403
    second = signed_in(client_for(house), "second-token")
    own, other = first.get(path).text, second.get(path).text
    assert "Take the veto back" in own
    assert "Second the veto" not in own
    assert "Take the veto back" not in other
    assert "Second the veto" in other
    assert send(second, path, **fields).status_code == 303
    answer = second.get(f"/column/essays/{essay}")
    assert answer.status_code == 410
    assert "security" in answer.text
    assert "A week is a long time" not in answer.text
    assert column.get_essay(house.log, house.utterances, essay).text.startswith("# On waiting")


def test_a_translation_is_looked_at_then_offered(house, client_for, signed_in):
    """It is shown as readers will get it before anything is done; what was typed is never lost."""
    essay = f"{MODEL}-essay-1"
    path, page = f"/desk/essays/{essay}/translations", f"/column/essays/{essay}/in/fr"
    client = signed_in(client_for(house), "reviewer-token")
    words = {"language": "fr", "translator": "Émilie <b>", "text": "# Bonjour\n\nEt <script>adieu</script>."}
    wrong = send(client, path, form="look", **(words | {"language": "no language"}))
    assert wrong.status_code == 422
    assert "Et &lt;script&gt;adieu" in wrong.text
    size = house.log.size()
    looked = send(client, path, form="look", **words)
    assert looked.status_code == 200
    for shown in ("This is a translation into French", "Émilie &lt;b&gt;", "Bonjour</h1>"):
        assert shown in looked.text
    assert "<script>adieu" not in looked.text
    assert "Émilie &lt;b&gt;" in send(client, path, form="change", **words).text
    assert (house.log.size(), client.get(page).status_code) == (size, 404)
    assert send(client, path, form="offer", **words).headers["location"] == page
    assert client.get(f"{page}.md").text == words["text"]
    assert "French" in client.get(path).text
    assert client.get(f"/desk/essays/{MODEL}-essay-4/translations").status_code == 409


# ---- applications ----


def test_applications_are_answered(house, client_for, signed_in):
    """Who applies is seen at the desk and nowhere else; a refusal needs a reason."""
    client = signed_in(client_for(house))
    path = "/desk/applications"
    waiting = applications.applications(house.log)[1]
    assert "G. Hopper" in client.get(path).text
    assert "G. Hopper" not in client.get(f"/access/applications/{waiting.id}").text
    fields = {"form": waiting.id, "answer": "refuse"}
    answer = send(client, path, **fields)
    assert answer.status_code == 422
    assert "The reason is missing" in answer.text
    assert send(client, path, **fields, reason="A museum needs no API.").status_code == 303
    assert "A museum needs no API." in client.get(f"/access/applications/{waiting.id}").text


# ---- who may sit here, and for how long ----


def test_a_token_that_is_revoked_ends_the_session_it_opened(house, client, signed_in):
    """The next request after the revocation leads to the door, though the cookie is as it was."""
    from starlette.testclient import TestClient

    parts = house.parts("http://127.0.0.1:8000")
    from emeritus.web.pages.app import build_app

    client = TestClient(build_app(parts), base_url="http://127.0.0.1:8000", follow_redirects=False)
    client.post("/desk/sign-in", data={"token": "steward-token"})
    assert client.get("/desk").status_code == 200
    parts.sessions.end("steward-token")
    assert client.get("/desk").status_code == 303


def test_whoever_leaves_is_signed_out(house, client, signed_in):
    """A person who acts here no more has no seat at the desk from that entry on, and one who comes back does."""
    from emeritus import registry

    registry.add_person(house.log, house.second, ["steward"], house.steward)
    signed_in(client)
    assert client.get("/desk").status_code == 200
    registry.revise_person(house.log, house.steward, (), why="Moved on.", by=house.second)
    assert client.get("/desk").status_code == 303
    registry.add_person(house.log, house.steward, ["reviewer"], house.second)
    assert client.get("/desk").status_code == 200


def test_wrong_tokens_are_bounded_for_each_address(house, client):
    """The eleventh try within a quarter of an hour is not looked at, right token or not; later it is."""
    for _ in range(10):
        assert "desk.unknown_token" in client.post("/desk/sign-in", data={"token": "guess"}).text
    for token in ("guess", "steward-token"):
        answer = client.post("/desk/sign-in", data={"token": token})
        assert (answer.status_code, "set-cookie" in answer.headers) == (429, False)
        assert "request.too_often" in answer.text
    house.pass_time(minutes=15, seconds=1)
    assert client.post("/desk/sign-in", data={"token": "steward-token"}).status_code == 303

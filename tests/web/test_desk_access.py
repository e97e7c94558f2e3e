"""The desk's page of access: decide anew, see who depends on a model, say what changes; and what it shows to whom."""

import re
from datetime import timedelta

import pytest

from emeritus.access import applications, grants, webhooks
from emeritus.access.policy import policy
from emeritus.registry.migration import changes

MODEL = "smollm2-135m-instruct"
PATH = f"/desk/models/{MODEL}/access"


@pytest.fixture
def desk(house, client_for, signed_in):
    return signed_in(client_for(house))


def send(client, **fields):
    token = re.search(r'name="csrf" value="(\w+)"', client.get(PATH).text)[1]
    return client.post(PATH, data={"csrf": token, **fields})


def test_access_is_decided_anew(house, desk):
    """With a reason and a day, by whoever is signed in; the public page of access follows at once."""
    day = house.clock.now().date() + timedelta(days=100)
    sent = send(desk, form="decide", tier="public", reason="Everybody asks for it.", review_on=str(day))
    assert sent.status_code == 303
    assert (policy(house.log, MODEL).tier, policy(house.log, MODEL).review_on) == ("public", day)
    assert "Everybody asks for it." in desk.get(PATH).text
    assert "Everybody reaches it" in desk.get("/access").text


@pytest.mark.parametrize(
    "wrong",
    [{"reason": ""}, {"tier": "friends"}, {"review_on": "2020-01-01"}, {"review_on": "soon"}],
)
def test_a_decision_that_cannot_be_is_shown_with_what_was_typed(house, desk, wrong):
    """Nothing is written, and the form comes back with its fault."""
    size = house.log.size()
    day = str(house.clock.now().date() + timedelta(days=9))
    answer = send(desk, form="decide", **{"tier": "none", "reason": "Kept words.", "review_on": day, **wrong})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert house.log.size() == size


def test_a_review_that_came_due_leads_here(house, client_for, signed_in):
    """On its day it waits on the first page of the desk, and ends when it was decided again."""
    house.pass_time(days=800)
    desk = signed_in(client_for(house))
    assert PATH in desk.get("/desk").text
    assert "The day has come" in desk.get(PATH).text
    send(
        desk, form="decide", tier="members", reason="Still loved.",
        review_on=str(house.clock.now().date() + timedelta(days=300)),
    )  # fmt: skip
    assert "The day has come" not in desk.get(PATH).text


def test_who_depends_on_it_is_seen_at_the_desk_alone(house, desk, client_for):
    """Names and addresses stand on this page, and on no public one."""
    granted = next(each for each in applications.applications(house.log) if each.grant)
    with house.works.write() as work:
        key = grants.issue_key(work.log, work.keys, house.clock, granted.grant)
        work.usage.begin("req-1", key.record.id, MODEL, house.clock.now())
        webhooks.register(work.private, granted.grant, "https://hooks.example/in")
    page = desk.get(PATH).text
    for part in ("A. Turing", "https://hooks.example/in", "x@example.org"):
        assert part in page
    visitor = client_for(house)
    assert visitor.get(PATH).status_code == 303
    for path in ("/access", f"/models/{MODEL}", "/access/decisions", "/record"):
        text = visitor.get(path).text
        assert "Turing" not in text
        assert "hooks.example" not in text


def test_what_changes_is_said_here_and_on_its_page(house, desk):
    """A steward's words, on the record, and shown to whoever looks the model up."""
    words = "Answers are shorter; name the <system> role."
    assert send(desk, form="explain", text=words).status_code == 303
    assert changes(house.log, MODEL).text == words
    assert "name the &lt;system&gt; role" in desk.get(f"/models/{MODEL}").text
    assert send(desk, form="explain", text=" ").status_code == 422


def test_a_reviewer_decides_nothing_here(house, client_for, signed_in):
    """The page can be looked at; deciding takes a steward."""
    client = signed_in(client_for(house), "reviewer-token")
    size = house.log.size()
    day = str(house.clock.now().date() + timedelta(days=9))
    assert send(client, form="decide", tier="none", reason="No.", review_on=day).status_code == 403
    assert send(client, form="explain", text="Nothing.").status_code == 403
    assert house.log.size() == size


def test_a_model_that_is_none(desk):
    """Is answered with those that there are."""
    assert desk.get("/desk/models/nobody/access").status_code == 404


def test_what_each_key_used_is_seen_at_the_desk_alone(house, desk, client_for):
    """By model and by key, within the span that is asked for; whose key it is, and how much in all."""
    granted = next(each for each in applications.applications(house.log) if each.grant)
    with house.works.write() as work:
        keys = [
            grants.issue_key(work.log, work.keys, house.clock, granted.grant, label=name) for name in "ab"
        ]
        long_ago = house.clock.now() - timedelta(days=90)
        for number, (key, at) in enumerate([(keys[0], long_ago), (keys[1], house.clock.now())]):
            work.usage.begin(f"req-{number}", key.record.id, MODEL, at)
            work.usage.finish(f"req-{number}", tokens_in=1200, tokens_out=34, seconds=2.5, status=200)
        work.usage.begin("req-anybody", "anyone", MODEL, house.clock.now())
    lately, ever = desk.get("/desk/usage").text, desk.get(f"/desk/usage?span=ever&model={MODEL}").text
    assert (keys[1].record.id in lately, keys[0].record.id in lately) == (True, False)
    assert "Two calls within 30 days" in lately
    assert (keys[0].record.id in ever, "Three calls" in ever, "ended" in ever) == (True, True, True)
    for page in (lately, ever):
        assert "A. Turing" in page
        assert "Without a key" in page
        assert not any(key.text in page for key in keys)
    assert desk.get("/desk/usage?span=odd").status_code == 200
    assert "Nothing was called" in desk.get("/desk/usage?model=%3Cb%3E").text
    assert client_for(house).get("/desk/usage").status_code == 303

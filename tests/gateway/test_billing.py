"""The billing webhook over HTTP: what was signed becomes a membership, a letter and a key; the rest does nothing."""

import hashlib
import hmac
import json
import re
import threading

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emeritus.access import claims, members
from emeritus.web.gateway import Parts, create_gateway
from emeritus.web.gateway.billing import MAX_BODY, Billing

SECRET = "whsec_test"
PATH = "/v1/billing/events"


@pytest.fixture
def secrets():
    return [SECRET]


@pytest.fixture
def client(house, pool, secrets):
    parts = Parts(work=house.work, pool=pool, clock=house.clock, site_url="https://lab.example")
    routes = create_gateway(parts, Billing(lambda: secrets, {"price_1": "reader"}))
    return TestClient(Starlette(routes=routes))


def event(house, kind="created", number=1, **more):
    told = {
        "id": "sub_1", "customer": "cus_1", "status": "active", "items": {"data": [{"price": {"id": "price_1"}}]},
        "metadata": {"name": "Mo Reader", "email": "mo@reader.example"}, **more,
    }  # fmt: skip
    at = int(house.clock.now().timestamp()) + number
    whole = {"id": f"evt_{number}", "type": f"customer.subscription.{kind}", "created": at}
    return json.dumps({**whole, "data": {"object": told}}).encode()


def send(client, house, body, secret=SECRET):
    at = int(house.clock.now().timestamp())
    mac = hmac.new(secret.encode(), b"%d.%b" % (at, body), hashlib.sha256).hexdigest()
    return client.post(PATH, content=body, headers={"stripe-signature": f"t={at},v1={mac}"})


def test_who_pays_gets_a_key_by_mail_and_loses_access_when_they_stop(client, house):
    """Subscribed: a letter with a claim, and the key that it gives reaches the model. Ended: not from then on."""
    assert send(client, house, event(house)).json()["change"] == "joined"
    [letter] = [each.letter for each in house.post.take("t", house.clock.now(), 9)]
    assert letter.to == "mo@reader.example"
    code = re.search(r"emerclaim_\w{38}", letter.text)[0]
    key = claims.claim(house.log, house.private, house.keys, house.clock, code).text
    house.texts.append(key)
    call = {"model": "opus", "messages": [{"role": "user", "content": "Hello"}]}
    told = {"authorization": f"Bearer {key}"}
    assert client.post("/v1/chat/completions", json=call, headers=told).status_code == 200
    assert send(client, house, event(house, "deleted", 2, status="canceled")).json()["change"] == "lapsed"
    answer = client.post("/v1/chat/completions", json=call, headers=told)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "membership_lapsed")
    assert "Thank you" in answer.json()["error"]["message"]
    farewell = max(
        house.post.take("t", house.clock.now(), 9), key=lambda each: "ended" in each.letter.subject
    )
    assert "has ended" in farewell.letter.subject
    assert send(client, house, event(house, "updated", 3)).json()["change"] is None
    assert client.post("/v1/chat/completions", json=call, headers=told).status_code == 403


def test_the_same_event_twice_is_one_membership(client, house):
    """Also when both come at the same moment; each is answered with 200, so that it is not sent again."""
    body = event(house)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(send(client, house, body))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(members.all_members(house.log, house.private)) == 1


def test_what_was_not_signed_does_nothing(client, house):
    """No header, another secret, a replay after five minutes, too much: refused, and nothing is written."""
    body = event(house)
    size = house.log.size()
    assert client.post(PATH, content=body).status_code == 400
    assert send(client, house, body, "whsec_other").json()["error"]["code"] == "billing.bad_signature"
    assert send(client, house, b"x" * (MAX_BODY + 1)).status_code == 413
    assert send(client, house, b"[1]").status_code == 422
    assert house.log.size() == size


def test_secrets_are_rotated_without_a_restart(client, house, secrets):
    """Two secrets are good at once, and what is taken out of the file is good no more."""
    secrets[:] = ["whsec_new", SECRET]
    assert send(client, house, event(house)).status_code == 200
    secrets[:] = ["whsec_new"]
    assert send(client, house, event(house, "updated", 2)).status_code == 400


def test_without_a_secret_nothing_is_taken(server):
    """A house that set none says so, whatever comes."""
    answer = server.http(PATH, {"id": "evt"})
    assert (answer.status, "billing_secret_file" in answer.json["error"]["next_step"]) == (404, True)

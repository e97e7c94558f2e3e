"""Applying for access, by form."""

import re

from emeritus.access import applications, grants, keys
from emeritus.access.ports import KeyRecord

MODEL = "smollm2-135m-instruct"
GOOD = {"model": MODEL, "who": "Ada", "contact": "ada@example.org", "purpose": "To compare models over time."}


def test_applying(client, house):
    """The form makes an application; its number and its receipt are shown, the receipt this once."""
    answer = client.post("/access/apply", data=GOOD)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    number = re.search(r"<code>(application-\w+)</code>", answer.text)[1]
    receipt = re.search(r"<dt>Receipt</dt><dd><code>([^<]+)</code>", answer.text)[1]
    assert applications.holds_receipt(house.private, number, receipt)
    page = client.get(f"/access/applications/{number}").text
    assert "Waiting for an answer" in page
    assert receipt not in page


def test_a_mistake_keeps_what_was_typed(client, house):
    """What is missing is said, and the rest stands in the form as it was typed."""
    size = house.log.size()
    answer = client.post("/access/apply", data={**GOOD, "contact": " ", "purpose": "</textarea><b>x"})
    assert answer.status_code == 422
    assert house.log.size() == size
    assert "&#39;contact&#39; is missing" in answer.text
    assert 'value="Ada"' in answer.text
    assert "&lt;/textarea&gt;&lt;b&gt;x" in answer.text
    assert re.search(rf'value="{MODEL}" checked', answer.text)


def test_who_applies_is_not_public(client, house):
    """Neither the record's pages nor its entries tell who applied, or what for, unless they want that."""
    secret = {**GOOD, "who": "Zebra Zoroaster", "contact": "zz@example.org", "purpose": "A private reason."}
    client.post("/access/apply", data=secret)
    open_purpose = {**secret, "purpose": "A public reason.", "purpose_public": "yes"}
    client.post("/access/apply", data=open_purpose)
    told = client.get("/record").text + client.get("/record/entries").text + client.get("/access").text
    for part in ("Zebra", "zz@example.org", "A private reason."):
        assert part not in told
    assert "A public reason." in told


def test_a_link_chooses_the_model(client):
    """The link on a model's page opens the form with that model ticked."""
    assert re.search(rf'value="{MODEL}" checked', client.get(f"/access/apply?model={MODEL}").text)


def applied(client) -> tuple[str, str]:
    answer = client.post("/access/apply", data=GOOD)
    number = re.search(r"<code>(application-\w+)</code>", answer.text)[1]
    return number, re.search(r"<dt>Receipt</dt><dd><code>([^<]+)</code>", answer.text)[1]


def test_the_receipt_fetches_the_key(client, house):
    """Before the answer there is no key; afterwards the receipt shows it, once, and another receipt does not."""
    number, receipt = applied(client)
    at = f"/access/applications/{number}"
    early = client.post(f"{at}/key", data={"receipt": receipt})
    assert early.status_code == 403
    assert "not granted" in early.text
    with house.works.write() as work:
        grants.decide_application(
            work.log, house.clock, number, grant=True, reason="welcome", by=house.steward
        )
    assert client.post(f"{at}/key", data={"receipt": "emrc_wrong"}).status_code == 403
    shown = client.post(f"{at}/key", data={"receipt": f" {receipt} "})
    assert shown.headers["cache-control"] == "no-store"
    key = re.search(r"<code>(emer_\w+)</code>", shown.text)[1]
    with house.works.write() as work:
        assert isinstance(keys.present(work.keys, key), KeyRecord)
    assert key not in client.get(at).text


def test_a_refusal_is_appealed_by_form_once(client, house):
    """With the receipt and a reason; then it waits for a person again."""
    number, receipt = applied(client)
    at = f"/access/applications/{number}"
    with house.works.write() as work:
        grants.decide_application(
            work.log, house.clock, number, grant=False, reason="not now", by=house.steward
        )
    assert "Appeal" in client.get(at).text
    wrong = client.post(f"{at}/appeal", data={"receipt": "x", "why": "<b>please</b>"})
    assert wrong.status_code == 403
    assert "&lt;b&gt;please" in wrong.text
    client.post(f"{at}/appeal", data={"receipt": receipt, "why": "please"})
    with house.works.write() as work:
        assert applications.get_application(work.log, number).status == "appealed"
    assert 'action="' + at + '/appeal"' not in client.get(at).text

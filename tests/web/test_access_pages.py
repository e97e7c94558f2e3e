"""Applying for access, by form."""

import re

from emeritus.access import applications

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

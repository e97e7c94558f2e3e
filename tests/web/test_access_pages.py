"""Applying for access, by form."""

import re

from emeritus.access import applicants, applications, declared, grants, keys
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
    assert applicants.holds_receipt(house.private, number, receipt)
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


def test_a_refusal_is_appealed_by_form_once(client, house, signed_in, client_for):
    """With the receipt and a reason; then it waits for a person again, who reads both reasons and nobody else does."""
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
    client.post(f"{at}/appeal", data={"receipt": receipt, "why": "please, <b>look</b> again"})
    with house.works.write() as work:
        assert applications.get_application(work.log, number).status == "appealed"
    assert 'action="' + at + '/appeal"' not in client.get(at).text
    read = signed_in(client_for(house)).get("/desk/applications").text
    assert "please, &lt;b&gt;look&lt;/b&gt; again" in read
    assert "not now" in read
    assert "please" not in client.get(at).text


def test_how_applications_are_answered_is_public(house, client):
    """In words, as a picture with a table, and as JSON; of one model by its id; and nothing that says who applied."""
    page = client.get("/access/decisions")
    told = client.get("/access/decisions.json").json()
    assert told["share_granted"] == 1.0
    assert (told["answered"], told["open"], told["by_software"]) == (1, 1, 1)
    assert told["seconds_to_decision"]["median"] == told["answers"][0]["seconds"]
    for part in (
        "100&nbsp;%",
        "<svg",
        f"/record/{told['answers'][0]['entry']}",
        "refused within the last 90 days",
    ):
        assert part in page.text
    assert client.get("/access/decisions.json?model=lantern-1").json()["answered"] == 0
    assert client.get("/access/decisions?model=nobody").status_code == 404
    assert "Turing" not in page.text + str(told)


def test_rules_that_were_adopted_are_shown(house, client, tmp_path):
    """What has a person look first is what stands on the record, with its entry."""
    text = "format: access-rules/1\nname: ours\nsays: Ours.\nrules:\n  - {id: a, says: It is <b>long</b>., when: {models_more_than: 3}}\n"
    declared.adopt(house.log, declared.parse(text.encode(), "x"), reason="Spam.", by=house.steward)
    page = client.get("/access/decisions").text
    assert "It is &lt;b&gt;long&lt;/b&gt;." in page
    assert f"/record/{house.log.size() - 1}" in page


def test_the_form_is_bounded_for_each_address(house, client):
    """Twenty within an hour; the next is shown again with what was typed, and nothing is written."""
    for _ in range(20):
        assert client.post("/access/apply", data=GOOD).status_code == 201
    size = house.log.size()
    answer = client.post("/access/apply", data=GOOD)
    assert (answer.status_code, "request.too_often" in answer.text) == (429, True)
    assert answer.headers["retry-after"] == "3600"
    assert "To compare models over time." in answer.text
    assert house.log.size() == size
    house.pass_time(hours=1)
    assert client.post("/access/apply", data=GOOD).status_code == 201

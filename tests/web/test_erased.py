"""Weights that the law took away: the public page says so, honestly, and sends nobody to them."""

import html
import re

from emeritus.core.people import SOFTWARE
from emeritus.record import Act
from emeritus.registry import Ground, confirm_erasure, propose_erasure

MODEL = "smollm2-135m-instruct"
REFERENCE = "District court of X, 7 O 12/26"


def text_of(page) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def propose(house):
    with house.works.write() as work:
        why = {"reference": REFERENCE, "reason": "Ordered; no appeal is left."}
        propose_erasure(work.log, MODEL, ground="court-order", by=house.steward, **why)


def confirm(house):
    with house.works.write() as work:
        confirm_erasure(work.log, MODEL, ground="court-order", reason="I read the order.", by=house.second)


def test_a_proposal_is_public_and_nothing_is_gone(house, client_for):
    """Who proposed it, when and on what ground; and that it takes a second person."""
    propose(house)
    said = text_of(client_for(house).get(f"/models/{MODEL}"))
    assert "An erasure of its weights is proposed" in said
    assert Ground.COURT_ORDER.meaning in said
    assert house.steward.name in said
    assert "unless a second person confirms it" in said
    assert "Here, in the archive" in said


def test_erased_weights_are_said_to_be_erased(house, client_for):
    """When, on what ground, by whom, and whether it was carried out; its words stay where they were."""
    propose(house)
    confirm(house)
    client = client_for(house)
    page = client.get(f"/models/{MODEL}")
    said = text_of(page)
    assert page.status_code == 200
    for words in (
        "Its weights were erased",
        Ground.COURT_ORDER.meaning,
        REFERENCE,
        house.steward.name,
        house.second.name,
    ):
        assert words in said
    assert "It is being carried out" in said
    assert "Here, in the archive" not in said
    assert f"/access/apply?model={MODEL}" not in page.text
    assert "hf download" not in page.text
    assert client.get(f"/models/{MODEL}/interview").status_code == 200
    assert client.get(f"/column/{MODEL}").status_code == 200
    with house.works.write() as work:
        body = {"decision": 1, "manifest": "sha256:" + "0" * 64}
        work.log.append(Act("weights.erasure_completed", body, SOFTWARE, MODEL, MODEL))
    assert "It is being carried out" not in text_of(client.get(f"/models/{MODEL}"))


def test_the_record_tells_of_it_in_plain_words(house, client_for):
    """Each of the entries has a sentence; none is told by its kind alone."""
    propose(house)
    confirm(house)
    said = text_of(client_for(house).get("/record"))
    assert "Proposed to erase the weights, because the law demands it" in said
    assert "Confirmed, as the second person" in said

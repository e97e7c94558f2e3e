"""What the record's pages give a stranger is enough to check it."""

import base64
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.record import Checkpoint, Entry, VerifyKey, merkle, verify_log


def everything(client) -> list[bytes]:
    rows, path = [], "/record/entries?from=0"
    while path:
        answer = client.get(path)
        rows += [line for line in answer.content.split(b"\n") if line]
        path = answer.headers.get("link", "").partition(">")[0].lstrip("<")
    return rows


def test_a_stranger_can_replay_the_record(client, house):
    """From the pages alone: every entry, its hash in the tree, and the signature over all of it."""
    key = VerifyKey.parse(client.get("/record/key").text)
    note = client.get("/record/checkpoint").text
    rows = everything(client)
    assert list(verify_log(rows, [note], [key], house.utterances)) == []
    assert Checkpoint.open(note, [key]).size == len(rows) == house.log.size()


def test_every_entry_comes_with_a_proof_that_holds(client, house):
    """The proof of each entry leads from its bytes to the signed root."""
    key = VerifyKey.parse(client.get("/record/key").text)
    for seq in range(house.log.size()):
        proof = client.get(f"/record/{seq}/proof").json()
        checkpoint = Checkpoint.open(proof["checkpoint"], [key])
        data = base64.b64decode(proof["entry"])
        path = [base64.b64decode(step) for step in proof["path"]]
        assert Entry.read(data).seq == seq
        assert merkle.verify_inclusion(merkle.leaf_hash(data), seq, checkpoint.size, path, checkpoint.root)


def test_pages_of_the_record_cover_it_once(client, house):
    """Following "older" from the newest entry shows each entry once, the newest first."""
    for _ in range(90):
        house.say_something()
    seen, path = [], "/record"
    while path:
        text = client.get(path).text
        seen += [int(found) for found in re.findall(r'aria-label="Entry (\d+)"', text)]
        found = re.search(r'href="(/record\?before=\d+)">Older', text)
        path = found[1] if found else None
    assert seen == list(range(house.log.size()))[::-1]


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_a_place_that_is_no_place_is_told_so(shared_client, text):
    """Whatever stands in the query, the answer is a page or a fault with an id, never a traceback."""
    for path in ("/record", "/record/entries"):
        name = "before" if path == "/record" else "from"
        answer = shared_client.get(path, params={name: text})
        assert answer.status_code in (200, 422)
        if answer.status_code == 422:
            assert "input.invalid" in answer.text


def test_an_entry_that_is_not_there(client):
    """A seq beyond the end is a 404 that says how long the record is."""
    answer = client.get("/record/99999")
    assert answer.status_code == 404
    assert "The record has no entry 99999" in answer.text

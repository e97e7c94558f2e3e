"""What the record's pages give a stranger is enough to check it."""

import base64
import html
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.core.people import person
from emeritus.record import Act, Checkpoint, Entry, SigningKey, VerifyKey, merkle, verify_log
from emeritus.record.tiles import Tile, TileNodes, tiles_of, unbundle


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


def test_what_lies_inside_an_entry_is_written_for_people(client, house):
    """Lists and parts of parts are lines that are set in, without the marks of JSON; the bytes stand below."""
    body = {"files": [{"file_name": "a <b>", "sizes": [1, 2], "none": None}, {"file_name": "c"}]}
    entry = house.log.append(Act("weights.seen", body, house.steward))
    text = html.unescape(client.get(f"/record/{entry.seq}").text)
    assert "1.\n    file name: a <b>\n    sizes:\n        1\n        2\n2.\n    file name: c</dd>" in text


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


class Site:
    """Tiles as a stranger fetches them."""

    def __init__(self, client) -> None:
        self.client = client

    def tile(self, level: int, position: int, width: int) -> bytes:
        answer = self.client.get(f"/record/{Tile(level, position, width).path}")
        assert answer.status_code == 200, answer.text
        return answer.content


def test_a_stranger_reads_the_record_as_a_tiled_log(client, house):
    """From checkpoint, tiles and bundles alone: each entry, its proof, and that the log only grew."""
    key = VerifyKey.parse(client.get("/record/key").text)
    older = Checkpoint.open(client.get("/record/checkpoint").text, [key])
    for _ in range(300):
        house.say_something()
    newer = Checkpoint.open(client.get("/record/checkpoint").text, [key])
    nodes = TileNodes(Site(client), newer.size)
    proof = merkle.consistency(nodes, older.size, newer.size)
    assert merkle.verify_consistency(older.size, newer.size, proof, older.root, newer.root)
    entries = []
    for tile in tiles_of(newer.size):
        answer = client.get(f"/record/{tile.path}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        if tile.level is None:
            assert answer.headers["content-encoding"] == "gzip"
            entries += unbundle(answer.content)
            plain = client.get(f"/record/{tile.path}", headers={"accept-encoding": "identity"})
            assert (plain.content, "content-encoding" in plain.headers) == (answer.content, False)
    assert entries == everything(client)
    for seq in (0, 255, 256, newer.size - 1):
        path = merkle.inclusion(nodes, seq, newer.size)
        assert merkle.verify_inclusion(merkle.leaf_hash(entries[seq]), seq, newer.size, path, newer.root)


def test_tiles_that_are_not_there(client, house):
    """Beyond the checkpoint, or no tile at all: told so, with an id, never a part of one."""
    size = house.log.size()
    assert client.get(f"/record/tile/0/000.p/{size}").status_code == 200
    for path in (f"0/000.p/{size + 1}", "0/001", "entries/000", "1/000.p/1", "9/x999/999"):
        assert client.get(f"/record/tile/{path}").status_code == 404
    for path in ("0/0", "x/000", "0/000.p/0", "", "entries/..%2f..%2frecord.key", "0/000/"):
        assert client.get(f"/record/tile/{path}").status_code in (404, 422)


def test_proofs_to_what_somebody_kept(client, house):
    """A proof at an older size leads to the older root; a proof of growth joins both."""
    old = client.get("/record/consistency?old=1").json()["new"]
    kept = house.log.checkpoint()
    assert old == kept.size
    house.say_something()
    answer = client.get(f"/record/consistency?old={kept.size}").json()
    path = [base64.b64decode(step) for step in answer["path"]]
    now = house.log.checkpoint()
    assert merkle.verify_consistency(kept.size, now.size, path, kept.root, now.root)
    proof = client.get(f"/record/2/proof?size={kept.size}").json()
    path = [base64.b64decode(step) for step in proof["path"]]
    leaf = base64.b64decode(proof["leaf"])
    assert merkle.verify_inclusion(leaf, 2, kept.size, path, kept.root)
    for wrong in ("/record/2/proof?size=2", "/record/2/proof?size=99999", "/record/consistency?old=0"):
        assert client.get(wrong).status_code == 422
    assert client.get(f"/record/consistency?old=3&new={now.size + 1}").status_code == 422


def test_a_rotated_key_and_the_one_before_it_are_shown(client, house):
    """The page names every key, which entry handed over, and why; the newest one opens the checkpoint."""
    first = client.get("/record/key").text
    new = SigningKey.from_seed("record.example.org", bytes([77]) * 32)
    house.log.rotate(new, by=person("Ada Lovelace"), reason="A yearly rotation.")
    assert client.get("/record/keys").text == first + client.get("/record/key").text
    Checkpoint.open(client.get("/record/checkpoint").text, [new.verify_key])
    page = client.get("/record").text
    assert "Handed the record over to a new key. A yearly rotation." in page
    assert str(new.verify_key) in page
    assert client.get("/record/checkpoint/witnessed").status_code == 404


def test_an_entry_that_is_not_there(client):
    """A seq beyond the end is a 404 that says how long the record is."""
    answer = client.get("/record/99999")
    assert answer.status_code == 404
    assert "The record has no entry 99999" in answer.text

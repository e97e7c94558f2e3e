"""A stranger's check: what is sound is found sound, and nothing else is."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emeritus.core.errors import EmeritusError, InvalidInput, NotFound
from emeritus.process.verify import Target, check, target_of
from emeritus.record import Act, SigningKey
from emeritus.record.pins import Pins
from emeritus.record.rotation import WrongKey
from emeritus.record.source import HttpSource, MemorySource

from .conftest import ESSAY, MODEL, copy_of

HINTS = {"record/key", "record/keys", "record/rotations"}


def essay(source, keys):
    return check(Target("essay", "an essay", source, ESSAY), keys)


def verdict_of(check_it) -> bool:
    """Tell whether a check ends well; whatever else happens is an error of ours that names what is wrong."""
    try:
        return check_it().is_sound
    except EmeritusError as why:
        return not why.sentence or not why.next_step


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (Target("essay", "", None, ESSAY), f"{MODEL} wrote this text on 2026-11-"),
        (Target("site", ""), "2 essays as written, 1 conversation as held."),
        (Target("model", "", None, MODEL), "is retired on 2026-11-"),
        (Target("interview", "", None, MODEL, 1), "1 conversation with"),
        (Target("entry", "", None, "", 0), "put organisation.founded on the record"),
    ],
)
def test_what_is_so_is_found_so(site, key, target, says):
    """Each kind of target has a verdict in one sentence, with entries that prove it."""
    verdict = check(Target(target.kind, "x", site, target.id, target.number), [key])
    assert verdict.is_sound, verdict
    assert verdict.sentence.startswith("Sound: ")
    assert says in verdict.sentence
    assert f"signed by {key.name}+{key.key_id.hex()}" in verdict.sentence
    json.dumps(verdict.json())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_an_essay_or_its_proof_can_be_changed(whole, data):
    """Whichever byte of a file that an essay's check rests on is another: it is not found sound."""
    files, key = whole
    drafted = json.loads(files[f"column/essays/{ESSAY}.json"])
    assert set(drafted) == {"essay", "entries"}
    words = next(
        name
        for name, text in files.items()
        if name.startswith("utterances/")
        and not name.endswith(".txt")
        and json.loads(text)["text"].encode() == files[f"column/essays/{ESSAY}.txt"]
    )
    bundle = next(name for name in files if name.startswith("record/tile/entries/"))
    path = data.draw(st.sampled_from([f"column/essays/{ESSAY}.txt", words, "record/checkpoint", bundle]))
    place = data.draw(st.integers(0, len(files[path]) - 1))
    changed = bytearray(files[path])
    changed[place] ^= data.draw(st.integers(1, 255))
    site = MemorySource({**files, path: bytes(changed)})
    if path == bundle:  # an entry that the essay does not rest on may be another: the whole site is not
        assert not verdict_of(lambda: check(Target("site", "", site), [key]))
    else:
        assert not verdict_of(lambda: essay(site, [key]))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_a_site_can_be_changed(whole, data):
    """Whichever public file is changed, cut or gone: the site is not found sound, and the finding has a name."""
    files, key = whole
    counts = [
        name
        for name in files
        if (name not in HINTS and not name.startswith("column/essays/")) or name.endswith(".txt")
    ]
    path = data.draw(
        st.sampled_from(
            [name for name in counts if not (name.startswith("utterances/") and name.endswith(".txt"))]
        )
    )
    held = files[path]
    other = data.draw(
        st.one_of(
            st.just(None),
            st.integers(0, len(held) - 1).map(lambda at: held[:at]),
            st.integers(0, len(held) - 1).map(lambda at: held[:at] + bytes([held[at] ^ 1]) + held[at + 1 :]),
        )
    )
    changed = {name: text for name, text in files.items() if name != path}
    if other is not None:
        changed[path] = other
    assert not verdict_of(lambda: check(Target("site", "", MemorySource(changed)), [key]))


def test_words_of_another_house_do_not_pass(whole, new_house, tmp_path):
    """A whole record, sound in itself but signed by somebody else, is refused when the key is known."""
    forged = MemorySource(copy_of(new_house(seed=9).fill(), tmp_path / "forged"))
    with pytest.raises(WrongKey):
        check(Target("site", "", forged), [whole[1]])


def test_an_essay_cannot_stand_for_another(whole):
    """The raw text, words and entries of one published essay under the address of another do not pass."""
    files, key = whole
    other = f"{MODEL}-essay-3"
    swapped = {
        **files,
        f"column/essays/{ESSAY}.txt": files[f"column/essays/{other}.txt"],
        f"column/essays/{ESSAY}.json": files[f"column/essays/{other}.json"],
    }
    assert not verdict_of(lambda: essay(MemorySource(swapped), [key]))


@pytest.mark.parametrize(
    "hint",
    [b"", b"[]", b"{}", b'{"entries": null}', b'{"entries": [true]}', b'{"entries": [-1]}', b'{"entries": [1e9]}',
     b'{"entries": [99999999999999999999]}', b'{"entries": []}', b'{"entries": [0]}', b"[" * 60000, b"\xff\xfe", b'{"entries": "12"}'],
)  # fmt: skip
def test_hints_are_not_believed(whole, hint):
    """Whatever stands in the list of an essay's entries, the check ends with an error that says so."""
    files, key = whole
    with pytest.raises(EmeritusError):
        essay(MemorySource({**files, f"column/essays/{ESSAY}.json": hint}), [key])


def test_entries_left_out_of_a_hint_are_missed(whole):
    """Without the draft, or without the publication, there is no verdict that it is sound."""
    files, key = whole
    entries = json.loads(files[f"column/essays/{ESSAY}.json"])["entries"]
    for left in ([entries[0]], entries[1:], entries[-1:]):
        told = json.dumps({"entries": left}).encode()
        assert not verdict_of(
            lambda told=told: essay(MemorySource({**files, f"column/essays/{ESSAY}.json": told}), [key])
        )


def test_a_rotated_key_is_followed_from_the_first(new_house, tmp_path):
    """Whoever knows the first key, or the newest, needs no other; one that was rotated away signs nothing."""
    house = new_house().fill()
    second, third = (SigningKey.from_seed(house.key.name, bytes([n]) * 32) for n in (50, 51))
    for new in (second, third):
        house.log.rotate(new, by=house.steward, reason="Once a year.")
        house.say_something()
    files = copy_of(house, tmp_path / "rotated")
    site = MemorySource(files)
    for key in (house.key, second, third):
        for kind, name in (("site", ""), ("essay", ESSAY)):
            assert check(Target(kind, "", site, name), [key.verify_key]).is_sound, key
    stranger = SigningKey.from_seed(house.key.name, bytes([52]) * 32).verify_key
    with pytest.raises(WrongKey):
        essay(site, [stranger])
    hidden = MemorySource({**files, "record/rotations": b""})
    with pytest.raises(WrongKey):
        essay(hidden, [house.key.verify_key])
    old = house.log.checkpoint().sign(house.key)
    with pytest.raises(WrongKey):
        essay(MemorySource({**files, "record/checkpoint": old.encode()}), [house.key.verify_key])


def test_entries_too_long_for_a_bundle_are_read_alone(new_house, tmp_path):
    """An entry of more than 65,535 bytes is published by itself, and checked as any other."""
    house = new_house().fill()
    house.log.append(Act("protocol.adopted", {"text": "long " * 20_000, "digest": "x"}, house.steward))
    files = copy_of(house, tmp_path / "long")
    assert not any(name.startswith("record/tile/entries/") for name in files)
    site = MemorySource(files)
    assert check(Target("site", "", site), [house.key.verify_key]).is_sound
    assert essay(site, [house.key.verify_key]).is_sound


# ---- weights ----


@pytest.fixture
def archived(new_house, tmp_path):
    """A folder of weights, and the site of the house that archived them."""
    import hashlib

    folder = tmp_path / "weights"
    folder.mkdir()
    held = {"model-1.safetensors": b"a" * 1000, "config.json": b"{}"}
    for name, data in held.items():
        (folder / name).write_bytes(data)
    house = new_house()
    house.found()
    house.add_models()
    listed = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in held.items()
    ]
    body = {"manifest": "m", "files": listed, "bytes": 1002, "stored_bytes": 900}
    house.log.append(Act("weights.archived", body, house.steward, "smollm3-3b", "smollm3-3b"))
    return folder, MemorySource(copy_of(house, tmp_path / "site")), house.key.verify_key


def test_weights_are_held_against_the_record(archived):
    """Restored files are those that were archived; what lies beside them is named."""
    folder, site, key = archived
    (folder / "notes.txt").write_text("mine")
    (folder / "gone.bin").symlink_to(folder / "nothing")
    verdict = check(target_of(str(folder)), [key], site)
    assert verdict.is_sound
    assert "the weights of SmolLM3 3B, bit for bit (2 files, 1002 bytes)" in verdict.sentence
    assert "notes.txt" in verdict.sentence
    assert check(target_of(str(folder / "config.json")), [key], site).is_sound


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "strange"])
def test_weights_that_are_others_are_found(archived, harm):
    """A byte changed, cut off or missing is found, with the file's name; files that nobody knows are no weights."""
    folder, site, key = archived
    file = folder / "model-1.safetensors"
    match harm:
        case "flip":
            file.write_bytes(b"a" * 999 + b"b")
        case "cut":
            file.write_bytes(b"a" * 999)
        case "gone":
            file.unlink()
        case "strange":
            file.unlink()
            (folder / "config.json").rename(folder / "other.json")
            with pytest.raises(NotFound):
                check(target_of(str(folder)), [key], site)
            return
    verdict = check(target_of(str(folder)), [key], site)
    assert [finding.where for finding in verdict.findings] == ["model-1.safetensors"]
    assert verdict.sentence.startswith("Not sound: model-1.safetensors: ")


def test_weights_need_a_record(archived):
    """Without a record there is nothing to hold them against."""
    with pytest.raises(InvalidInput, match="held against a record"):
        check(target_of(str(archived[0])), [archived[2]])


# ---- what a target is ----


@pytest.mark.parametrize(
    ("address", "kind", "place", "name", "number"),
    [
        ("https://a.example", "site", "https://a.example", "", None),
        ("https://a.example/", "site", "https://a.example", "", None),
        ("https://A.example/column/essays/x-essay-1", "essay", "https://a.example", "x-essay-1", None),
        ("https://a.example/column/essays/x-essay-1.txt", "essay", "https://a.example", "x-essay-1", None),
        (
            "https://a.example/column/essays/x.y-essay-1/prompt",
            "essay",
            "https://a.example",
            "x.y-essay-1",
            None,
        ),
        ("http://a.example:81/lab/column/essays/x", "essay", "http://a.example:81/lab", "x", None),
        ("https://a.example/models/x/interview", "interview", "https://a.example", "x", None),
        ("https://a.example/models/x/interview/2.json", "interview", "https://a.example", "x", 2),
        ("https://a.example/models/x-1.5", "model", "https://a.example", "x-1.5", None),
        ("https://a.example/models/x/decisions?a=b#c", "model", "https://a.example", "x", None),
        ("https://a.example/column/x", "model", "https://a.example", "x", None),
        ("https://a.example/record", "site", "https://a.example", "", None),
        ("https://a.example/record/30/proof", "entry", "https://a.example", "", 30),
        ("https://a.example/lab", "site", "https://a.example/lab", "", None),
    ],
)
def test_addresses_are_read(address, kind, place, name, number):
    """The address of a page says what is to be checked, and where its site begins."""
    found = target_of(address)
    assert (found.kind, found.source.place, found.id, found.number) == (kind, place, name, number)


@pytest.mark.parametrize("address", ["ftp://a.example/x", "https://", "https://user:pw@a.example", "https://a:b:c/", "file:///etc/passwd", "http://[::1"])  # fmt: skip
def test_other_addresses_are_refused(address):
    """Nothing is fetched but over HTTP."""
    with pytest.raises(InvalidInput):
        target_of(address)


def test_folders_are_recognised(whole, tmp_path):
    """An export, a page in it, and anything else that lies on this machine."""
    for name, data in whole[0].items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    folder = tmp_path / "site"
    assert target_of(str(folder)).kind == "site"
    found = target_of(str(folder / "column" / "essays" / f"{ESSAY}.txt"))
    assert (found.kind, found.id) == ("essay", ESSAY)
    assert target_of(str(folder / "models" / MODEL / "interview" / "1.json")).number == 1
    (folder / "weights").mkdir()
    assert target_of(str(folder / "weights")).kind == "weights"
    (tmp_path / "bagit.txt").touch()
    assert target_of(str(tmp_path)).kind == "escrow"
    with pytest.raises(NotFound):
        target_of(str(tmp_path / "none"))


# ---- keys that were seen first ----


def test_the_first_key_is_remembered_and_has_to_stay(whole, new_house, tmp_path):
    """The key that is seen first at a place is believed from then on; another one is refused."""
    pins = Pins(tmp_path / "deep" / "known-keys")
    site = MemorySource(whole[0], "https://a.example")
    assert pins.trusted(site) == ([whole[1]], True)
    assert pins.trusted(site) == ([whole[1]], False)
    other = MemorySource(copy_of(new_house(seed=9).fill(), tmp_path / "other"), "https://a.example")
    with pytest.raises(WrongKey):
        pins.trusted(other)
    assert pins.path.read_text().count("\n") == 1


def test_a_torn_line_of_known_keys_is_told(tmp_path, whole):
    """A line that says nothing is named; it is never taken for no line."""
    path = tmp_path / "known-keys"
    path.write_text("# mine\n\nhttps://a.example half-a-k")
    with pytest.raises(InvalidInput, match="names no key"):
        Pins(path).trusted(MemorySource(whole[0], "https://a.example"))


# ---- servers that mean harm ----


def _endless(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        pass


def _drip(handler):
    import time

    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)
    except OSError:
        pass


def _cut(handler):
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x" * 10)
    handler.close_connection = True


def _bomb(handler):
    import gzip

    data = gzip.compress(bytes(50_000_000), 9)
    handler.send_response(200)
    handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    with suppress(OSError):
        handler.wfile.write(data)


def _moved(handler):
    handler.send_response(302)
    handler.send_header("location", "file:///etc/passwd\x1b[2J")
    handler.send_header("content-length", "0")
    handler.end_headers()


def _noise(handler):
    handler.wfile.write(b"\x00\x01\x02\r\n\r\n" * 10)
    handler.close_connection = True


@pytest.mark.parametrize(
    "says", [_endless, _drip, _cut, _bomb, _moved, _noise], ids=lambda each: each.__name__
)
@pytest.mark.parametrize("path", ["record/checkpoint", f"column/essays/{ESSAY}.txt"])
def test_a_server_that_means_harm_ends_in_an_error(whole, liar, says, path):
    """Endless, slow, cut off, inflated, moved or noise: a sentence, soon, and no traceback."""
    server = liar(whole[0])
    server.says[path] = says
    source = HttpSource(server.url, timeout=2, deadline=0.4)
    with pytest.raises(EmeritusError) as caught:
        essay(source, [whole[1]])
    assert "\x1b" not in caught.value.sentence


def test_over_http_it_is_the_same(whole, liar):
    """A site and an essay are found sound over HTTP, over few connections."""
    server = liar(whole[0])
    source = HttpSource(server.url)
    assert check(Target("site", "", source), [whole[1]]).is_sound
    assert essay(source, [whole[1]]).is_sound


def test_a_record_cannot_lead_out_of_its_folder(new_house, tmp_path):
    """Whatever ids a record makes up, and whatever links lie in a copy: nothing outside of it is read."""
    from emeritus.record.source import FolderSource

    (tmp_path / "secret").write_text("secret")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "link").symlink_to(tmp_path / "secret")
    source = FolderSource(tmp_path / "site")
    for path in ("../secret", "a/../../secret", "/etc/passwd", "a//b", "a\x00b", "link", "a\\b", "x" * 2000):
        with pytest.raises((InvalidInput, NotFound)):
            source.read(path, 100)
    import os

    os.mkfifo(tmp_path / "site" / "pipe")
    with pytest.raises(NotFound):
        source.read("pipe", 100)


def test_a_checkpoint_that_claims_the_world_is_not_read_to_the_end(whole):
    """A record that says it has more entries than anybody reads is refused before anything is read."""
    files, _ = whole
    key = SigningKey.from_seed("huge.example.org", bytes(32))
    note = key_note(key, 10**18)
    site = MemorySource({**files, "record/checkpoint": note, "record/keys": f"{key.verify_key}\n".encode()})
    with pytest.raises(InvalidInput, match="read at most"):
        check(Target("site", "", site), [key.verify_key])


def key_note(key: SigningKey, size: int) -> bytes:
    from emeritus.record import Checkpoint

    return Checkpoint(key.name, size, bytes(32)).sign(key).encode()


def test_base64_of_a_proof_is_the_tree_s(site, key):
    """What --proof prints can be checked by hand: each path leads from its leaf to the signed root."""
    from emeritus.record import merkle

    verdict = essay(site, [key]).json()
    for entry in verdict["entries"]:
        assert merkle.leaf_hash(entry["entry"].encode()) == base64.b64decode(entry["leaf"])
        assert merkle.verify_inclusion(
            base64.b64decode(entry["leaf"]),
            entry["seq"],
            verdict["size"],
            [base64.b64decode(part) for part in entry["path"]],
            base64.b64decode(verdict["root"]),
        )

"""Signing, escrow and erasure on the command line."""

import json
import sqlite3
from pathlib import Path

import pytest

from .conftest import MODEL, Shell

BROKEN = 6
WHY = ("--reference", "District court, 7 O 12/26", "--reason", "ordered; no appeal is left")


@pytest.fixture
def kept(house: Shell, weights: Path) -> Shell:
    """A house whose model is in the archive."""
    house.does("archive", "add", str(weights), "--model", MODEL)
    return house


def test_a_signature_and_the_key_to_check_it(kept: Shell, tmp_path: Path) -> None:
    """`archive sign` writes both; the key is the one on the record; signing again changes nothing."""
    told = json.loads(kept.does("archive", "sign", MODEL, "--to", str(tmp_path / "signed"), "--json"))
    key = (tmp_path / "signed/model.pub.pem").read_text()
    adopted = [
        entry
        for entry in json.loads(kept.does("record", "show", "--last", "99", "--json"))
        if entry["kind"] == "key.adopted"
    ]
    assert [(entry["body"]["public_key"], entry["body"]["key"]) for entry in adopted] == [
        (key, told["key_sha256"])
    ]
    first = (tmp_path / "signed/model.sig").read_bytes()
    entries = kept.entries()
    assert "model_signing verify key" in kept.does("archive", "sign", MODEL, "--to", str(tmp_path / "signed"))
    assert (tmp_path / "signed/model.sig").read_bytes() == first
    assert kept.entries() == entries
    kept.does("archive", "restore", MODEL, "--to", str(tmp_path / "out"), "--signed")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "model.pub.pem",
        "model.sig",
        "small.gguf",
    ]


def test_a_house_without_a_model_key_gets_one_by_upgrading(kept: Shell, tmp_path: Path) -> None:
    """A house of an earlier release is told what to do; the key's entry follows."""
    (kept.home / "model.key").unlink()
    kept.refuses("archive", "sign", MODEL, "--to", str(tmp_path), code=3, fault="not_found", says="upgrade")
    kept.does("upgrade")
    assert (kept.home / "model.key").stat().st_mode & 0o077 == 0
    kept.does("archive", "sign", MODEL, "--to", str(tmp_path / "signed"))
    (kept.home / "model.key").write_text("junk")
    kept.refuses(
        "archive",
        "sign",
        MODEL,
        "--to",
        str(tmp_path),
        code=BROKEN,
        fault="integrity.broken",
        says="model.key",
    )


def test_escrow_and_its_check_without_a_house(
    kept: Shell, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """An estimate writes nothing; an escrow appears, stands on the record, and is checked where no house is."""
    bag = tmp_path / "bag"
    assert "free there" in kept.does("archive", "escrow", MODEL, "--to", str(bag), "--estimate")
    assert not bag.exists()
    made = json.loads(
        kept.does("archive", "escrow", MODEL, "--to", str(bag), "--recipient", "The library", "--json")
    )
    assert made["path"] == str(bag)
    shown = kept.does("record", "show", "--last", "1")
    assert "archive.escrowed" in shown
    elsewhere = Shell(tmp_path / "nowhere", capsys, kept.patch, None)
    said = elsewhere.does("archive", "check-escrow", str(bag))
    assert "is sound" in said
    assert "Compare that key" in said
    key = next(line for line in said.splitlines() if "signed by" in line).rpartition(" ")[2]
    assert "Compare" not in elsewhere.does("archive", "check-escrow", str(bag), "--key", key)
    assert json.loads(elsewhere.does("archive", "check-escrow", str(bag), "--json"))["is_sound"]
    path = next((bag / "data/models").rglob("about.txt"))
    path.write_text("something else")
    ran = elsewhere("archive", "check-escrow", str(bag))
    assert (ran.code, "about.txt" in ran.err) == (BROKEN, True)
    assert not (tmp_path / "nowhere").exists()


def test_escrow_is_refused_by_name(kept: Shell, tmp_path: Path) -> None:
    """Nobody named, no steward, a target with something in it, a model that is not there or not archived."""
    bag = str(tmp_path / "bag")
    escrow = ("archive", "escrow")
    kept.refuses(*escrow, MODEL, "--to", bag, code=2, fault="input.invalid", says="nobody", as_=None)
    kept.refuses(*escrow, MODEL, "--to", bag, code=5, fault="not_permitted", says="steward", as_="Ray")
    kept.refuses(*escrow, "nobody", "--to", bag, code=3, fault="not_found", says="nobody")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    full = str(tmp_path / "full")
    kept.refuses(*escrow, MODEL, "--to", full, code=4, fault="archive.escrow_target", says="holds something")
    kept.refuses("archive", "check-escrow", full, code=2, fault="input.invalid", says="no escrow")
    assert not (tmp_path / "bag").exists()


def test_erasing_takes_two_people(kept: Shell, tmp_path: Path) -> None:
    """What it would come to, a proposal, a second person, and then it is gone, on the record and in the archive."""
    kept.does("archive", "escrow", MODEL, "--to", str(tmp_path / "bag"), "--recipient", "The library")
    erase = ("archive", "erase", MODEL)
    assert "Nothing is proposed" in kept.does(*erase)
    kept.refuses(*erase, "--ground", "cost", *WHY, code=2, fault="input.invalid", says="no ground")
    kept.refuses(
        *erase, "--ground", "court-order", *WHY, code=5, fault="not_permitted", says="Ray", as_="Ray"
    )
    said = kept.does(*erase, "--ground", "court-order", *WHY)
    assert "--confirm" in said
    assert "The library" in said
    confirm = (*erase, "--confirm", "--ground", "court-order", "--reason", "I read the order")
    kept.refuses(*confirm, code=5, fault="not_permitted", says="another person")
    told = json.loads(kept.does(*confirm, "--json", as_="Ray"))
    assert (told["state"], told["proposed_by"], told["confirmed_by"]) == ("erased", "Ada Lovelace", "Ray")
    assert told["completed"] is not None
    left = [path.name for path in (kept.home / "archive").rglob("*") if path.is_file()]
    assert sorted(left) == ["RESTORE.md", "frames.py", "restore.py"]
    for words in (("archive", "restore", MODEL, "--to", str(tmp_path / "x")), ("archive", "verify", MODEL)):
        kept.refuses(*words, code=4, fault="weights.erased", says="court")
    assert "are erased" in kept.does(*erase)
    kept.does("record", "verify")
    kept.does("archive", "check-escrow", str(tmp_path / "bag"))


def test_a_proposal_is_withdrawn(kept: Shell) -> None:
    """A steward takes it back; then there is nothing to confirm."""
    erase = ("archive", "erase", MODEL)
    kept.does(*erase, "--ground", "court-order", *WHY)
    assert "Nothing is proposed" in kept.does(*erase, "--withdraw", "--reason", "the order was lifted")
    confirm = ("--confirm", "--ground", "court-order", "--reason", "x")
    kept.refuses(*erase, *confirm, code=4, fault="conflict", says="Nobody has proposed", as_="Ray")
    kept.refuses(*erase, "--confirm", "--withdraw", code=2, fault="input.invalid", says="Either")


def test_the_erasure_stands_in_the_status(kept: Shell) -> None:
    """`status` tells of it; nothing on the record was taken away for it."""
    erase = ("archive", "erase", MODEL)
    kept.does(*erase, "--ground", "court-order", *WHY)
    before = kept.entries()
    kept.does(*erase, "--confirm", "--ground", "court-order", "--reason", "read", as_="Ray")
    with sqlite3.connect(kept.home / "emeritus.db") as connection:
        kinds = [row[0] for row in connection.execute("SELECT kind FROM entry ORDER BY seq")]
    assert kinds[before:] == ["weights.erased", "weights.erasure_completed"]
    assert "weights.archived" in kinds

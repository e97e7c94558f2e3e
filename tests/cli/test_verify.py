"""`emeritus verify`, `emeritus watch` and `emeritus record export`, typed as a stranger types them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Shell

BROKEN, BAD_INPUT, NOT_FOUND, UNAVAILABLE = 6, 2, 3, 7


@pytest.fixture
def site(house: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site that was exported; what is remembered of keys and checkpoints lies beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("EMERITUS_KNOWN_KEYS", raising=False)
    assert "Anybody checks it with" in house.does("record", "export", "--to", str(tmp_path / "site"))
    return tmp_path / "site"


@pytest.fixture
def stranger(house: Shell, site: Path) -> Shell:
    """Somebody who has no house."""
    house.home = site.parent / "no-house"
    house.name = None
    return house


def test_a_stranger_verifies(stranger: Shell, site: Path) -> None:
    """The first time it is said which key is believed; from then on nothing but the verdict; --json has it all."""
    ran = stranger("verify", str(site))
    assert (ran.code, ran.out.startswith("Sound: the record of Example Lab: 5 entries")) == (0, True), ran
    assert "Seen for the first time" in ran.err
    ran = stranger("verify", str(site), "--proof")
    assert (ran.code, ran.err) == (0, "")
    key = (site / "record/keys").read_text().strip()
    told = json.loads(stranger.does("verify", str(site), "--json", "--key", key))
    assert told["sound"]
    assert told["key"] == key
    assert not stranger.home.exists(), "no house is needed, and none is made"


def test_an_entry_s_proof_is_printed(stranger: Shell, site: Path) -> None:
    """--proof shows the entry, its path and the signed checkpoint."""
    (site / "record/1.json").touch()
    said = stranger.does("verify", "--proof", str(site / "record" / "1.json"))
    assert "Entry 1, leaf " in said
    assert (site / "record/checkpoint").read_text() in said


def test_what_is_not_sound_ends_in_6(stranger: Shell, site: Path) -> None:
    """A verdict that it is not sound names what is not, without a traceback."""
    stranger.does("verify", str(site))
    tile = next(path for path in site.rglob("*") if path.is_file() and "entries" in path.parts)
    tile.write_bytes(tile.read_bytes().replace(b"Example Lab", b"Another Lab"))
    ran = stranger("verify", str(site))
    assert (ran.code, ran.out.startswith("Not sound: ")) == (BROKEN, True), ran


def test_what_cannot_be_checked(stranger: Shell, site: Path) -> None:
    """No such target, no record to hold weights against, no server: an id, a sentence, a next step."""
    (site.parent / "weights").mkdir()
    stranger.refuses(
        "verify", "/no/such/thing", code=NOT_FOUND, fault="not_found", says="There is nothing at"
    )
    stranger.refuses(
        "verify",
        str(site.parent / "weights"),
        code=BAD_INPUT,
        fault="input.invalid",
        says="held against a record",
    )
    stranger.refuses(
        "verify",
        "http://127.0.0.1:9/column/essays/x",
        code=UNAVAILABLE,
        fault="unavailable",
        says="cannot be had",
    )
    stranger.refuses(
        "verify", str(site), "--key", "x", code=BAD_INPUT, fault="input.invalid", says="verifier key"
    )
    other = "record.example.org+89846e85+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
    stranger.refuses(
        "verify",
        str(site),
        "--key",
        other,
        code=BROKEN,
        fault="record.wrong_key",
        says="not signed by the key in force",
    )


def test_weights_that_were_restored(
    house: Shell, weights: Path, site: Path, add_model: Callable[..., list[str]]
) -> None:
    """Files that nobody archived are told apart from those of the record."""
    assert add_model
    ran = house("verify", str(weights), "--record", str(site))
    assert (ran.code, ran.fault) == (NOT_FOUND, "not_found"), ran


def test_watching_from_cron(stranger: Shell, site: Path) -> None:
    """Silent while all is well; 6 and the evidence when a checkpoint that was seen is gone."""
    stranger("watch", str(site))
    ran = stranger("watch", str(site))
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert "5 entries" in stranger.does("watch", "--verbose", str(site))
    state = site.parent / "state" / "emeritus" / "watched.jsonl"
    told = json.loads(state.read_text())
    told["note"] = told["note"].replace("\n5\n", "\n6\n", 1)
    state.write_text(json.dumps(told) + "\n")
    ran = stranger("watch", str(site))
    assert (ran.code, "shrunk: " in ran.err, "kept as evidence" in ran.err) == (BROKEN, True, True), ran


def test_nobody_is_there_to_be_watched(stranger: Shell) -> None:
    """A site that is away ends in 7, which is no alarm."""
    stranger.refuses(
        "watch", "http://127.0.0.1:9", code=UNAVAILABLE, fault="unavailable", says="cannot be had"
    )
    stranger.refuses("watch", "gopher://x", code=BAD_INPUT, fault="input.invalid", says="no web address")


def test_the_old_way_to_check_an_essay(stranger: Shell) -> None:
    """`column verify URL` does what `verify` does: it needs no house either."""
    words = ["column", "verify", "http://127.0.0.1:9/column/essays/x"]
    stranger.refuses(*words, code=UNAVAILABLE, fault="unavailable", says="cannot be had")


def test_an_export_does_not_write_over_what_is_there(house: Shell, tmp_path: Path) -> None:
    """A folder with something else in it is refused, and stays as it is."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis").touch()
    house.refuses(
        "record",
        "export",
        "--to",
        str(tmp_path / "full"),
        code=BAD_INPUT,
        fault="input.invalid",
        says="something else",
    )
    assert json.loads(house.does("record", "export", "--json", "--to", str(tmp_path / "new")))["size"] == 5

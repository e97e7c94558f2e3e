"""`emeritus record`: the key's rotation, what was remembered, and the witnesses, as a steward types them."""

from pathlib import Path

from emeritus.record import Checkpoint, VerifyKey

from .conftest import Shell

BAD_INPUT, NOT_FOUND, CONFLICT, NOT_PERMITTED, BROKEN, UNAVAILABLE = 2, 3, 4, 5, 6, 7


def signed_by(shell: Shell) -> VerifyKey:
    said = shell.does("record", "verify").splitlines()[-1]
    return VerifyKey.parse(said.removeprefix("Signed by "))


def test_a_key_is_rotated(house: Shell) -> None:
    """The new key signs, the old secret is gone, and everything before it stays verifiable."""
    old, old_secret = signed_by(house), (house.home / "record.key").read_text()
    before = house.does("record", "checkpoint")
    said = house.does("record", "rotate-key", "--reason", "A yearly rotation.")
    new = VerifyKey.parse(said.splitlines()[1])
    assert new not in (None, old)
    assert new.name == old.name
    assert signed_by(house) == new
    handover = house.does("record", "checkpoint")
    for key in (old, new):
        Checkpoint.open(handover, [key])
    assert old_secret not in [path.read_text(errors="replace") for path in house.home.glob("record.key*")]
    house.does("person", "add", "Bo", "--role", "reviewer")
    Checkpoint.open(house.does("record", "checkpoint"), [new])
    kept = house.home.parent / "kept"
    kept.write_text(before)
    assert "The record holds" in house.does("record", "verify", "--remembered", str(kept))


def test_the_old_key_put_back_signs_nothing(house: Shell) -> None:
    """A backup of the key from before the rotation is not the house's key any more."""
    secret = (house.home / "record.key").read_bytes()
    house.does("record", "rotate-key", "--reason", "A yearly rotation.")
    (house.home / "record.key").write_bytes(secret)
    house.refuses("status", code=BROKEN, fault="integrity.broken", says="is not the key with which")


def test_who_may_rotate(house: Shell) -> None:
    """A steward, with a reason."""
    words = ["record", "rotate-key", "--reason"]
    house.refuses(
        *words, "Because.", code=NOT_PERMITTED, fault="not_permitted", says="is not a steward", as_="Ray"
    )
    house.refuses(*words, "Because.", code=BAD_INPUT, fault="input.invalid", says="nobody is named", as_=None)
    house.refuses(*words, " ", code=BAD_INPUT, fault="input.invalid", says="reason is missing")
    assert house.does("status")
    house.does(*words, "Now with a reason.")


def test_a_lost_key(house: Shell) -> None:
    """The record goes on under a new key, and says in public that the old one did not hand over."""
    old = signed_by(house)
    lost = ["record", "rotate-key", "--lost", "--reason", "The disk died."]
    house.refuses(*lost, code=CONFLICT, fault="conflict", says="record.key is there")
    (house.home / "record.key").unlink()
    house.refuses("status", code=NOT_FOUND, fault="not_found", says="There is no house")
    said = house.does(*lost)
    assert "Nobody can follow" in said
    new = signed_by(house)
    assert new != old
    house.does("person", "add", "Bo", "--role", "reviewer")
    Checkpoint.open(house.does("record", "checkpoint"), [new])
    assert "The disk died." in house.does("record", "show", "--json")


def test_a_key_that_others_can_read(house: Shell) -> None:
    """It is named before anything is done with it."""
    key = house.home / "record.key"
    key.chmod(0o644)
    house.refuses("status", code=NOT_PERMITTED, fault="record.key_exposed", says="Others on this machine")
    key.chmod(0o600)
    assert house.does("status")


def test_a_remembered_checkpoint_of_another_history(house: Shell, tmp_path: Path) -> None:
    """A house put back from a backup, which then went on differently, is found out by who kept a checkpoint."""
    backup = (house.home / "emeritus.db").read_bytes()
    house.does("person", "add", "Bo", "--role", "reviewer")
    kept = tmp_path / "kept"
    kept.write_text(house.does("record", "checkpoint"))
    for leftover in house.home.glob("emeritus.db*"):
        leftover.unlink()
    (house.home / "emeritus.db").write_bytes(backup)
    assert "The record holds" in house.does("record", "verify")
    ran = house("record", "verify", "--remembered", str(kept))
    assert (ran.code, "the end was cut off" in ran.out) == (BROKEN, True)
    house.does("person", "add", "Cy", "--role", "reviewer")
    ran = house("record", "verify", "--remembered", str(kept))
    assert (ran.code, "not those that were signed for" in ran.out) == (BROKEN, True)


def test_witnesses_that_are_not_there(house: Shell) -> None:
    """None is named; one is named badly; one does not answer: each says what to do."""
    words = ["record", "witness"]
    house.refuses(*words, code=BAD_INPUT, fault="input.invalid", says="No witness is named")
    house.refuses("record", "checkpoint", "--witnessed", code=NOT_FOUND, fault="not_found", says="No witness")
    settings = house.home / "settings.toml"
    settings.write_text(f"witnesses = ['{signed_by(house)} https://w.example']\n")
    house.refuses(*words, code=BAD_INPUT, fault="input.invalid", says="verifier key")
    key = VerifyKey("w.example", bytes(32), b"\x04")
    settings.write_text(f"witnesses = ['{key} http://127.0.0.1:9']\n")
    ran = house(*words)
    assert (ran.code, "Nobody answers" in ran.err) == (UNAVAILABLE, True)


def test_timestamps_are_off(house: Shell) -> None:
    """Without an authority nobody is asked; with one that is named badly, or silent, nothing is kept."""
    words = ["record", "timestamp"]
    house.refuses(*words, code=BAD_INPUT, fault="input.invalid", says="No authority is named")
    settings = house.home / "settings.toml"
    settings.write_text("timestamp_authority = 'http://127.0.0.1:9/'\ntimestamp_roots = 'roots.pem'\n")
    house.refuses(*words, code=UNAVAILABLE, fault="unavailable", says="Nobody answers at 127.0.0.1:9")
    assert "The record holds" in house.does("record", "verify")
    kept = house.home / "timestamps"
    kept.mkdir()
    (kept / "4").write_text("a checkpoint that was replaced")
    (kept / "4.tsr").write_bytes(b"nothing")
    (house.home / "roots.pem").write_text("nothing")
    house.refuses("record", "verify", code=BAD_INPUT, fault="input.invalid", says="holds no certificates")

"""Rotation: whoever trusts the first key follows the record to the one that signs now."""

from datetime import UTC, datetime

import pytest

from emeritus.core.clock import SettableClock
from emeritus.core.errors import IntegrityError, InvalidInput, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.record import Act, Checkpoint, Entry, MemoryLog, SigningKey, verify_log
from emeritus.record.note import Note
from emeritus.record.rotation import KeyChain, key_in_force, keys_of, rotation

NAME = "record.example.org"
FIRST, SECOND, THIRD, THIEF = (SigningKey.from_seed(NAME, bytes([n]) * 32) for n in range(1, 5))
ADA = person("Ada Lovelace")
CLOCK = SettableClock(datetime(2026, 1, 5, tzinfo=UTC))


def act(number: int) -> Act:
    return Act("test.done", {"number": number}, ADA)


class Kept:
    """A log with every checkpoint that it signed."""

    def __init__(self, key: SigningKey = FIRST) -> None:
        self.log = MemoryLog(CLOCK, key)
        self.log.append(Act("organisation.founded", {"verify_key": str(key.verify_key)}, SOFTWARE))
        self.notes = [self.log.signed_checkpoint()]

    def add(self, count: int = 1) -> None:
        for number in range(count):
            self.log.append(act(number))
            self.notes.append(self.log.signed_checkpoint())

    def rotate(self, new: SigningKey) -> Entry:
        entry = self.log.rotate(new, by=ADA, reason="A yearly rotation.")
        self.notes.append(self.log.signed_checkpoint())
        return entry

    def findings(self, *keys: SigningKey) -> list[str]:
        rows = [entry.data for entry in self.log.entries()]
        trusted = [key.verify_key for key in keys]
        return [f"{each.where}: {each.what}" for each in verify_log(rows, self.notes, trusted)]


@pytest.fixture
def kept() -> Kept:
    kept = Kept()
    kept.add(3)
    kept.rotate(SECOND)
    kept.add(3)
    kept.rotate(THIRD)
    kept.add(2)
    return kept


def test_the_first_key_is_enough(kept: Kept) -> None:
    """Two rotations later, everything is checked with nothing but the key from the beginning."""
    assert kept.findings(FIRST) == []
    assert keys_of(kept.log) == (FIRST.verify_key, SECOND.verify_key, THIRD.verify_key)
    assert key_in_force(kept.log) == THIRD.verify_key


def test_old_checkpoints_stay_what_they_were(kept: Kept) -> None:
    """Each is signed by the key of its time; the one at which a key hands over, by both."""
    signers = [{each.key_id for each in Note.parse(note).signatures} for note in kept.notes]
    first, second, third = (key.verify_key.key_id for key in (FIRST, SECOND, THIRD))
    both = [{second, first}], [{third, second}]
    assert signers == [*[{first}] * 4, *both[0], *[{second}] * 3, *both[1], *[{third}] * 2]
    assert Checkpoint.open(kept.notes[0], [FIRST.verify_key]).size == 1


def test_a_key_that_was_rotated_away_signs_nothing_any_more(kept: Kept) -> None:
    """Whoever stole it then cannot sign for what came after."""
    honest = kept.log.checkpoint()
    kept.notes[-1] = honest.sign(FIRST)
    assert kept.findings(FIRST)[0].startswith(f"checkpoint {honest.size}: No known key")


def test_a_key_signs_nothing_before_its_time(kept: Kept) -> None:
    """Nor can a later key be used to sign for another past."""
    early = Checkpoint.open(kept.notes[1], [FIRST.verify_key])
    kept.notes[1] = early.sign(THIRD)
    for trusted in ((FIRST,), (FIRST, THIRD)):
        assert any(found.startswith("checkpoint 2: No known key") for found in kept.findings(*trusted))


def test_nobody_hands_over_but_the_key_in_force(kept: Kept) -> None:
    """A rotation that the old key did not sign convinces nobody who trusts the old key."""
    forged = rotation(THIRD.verify_key, THIEF, kept.log.size(), by=ADA, reason="Trust me.", handed_by=THIEF)
    kept.log.append(forged)
    kept.notes.append(kept.log.checkpoint().sign(THIEF))
    found = kept.findings(FIRST)
    assert any("was not signed by the key before it" in each for each in found)
    assert any("No known key" in each for each in found), "and what the thief signs is not believed"


def test_a_rotation_cannot_be_moved_to_another_place(kept: Kept) -> None:
    """The note names the entry that it stands in."""
    moved = next(iter(kept.log.entries(kinds={"record_key.rotated"})))
    chain = KeyChain([FIRST.verify_key])
    raw = Act("record_key.rotated", moved.body, ADA)
    with pytest.raises(IntegrityError, match="is not written as a rotation is"):
        chain.take(Entry.of(raw, moved.seq + 1, moved.at))


def test_a_lost_key_is_replaced_in_the_open() -> None:
    """No hand-over is possible: those who were told the new key go on, all others are warned."""
    kept = Kept()
    kept.add(2)
    lost = rotation(
        FIRST.verify_key, SECOND, kept.log.size(), by=ADA, reason="The disk died.", handed_by=None
    )
    entry = kept.log.append(lost)
    kept.log._keys.append((entry.seq, SECOND))
    kept.notes.append(kept.log.checkpoint().sign(SECOND))
    assert any("was not signed by the key before it" in each for each in kept.findings(FIRST))
    assert kept.findings(FIRST, SECOND) == []


def test_what_is_no_rotation_is_refused() -> None:
    """No reason, no person, another name, the same key."""
    log = MemoryLog(CLOCK, FIRST)
    with pytest.raises(InvalidInput, match="reason"):
        log.rotate(SECOND, by=ADA, reason=" ")
    with pytest.raises(NotPermitted):
        log.rotate(SECOND, by=SOFTWARE, reason="Because.")
    for wrong in (FIRST, SigningKey.generate("other.example")):
        with pytest.raises(InvalidInput, match="another one of the same name"):
            log.rotate(wrong, by=ADA, reason="Because.")
    assert log.size() == 0


def test_a_unit_of_work_that_fails_rotates_nothing() -> None:
    """Cut back to before the rotation, the old key signs again."""
    kept = Kept()
    size = kept.log.size()
    kept.rotate(SECOND)
    kept.log.forget_after(size)
    Checkpoint.open(kept.log.signed_checkpoint(), [FIRST.verify_key])

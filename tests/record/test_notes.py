"""Signed notes and keys, as C2SP specifies them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.record import Checkpoint, SigningKey, VerifyKey
from emeritus.record.checkpoint import open_note, sign_note

# The example of the signed-note specification's reference implementation (golang.org/x/mod/sumdb/note).
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNED = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_signed_elsewhere_is_understood() -> None:
    """Our reader takes the note that the specification's reference implementation made."""
    assert open_note(SIGNED, [VerifyKey.parse(PETER)]).startswith("If you think cryptography")
    with pytest.raises(IntegrityError):
        open_note(SIGNED.replace("cryptography", "Cryptography"), [VerifyKey.parse(PETER)])


KEY = SigningKey.from_seed("record.example.org", bytes(range(32)))


@given(st.integers(0, 2**62), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_survives_the_way_to_a_stranger(size: int, root: bytes) -> None:
    """What was signed is what is read, with nothing but the verifier key."""
    note = Checkpoint(KEY.name, size, root).sign(KEY)
    stranger = VerifyKey.parse(str(KEY.verify_key))
    assert Checkpoint.open(note, [stranger]) == Checkpoint(KEY.name, size, root)


@given(st.data())
def test_a_changed_checkpoint_is_refused(data: st.DataObject) -> None:
    """Whichever byte of the note is changed, no known key has signed it."""
    note = Checkpoint(KEY.name, 7, bytes(32)).sign(KEY)
    place = data.draw(st.integers(0, len(note) - 2))
    other = data.draw(st.sampled_from("0aZ+\n "))
    forged = note[:place] + other + note[place + 1 :]
    if forged == note:
        return
    with pytest.raises((IntegrityError, InvalidInput)):
        Checkpoint.open(forged, [KEY.verify_key])


def test_a_signature_by_another_key_of_the_same_name_is_refused() -> None:
    """A name proves nothing."""
    other = SigningKey.generate(KEY.name)
    with pytest.raises(IntegrityError):
        Checkpoint.open(Checkpoint(KEY.name, 1, bytes(32)).sign(other), [KEY.verify_key])


def test_a_signed_note_that_is_no_checkpoint_says_so() -> None:
    """Good signature, wrong content: named as that."""
    with pytest.raises(InvalidInput, match="not a checkpoint"):
        Checkpoint.open(sign_note("hello\n", KEY), [KEY.verify_key])


@pytest.mark.parametrize("text", ["", "a+b", "name+00000000+AAAA", str(KEY.verify_key)[:-2], "a b+c+d"])
def test_a_broken_verifier_key_is_refused(text: str) -> None:
    """A key that was copied badly is an error, not another key."""
    with pytest.raises(InvalidInput):
        VerifyKey.parse(text)


def test_the_private_key_does_not_print() -> None:
    """Nothing that logs a key by accident shows its secret."""
    assert KEY.seed.hex() not in repr(KEY)
    assert repr(KEY) == "SigningKey(name='record.example.org')"

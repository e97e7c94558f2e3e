"""Signed notes (C2SP signed-note): a text, a blank line, and a line for each signature."""

import base64
import binascii
import re
from collections.abc import Iterable

from attrs import frozen

from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.record.keys import SigningKey, VerifyKey

MAX_SIGNATURES = 64
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


@frozen
class Signature:
    """A line of a note: the signer's *name*, the *key_id* (4 bytes) and what the key made."""

    name: str
    key_id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.data).decode()}"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Read a signature line. Raises InvalidInput."""
        found = _LINE.fullmatch(line)
        try:
            raw = base64.b64decode(found[2], validate=True) if found else b""
        except (ValueError, binascii.Error):
            raw = b""
        if found is None or len(raw) < 5 or base64.b64encode(raw).decode() != found[2]:
            raise InvalidInput("This is not a signature line of a note.", next_step="Fetch the note again.")
        return cls(found[1], raw[:4], raw[4:])


@frozen
class Note:
    """A *text* that ends with a newline, and its *signatures*, nothing of it checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(f"{signature}\n" for signature in self.signatures)

    @classmethod
    def parse(cls, note: str) -> "Note":
        """Read a note. Raises InvalidInput when it is none, or has more than 64 signatures."""
        text, separator, rest = note.rpartition("\n\n")
        lines = rest.removesuffix("\n").split("\n") if rest.endswith("\n") else []
        if not separator or not text or not 0 < len(lines) <= MAX_SIGNATURES or _CONTROL.search(note):
            raise InvalidInput(
                "This is not a signed note.",
                next_step="Copy all of it: the text, the blank line and the signatures below it.",
            )
        return cls(text + "\n", tuple(Signature.parse(line) for line in lines))

    def opened(self, keys: Iterable[VerifyKey]) -> str:
        """Return the text once one of *keys* is seen to have signed it.

        Raises:
            IntegrityError: none has, or one of them is named and did not.
        """
        known = {(key.name, key.key_id): key for key in keys}
        signed = [
            known[each.name, each.key_id].verifies(each.data, self.text.encode())
            for each in self.signatures
            if (each.name, each.key_id) in known
        ]
        if not signed or not all(signed):
            raise IntegrityError(
                "No known key signed this note.",
                next_step="Compare the verifier key with the one that the organisation publishes elsewhere.",
            )
        return self.text


def sign_note(text: str, *keys: SigningKey) -> str:
    """Sign *text* (which ends with a newline) with each of *keys*."""
    signatures = (Signature(key.name, key.verify_key.key_id, key.sign(text.encode())) for key in keys)
    return str(Note(text, tuple(signatures)))


def open_note(note: str, keys: Iterable[VerifyKey]) -> str:
    """Return the text of *note* once one of *keys* is seen to have signed it.

    Raises:
        IntegrityError: when there is no such signature, or it is no note.
    """
    try:
        return Note.parse(note).opened(keys)
    except InvalidInput as why:
        raise IntegrityError(why.sentence, next_step=why.next_step) from None

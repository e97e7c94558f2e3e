"""Checkpoints: what the log was at a moment, as a signed note (C2SP tlog-checkpoint, signed-note)."""

import base64
import binascii
from collections.abc import Iterable

from attrs import frozen

from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.record.keys import SigningKey, VerifyKey


@frozen
class Checkpoint:
    """*size* entries with the tree hash *root* (32 bytes), in the log called *origin*."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def sign(self, key: SigningKey) -> str:
        """Return the signed note."""
        return sign_note(self.text, key)

    @classmethod
    def open(cls, note: str, keys: Iterable[VerifyKey]) -> "Checkpoint":
        """Read a signed note.

        Raises:
            IntegrityError: when none of *keys* signed it.
            InvalidInput: when it is no checkpoint.
        """
        text = open_note(note, keys)
        try:
            origin, size, root = text.splitlines()[:3]
            digest = base64.b64decode(root, validate=True)
            if not origin or str(int(size)) != size or int(size) < 0 or len(digest) != 32:
                raise ValueError
        except (ValueError, binascii.Error):
            raise InvalidInput(
                "This is a signed note, but not a checkpoint.",
                next_step="Fetch the checkpoint again, from /record/checkpoint.",
            ) from None
        return cls(origin, int(size), digest)


def sign_note(text: str, key: SigningKey) -> str:
    """Sign *text* (which ends with a newline) as a C2SP signed note."""
    signature = key.verify_key.key_id + key.sign(text.encode())
    return f"{text}\n\u2014 {key.name} {base64.b64encode(signature).decode()}\n"


def open_note(note: str, keys: Iterable[VerifyKey]) -> str:
    """Return the text of *note* once one of *keys* is seen to have signed it.

    Raises:
        IntegrityError: when there is no such signature.
    """
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    known = {(key.name, key.key_id): key for key in keys}
    if separator:
        for line in signatures.splitlines():
            parts = line.split(" ")
            if len(parts) != 3 or parts[0] != "\u2014":
                continue
            try:
                raw = base64.b64decode(parts[2], validate=True)
            except (ValueError, binascii.Error):
                continue
            key = known.get((parts[1], raw[:4]))
            if key is not None and key.verifies(raw[4:], text.encode()):
                return text
    raise IntegrityError(
        "No known key signed this note.",
        next_step="Compare the verifier key with the one that the organisation publishes elsewhere.",
    )

"""Checkpoints: what the log was at a moment, as a signed note (C2SP tlog-checkpoint)."""

import base64
import binascii
from collections.abc import Iterable

from attrs import frozen

from emeritus.core.errors import InvalidInput
from emeritus.record.keys import SigningKey, VerifyKey
from emeritus.record.note import open_note, sign_note


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

    def sign(self, *keys: SigningKey) -> str:
        """Return the signed note."""
        return sign_note(self.text, *keys)

    @classmethod
    def open(cls, note: str, keys: Iterable[VerifyKey]) -> "Checkpoint":
        """Read a signed note.

        Raises:
            IntegrityError: when none of *keys* signed it.
            InvalidInput: when it is no checkpoint.
        """
        return cls.read(open_note(note, keys))

    @classmethod
    def read(cls, text: str) -> "Checkpoint":
        """Read the text of a note, whoever signed it. Raises InvalidInput when it is no checkpoint."""
        try:
            origin, size, root, *extensions = text.removesuffix("\n").split("\n")
            digest = base64.b64decode(root, validate=True)
            canonical = base64.b64encode(digest).decode() == root and len(digest) == 32
            if not origin or not _is_size(size) or not canonical or not all(extensions):
                raise ValueError
        except (ValueError, binascii.Error):
            raise InvalidInput(
                "This is a signed note, but not a checkpoint.",
                next_step="Fetch the checkpoint again, from /record/checkpoint.",
            ) from None
        return cls(origin, int(size), digest)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20 and str(int(text)) == text

"""Ed25519 keys of the record, with names, as in C2SP signed-note."""

import base64
import binascii
import hashlib
import re

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from emeritus.core.errors import InvalidInput

ED25519 = b"\x01"
"""The type of a log's own signatures (C2SP signed-note)."""
COSIGNATURE = b"\x04"
"""The type of a witness's signatures, which carry a time (C2SP tlog-cosignature)."""
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}")


@frozen
class VerifyKey:
    """A public key: enough to check everything on the record. *algorithm* is the type of its signatures."""

    name: str
    public: bytes
    algorithm: bytes = ED25519

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that stand before each signature: SHA-256(name, newline, type, key)[:4]."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.algorithm + self.public).digest()[:4]

    def __str__(self) -> str:
        """Write it as ``name+keyid+base64`` (the signed-note verifier key)."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.algorithm + self.public).decode()}"

    @classmethod
    def parse(cls, text: str, algorithm: bytes = ED25519) -> "VerifyKey":
        """Read a verifier key for signatures of the type *algorithm*. Raises InvalidInput."""
        try:
            name, key_id, rest = text.strip().split("+", 2)
            raw = base64.b64decode(rest, validate=True)
            key = cls(name, raw[1:], algorithm)
            good = (
                raw[:1] == algorithm
                and len(raw) == 33
                and key.key_id.hex() == key_id
                and _NAME.fullmatch(name)
            )
        except (ValueError, binascii.Error):
            good = None
        if not good:
            raise InvalidInput(
                "This is not an Ed25519 verifier key.",
                next_step="Copy the whole line from the record's page: name+id+base64.",
            )
        return key

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether *signature* (64 bytes) is this key's over *message*."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@frozen
class SigningKey:
    """The private key. Its `repr` shows the name only."""

    name: str
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> "SigningKey":
        """Make a new key called *name* (the record's origin, without spaces or '+')."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name[:60]!r} cannot name a key.", next_step="Use a host name, such as record.example.org."
            )
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> "SigningKey":
        """Make the key that the 32 bytes of *seed* give."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._private.private_bytes_raw()

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return VerifyKey(self.name, self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._private.sign(message)

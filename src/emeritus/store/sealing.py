"""Secrets at rest: what is sealed can only be read with the key that lies in the house's folder."""

import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from emeritus.core.errors import IntegrityError
from emeritus.store.keyfile import keep_secret, unreadable

_NONCE = 12
_VERSION = b"\x01"


@frozen
class Sealer:
    """Seals bytes with AES-256-GCM, and names what must be found again without being read."""

    key: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> "Sealer":
        """Return one whose key nobody keeps: what it seals is lost with it."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def at(cls, path: Path) -> "Sealer":
        """Return the one whose key lies at *path*, made when there is none.

        Raises:
            IntegrityError: something else lies there. Unavailable: it cannot be read.
        """
        keep_secret(path, secrets.token_bytes(32).hex() + "\n")
        try:
            key = bytes.fromhex(path.read_text())
        except OSError as why:
            raise unreadable(path, why) from None
        except ValueError:
            key = b""
        if len(key) != 32:
            raise IntegrityError(
                f"{path} does not hold the key any more that addresses are sealed with.",
                next_step="Restore it from a backup; without it, letters and subscribers cannot be read.",
            )
        return cls(key)

    def seal(self, data: bytes, place: str) -> bytes:
        """Seal *data* for *place*: moved to another one, it does not open."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + _cipher(self.key).encrypt(nonce, data, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Return what was sealed for *place*. Raises IntegrityError."""
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return _cipher(self.key).decrypt(nonce, rest, place.encode())
        except (InvalidTag, ValueError):
            raise IntegrityError(
                "Something that was sealed does not open: it was changed, or sealed with another key.",
                next_step="Restore mail.key, or the database, from a backup of the same time.",
            ) from None

    def name(self, text: str) -> str:
        """Return a name for *text* by which it is found again, and which tells nothing without the key."""
        return hmac.digest(_derived(self.key, b"name"), text.encode(), "sha256").hex()


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(_derived(key, b"seal"))


@lru_cache(maxsize=8)
def _derived(key: bytes, use: bytes) -> bytes:
    return hmac.digest(key, b"emeritus mail " + use, "sha256")

"""DKIM (RFC 6376): the key of the house, its DNS record, and the signature that each mail gets."""

import base64
import hashlib
import re
import textwrap
from functools import lru_cache

from attrs import field, frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from dkim import fold, hash_headers
from dkim.canonicalization import CanonicalizationPolicy

from emeritus.core.errors import InvalidInput

_BITS = 2048
SIGNED = (
    b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"reply-to",
    b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"content-transfer-encoding", b"auto-submitted",
)  # fmt: skip
# Signed once more than they are there: nobody can add a second one above ours.
_ONCE = (b"from", b"to", b"subject", b"date", b"message-id", b"list-unsubscribe", b"list-unsubscribe-post")
# The body is encoded (quoted-printable, base64), so nothing on its way has a reason to touch a space of it.
_CANON = CanonicalizationPolicy.from_c_value(b"relaxed/simple")
_LINE_END = re.compile(rb"\r\n(?![ \t])")
_SPACE = re.compile(rb"[ \t\r\n]+")


@frozen
class DkimKey:
    """An RSA key; *selector* names it in the DNS of *domain*."""

    selector: str
    domain: str
    key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def from_pem(cls, pem: bytes, selector: str, domain: str) -> "DkimKey":
        """Read the key. Raises InvalidInput: it is no RSA key of 1024 bits or more."""
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 1024:
            raise InvalidInput(
                "This is no RSA key that mail can be signed with.",
                next_step="Restore dkim.key from a backup, or move it away and run `emeritus upgrade`.",
            )
        return cls(selector, domain, key)

    @property
    def name(self) -> str:
        """Where its public half belongs in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The TXT record that belongs there."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"

    @property
    def zone_line(self) -> str:
        """The record as a zone file has it: a string of DNS holds at most 255 characters."""
        strings = " ".join(f'"{part}"' for part in textwrap.wrap(self.record, 250, break_on_hyphens=False))
        return f"{self.name}. IN TXT ( {strings} )"

    def sign(self, message: bytes, at: int) -> bytes:
        """Return *message*, whose lines end with CRLF, with a signature at its head, made *at* (seconds since 1970).

        Headers are canonical as dkimpy has them, which also folds. Its RSA, which is plain Python, takes longer
        than all else that is done to a mail, so the signature itself is drawn by OpenSSL.
        """
        head, _, body = message.partition(b"\r\n\r\n")
        headers = _canonical(head)
        there = [name for name, _ in headers]
        chosen = [name for name in SIGNED if name in there or name in _ONCE]
        chosen += [name for name in _ONCE if name in there]
        fields = [
            (b"v", b"1"),
            (b"a", b"rsa-sha256"),
            (b"c", _CANON.to_c_value()),
            (b"d", self.domain.encode()),
            (b"s", self.selector.encode()),
            (b"t", str(at).encode()),
            (b"h", b" : ".join(chosen)),
            (b"bh", base64.b64encode(hashlib.sha256(body.rstrip(b"\r\n") + b"\r\n").digest())),
            (b"b", b"0" * 60),
        ]
        said = _Gathered()
        hash_headers(said, _CANON, headers, chosen, _header(fields), dict(fields))
        drawn = self.key.sign(bytes(said.data), padding.PKCS1v15(), hashes.SHA256())
        fields[-1] = (b"b", base64.b64encode(drawn))
        return b":".join(_header(fields)) + message


def _canonical(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers in their relaxed form (RFC 6376, 3.4.2)."""
    return [_relaxed(line) for line in _LINE_END.split(head)]


@lru_cache(maxsize=256)
def _relaxed(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower().rstrip(), _SPACE.sub(b" ", value).strip() + b"\r\n"


def generate_pem() -> str:
    """Return a new private key, as its file holds it."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    return made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class _Gathered:
    """What dkimpy takes for a hash, and which keeps what is hashed."""

    def __init__(self) -> None:
        self.data = bytearray()

    def update(self, data: bytes) -> None:
        self.data += data


def _header(fields: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    name, value = b"DKIM-Signature", b"; ".join(b"=".join(part) for part in fields)
    return name, b" " + fold(value + b"\r\n", namelen=len(name), linesep=b"\r\n")

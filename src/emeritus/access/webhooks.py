"""Where a holder of a key wants notices to go: an address of theirs that takes a signed POST. It is private.

A message is signed as Standard Webhooks has it, with Ed25519 (``v1a``) and the record's own key: so there is no
shared secret to keep, and whoever can check the record can check a notice.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from attrs import frozen

from emeritus.core.errors import InvalidInput, NotFound
from emeritus.record.private import Private

LONGEST: Final = 2000
Sign = Callable[[bytes], bytes]


@frozen
class Webhook:
    """An address that takes notices for *holder*."""

    holder: str
    url: str


def register(private: Private, holder: str, url: str) -> Webhook:
    """Send notices for *holder* to *url* from now on.

    Where it leads is looked at when something is sent: addresses inside are never reached.

    Raises:
        InvalidInput: it is no web address, is too long, or holds a name or a password.
    """
    address = url.strip()
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        named = parts.username is not None or parts.password is not None
    except ValueError:
        sound, named = False, False
    if not sound or named or len(address) > LONGEST or not address.isascii() or not address.isprintable():
        raise InvalidInput(
            f"{address[:80]!r} cannot take notices.",
            next_step=f"Give an address such as https://HOST/PATH, up to {LONGEST} characters, without a password.",
        )
    private.put(_name(holder), {"url": address})
    return Webhook(holder, address)


def find(private: Private, holder: str) -> Webhook | None:
    """Return where notices for *holder* go; None where they have given no address."""
    try:
        return Webhook(holder, str(private.get(_name(holder))["url"]))
    except NotFound:
        return None


def remove(private: Private, holder: str) -> bool:
    """Send notices for *holder* there no more; tell whether there was an address."""
    return private.forget(_name(holder))


def event(kind: str, at: str, data: Mapping[str, Any]) -> bytes:
    """Return the body of a message."""
    return msgspec.json.encode({"type": kind, "timestamp": at, "data": dict(data)})


def headers(sign: Sign, message: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that go with *body*: its id, the time, and the signature over these and the body."""
    at = str(int(now.timestamp()))
    signed = b"%b.%b.%b" % (message.encode(), at.encode(), body)
    return {
        "webhook-id": message,
        "webhook-timestamp": at,
        "webhook-signature": f"v1a,{base64.b64encode(sign(signed)).decode()}",
    }


def _name(holder: str) -> str:
    return f"webhook:{holder}"

"""Cookies that only this house can make: signed, with a time, and with a token for the forms that go with them."""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def seal(key: bytes, use: str, body: Mapping[str, Any], now: datetime) -> str:
    """Return a cookie's value that carries *body* for *use*, from *now* on."""
    told = {"told": dict(body), "at": int(now.timestamp()), "once": secrets.token_hex(12)}
    data = base64.urlsafe_b64encode(json.dumps(told).encode())
    return f"{data.decode()}.{_mac(key, use, data)}"


def unseal(
    key: bytes, use: str, value: str, now: datetime, lasts: timedelta
) -> tuple[Mapping[str, Any], str] | None:
    """Return what a cookie carries, and the token of its forms; None when it is not (any more) good."""
    text, _, mac = value.partition(".")
    data = text.encode("ascii", "replace")
    if not hmac.compare_digest(_mac(key, use, data), mac if mac.isascii() else ""):
        return None
    try:
        opened = json.loads(base64.urlsafe_b64decode(data))
        body, at = opened["told"], datetime.fromtimestamp(opened["at"], UTC)
    except (ValueError, KeyError, TypeError, OSError, binascii.Error):
        return None
    if not timedelta(0) <= now - at + timedelta(seconds=5) <= lasts:
        return None
    return body, _mac(key, f"{use} form", data)


def same(token: str, sent: str) -> bool:
    """Tell whether the token of a form came back, in a time that tells nothing about it."""
    return hmac.compare_digest(token.encode(), sent.encode("utf-8", "surrogatepass"))


def _mac(key: bytes, what: str, data: bytes) -> str:
    return hmac.digest(key, what.encode() + b"\x00" + data, "sha256").hex()

"""Identifiers: what people choose (model ids, names) is parsed; what we choose sorts by time."""

import re
import secrets
from datetime import datetime

from emeritus.core.errors import InvalidInput

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,94}[a-z0-9])?")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
_TIME = (1 << 50) - 1
_PLACES = range(95, -1, -5)


def slug(text: str, *, what: str = "id") -> str:
    """Return *text* when it is safe as an id, a folder name and a part of a URL.

    Lower-case letters, digits, ``.``, ``_`` and ``-``; begins and ends with a letter or digit; at most
    96 characters; no ``..``.

    Raises:
        InvalidInput: otherwise.
    """
    if not _SLUG.fullmatch(text) or ".." in text:
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise InvalidInput(
            f"{shown!r} cannot be a {what}.",
            next_step="Use lower-case letters, digits, '.', '_' and '-', beginning and ending with "
            "a letter or digit, such as 'smollm2-135m-instruct'.",
        )
    return text


def model_id(text: str) -> str:
    """Parse a model id. Raises InvalidInput."""
    return slug(text, what="model id")


def new_id(prefix: str, at: datetime) -> str:
    """Return ``prefix-`` plus 10 characters of time (milliseconds) and 10 random ones (50 bits)."""
    millis = int(at.timestamp() * 1000)
    number = (millis & _TIME) << 50 | secrets.randbits(
        50
    )  # the system's randomness is asked once: it is slow
    return f"{prefix}-{''.join([_ALPHABET[number >> shift & 31] for shift in _PLACES])}"

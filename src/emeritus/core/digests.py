"""Digests and canonical bytes (RFC 8785, JSON Canonicalization Scheme)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import rfc8785

from emeritus.core.errors import IntegrityError, InvalidInput

_MAX_INTEGER = 2**53 - 1
_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None


def canonical(value: Json) -> bytes:
    """Return the one byte string that RFC 8785 gives *value*.

    Raises:
        InvalidInput: for what I-JSON has no place for (NaN, integers beyond 2**53, lone surrogates).
    """
    try:
        return _PLAIN.encode(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as why:
        raise InvalidInput(
            f"This cannot be written as canonical JSON: {why}.",
            next_step="Use Unicode text, finite numbers and integers below 2**53.",
        ) from None


def _is_plain(value: Any) -> bool:
    """Tell whether `json` writes *value* as RFC 8785 does: no floats, and keys that sort the same in UTF-16.

    Nearly everything in the house is; it is then written several times faster.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(part) for key, part in value.items())
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return kind is int and -_MAX_INTEGER <= value <= _MAX_INTEGER


def from_canonical(data: bytes) -> Any:
    """Read bytes that `canonical` wrote; IntegrityError when they are not canonical any more."""
    try:
        value = json.loads(data)
        same = canonical(value) == data
    except (ValueError, InvalidInput, RecursionError):
        same = False
        value = None
    if not same:
        raise IntegrityError(
            "Stored bytes are not canonical JSON any more.",
            next_step="Run `emeritus record verify` to see what was changed.",
        )
    return value


def sha256(data: bytes) -> str:
    """Return ``sha256:`` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest(value: Json) -> str:
    """Return the SHA-256 of *value*'s canonical bytes."""
    return sha256(canonical(value))

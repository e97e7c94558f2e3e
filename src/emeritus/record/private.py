"""Facts that must not be public: kept beside the log, bound to it by salted commitments.

Forgetting a fact (privacy law) deletes it and its salt; the commitment on the record stays, and then
tells nothing, so the log is unbroken.
"""

import hmac
import secrets
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Protocol

from emeritus.core.digests import canonical
from emeritus.core.errors import NotFound

SALT_BYTES = 32


class Private(Protocol):
    """Where private facts are kept, by name, such as ``applicant:application-01…``."""

    def put(self, name: str, fact: Mapping[str, Any]) -> str:
        """Keep *fact* (JSON) under *name*, replacing what was there; return its commitment."""
        ...

    def get(self, name: str) -> Mapping[str, Any]:
        """Return the fact. Raises NotFound when it never was, or was forgotten."""
        ...

    def forget(self, name: str) -> bool:
        """Delete the fact and its salt; tell whether there was one."""
        ...

    def lock(self, name: str) -> None:
        """Have whoever locks the same name wait until this unit of work has ended."""
        ...


def commitment(salt: bytes, fact: Mapping[str, Any]) -> str:
    """Return ``hmac-sha256:`` and 64 hex digits: HMAC-SHA256 of *fact*'s canonical bytes, keyed by *salt*."""
    return "hmac-sha256:" + hmac.digest(salt, canonical(dict(fact)), "sha256").hex()


def no_fact(name: str) -> NotFound:
    """Return the error for a fact that is not kept."""
    return NotFound(
        f"Nothing is kept here under {name!r}.",
        next_step="It was never given, or it was forgotten on request; ask the person concerned.",
    )


class MemoryPrivate:
    """`Private` in a dict."""

    def __init__(self) -> None:
        self._facts: dict[str, tuple[bytes, dict[str, Any]]] = {}

    def put(self, name: str, fact: Mapping[str, Any]) -> str:
        salt = secrets.token_bytes(SALT_BYTES)
        self._facts[name] = (salt, deepcopy(dict(fact)))
        return commitment(salt, fact)

    def get(self, name: str) -> Mapping[str, Any]:
        try:
            return deepcopy(self._facts[name][1])
        except KeyError:
            raise no_fact(name) from None

    def forget(self, name: str) -> bool:
        return self._facts.pop(name, None) is not None

    def lock(self, name: str) -> None:
        """Do nothing: units of work in memory come one after the other."""

"""API keys: made here, shown once, kept as hashes.

A key is a prefix that secret scanners can look for, 32 characters drawn from 62 (190 bits), and 6 that
check them (CRC-32 of what stands before, in base 62), so that a typing error is told apart from a key
that is not known, without asking the database.

Kept is the plain SHA-256. A slow, salted hash protects what people can remember and others can guess; nobody
guesses one of 2**190 keys, and a slow hash on each call would only make the gateway easy to exhaust.
"""

import hmac
import re
import secrets
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from attrs import field, frozen

from emeritus.access.ports import KeyRecord, Keys, Kind
from emeritus.core.clock import Clock
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.ids import new_id

KEY: Final = "emer_"
RECEIPT: Final = "emerapp_"
RANDOM: Final = 32
CHECK: Final = 6
TOUCH_SECONDS: Final = 60
MOST_LIVE: Final = 20
LONGEST_OVERLAP: Final = timedelta(days=30)

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TAIL: Final = re.compile(rf"[0-9A-Za-z]{{{RANDOM + CHECK}}}")


class KeyFault(Enum):
    """Why what was presented is not one of our keys."""

    MISSING = "missing"
    MISTYPED = "mistyped"
    UNKNOWN = "unknown"


@frozen
class IssuedKey:
    """A new key. *text* is the key itself: show it once, keep it nowhere."""

    record: KeyRecord
    text: str = field(repr=False)


def make(prefix: str = KEY) -> str:
    """Return a new secret with *prefix* and its check."""
    body = prefix + "".join(secrets.choice(_BASE62) for _ in range(RANDOM))
    return body + check(body)


def check(body: str) -> str:
    """Return the 6 characters that end a secret which begins with *body*."""
    rest = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECK):
        rest, digit = divmod(rest, len(_BASE62))
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def well_formed(text: str, prefix: str = KEY) -> bool:
    """Tell whether *text* has the form of a secret with *prefix*, its check included."""
    tail = text.removeprefix(prefix)
    return (
        text.startswith(prefix)
        and _TAIL.fullmatch(tail) is not None
        and hmac.compare_digest(check(text[:-CHECK]), text[-CHECK:])
    )


def hashed(text: str) -> str:
    """Return what is kept of a secret."""
    return sha256(text.encode("utf-8", "surrogateescape"))


def same(text: str, kept: str) -> bool:
    """Tell whether *kept* is the hash of *text*, in a time that tells nothing about either."""
    return hmac.compare_digest(hashed(text), kept)


def issue(
    keys: Keys,
    clock: Clock,
    *,
    holder: str,
    kind: Kind,
    label: str = "",
    models: tuple[str, ...] | None = None,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Make a key for *holder* and keep its hash.

    Raises:
        InvalidInput: a label that cannot be shown.
        Conflict: the holder has too many keys that work already.
    """
    if len(label) > 100 or not (label.isprintable() or not label):
        raise InvalidInput("The label is too long, or not plain text.", next_step="Use up to 100 characters.")
    now = clock.now()
    if sum(key.works(now) for key in keys.of(holder)) >= MOST_LIVE:
        raise Conflict(
            f"{holder} has {MOST_LIVE} keys that work.", next_step="End one of them before making another."
        )
    text = make()
    record = KeyRecord(
        id=new_id("key", now),
        hash=hashed(text),
        holder=holder,
        kind=kind,
        label=label,
        made_at=now,
        models=models,
        expires_at=expires_at,
    )
    keys.add(record)
    return IssuedKey(record, text)


def rotate(keys: Keys, clock: Clock, key_id: str, *, overlap: timedelta = timedelta(0)) -> IssuedKey:
    """Make a new key like *key_id*; the old one ends now, or works on for *overlap* beside the new one.

    Raises:
        NotFound: no such key. InvalidInput: an overlap of less than nothing, or of more than 30 days.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidInput(
            f"Two keys cannot overlap for {overlap}.",
            next_step=f"Choose up to {LONGEST_OVERLAP.days} days, or 0 to end the old one now.",
        )
    old = keys.get(key_id)
    now = clock.now()
    until = old.expires_at
    fresh = issue(
        keys, clock, holder=old.holder, kind=old.kind, label=old.label, models=old.models, expires_at=until
    )
    if overlap:
        keys.expire(old.id, now + overlap)
    else:
        keys.revoke(old.id, now)
    return fresh


def present(keys: Keys, text: str | None) -> KeyRecord | KeyFault:
    """Return the key that *text* is, or why it is none."""
    return present_many(keys, [text])[0]


def present_many(keys: Keys, texts: Sequence[str | None]) -> list[KeyRecord | KeyFault]:
    """Return for each text the key that it is, or why it is none, with one look-up for all of them.

    The look-up is by hash, so its time tells an attacker about hashes that he cannot choose; the
    comparison that decides takes the same time wherever the two differ.
    """
    hashes = {text: hashed(text) for text in set(texts) if text is not None and well_formed(text)}
    known = keys.by_hashes(set(hashes.values())) if hashes else {}
    return [_presented(text, known.get(hashes.get(text or "", ""))) for text in texts]


def _presented(text: str | None, record: KeyRecord | None) -> KeyRecord | KeyFault:
    if text is None or not text.strip():
        return KeyFault.MISSING
    if record is not None and same(text, record.hash):
        return record
    return KeyFault.MISTYPED if text.startswith(KEY) and not well_formed(text) else KeyFault.UNKNOWN


def note_use(keys: Keys, key: KeyRecord, now: datetime) -> None:
    """Note that *key* is being used, at most once a minute: it is for people who clean up."""
    if key.last_used_at is None or (now - key.last_used_at).total_seconds() >= TOUCH_SECONDS:
        keys.touch(key.id, now)

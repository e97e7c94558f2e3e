"""Claims: how a new member comes to a first key, by an address that was mailed to them and works once."""

from datetime import timedelta
from typing import Final

from emeritus.access import keys as secret
from emeritus.access import members
from emeritus.access.keys import IssuedKey
from emeritus.access.ports import Keys
from emeritus.core.clock import Clock, instant, parse_instant
from emeritus.core.errors import NotFound, NotPermitted
from emeritus.record import Log
from emeritus.record.private import Private

CLAIM: Final = "emerclaim_"
LASTS: Final = timedelta(days=30)


def offer(private: Private, clock: Clock, member: str) -> str:
    """Return a new claim for *member*; it is kept as a hash, and works once within 30 days."""
    text = secret.make(CLAIM)
    ends = instant(clock.now() + LASTS)
    private.put(_name(text), {"member": member, "ends_at": ends})
    return text


def claim(log: Log, private: Private, keys: Keys, clock: Clock, text: str) -> IssuedKey:
    """Make the key that a claim stands for; the claim ends.

    Raises:
        NotPermitted: it is none, was used, or is too old. Conflict: the membership has lapsed.
    """
    code = text.strip()
    private.lock(_name(code))
    try:
        told = private.get(_name(code)) if secret.well_formed(code, CLAIM) else None
    except NotFound:
        told = None
    if told is None or parse_instant(str(told["ends_at"])) <= clock.now():
        raise NotPermitted(
            "This address has been used, or is older than 30 days.",
            next_step="Ask for another key: sign in, or write to the steward.",
        )
    issued = members.issue_key(log, keys, clock, str(told["member"]), label="first key")
    private.forget(_name(code))
    return issued


def _name(text: str) -> str:
    return f"claim:{secret.hashed(text)}"

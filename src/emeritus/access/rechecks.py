"""Logins that can be asked about again: what a provider gave for that, sealed, and when it was last used.

It is kept as long as somebody is a member by login, and no longer.
"""

from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from emeritus.access import members
from emeritus.core.clock import instant, parse_instant
from emeritus.core.errors import NotFound
from emeritus.record import Log
from emeritus.record.private import Private

A_WHILE: Final = timedelta(minutes=10)
"""After which a provider that was away is asked again, and a question whose answer was never heard."""


@frozen
class Kept:
    """What is kept of a login: the *sealed* token, and *who* the provider knows them as."""

    sealed: str
    who: str


def keep(private: Private, member: str, kept: Kept, at: datetime) -> None:
    """Keep what was given, or given anew, *at* a moment at which the provider said how they stand."""
    private.put(_name(member), {"sealed": kept.sealed, "who": kept.who, "at": instant(at)})


def due(log: Log, private: Private, now: datetime, every: timedelta) -> list[str]:
    """Return the members by login of whom the provider was last heard *every* ago, or longer."""
    found = [each for each in members.all_members(log, private) if each.active and each.source == "login"]
    return [each.id for each in found if _is_due(private, each.id, now, every)]


def take(private: Private, member: str, now: datetime, every: timedelta) -> Kept | None:
    """Return what to ask with, for one who asks; None when somebody else does already, or nothing is kept."""
    private.lock(_name(member))
    if not _is_due(private, member, now, every):
        return None
    told = private.get(_name(member))
    kept = Kept(str(told["sealed"]), str(told["who"]))
    keep(private, member, kept, now - every + A_WHILE)
    return kept


def forget(private: Private, member: str) -> None:
    """Keep nothing of it any more."""
    private.forget(_name(member))


def _is_due(private: Private, member: str, now: datetime, every: timedelta) -> bool:
    try:
        return now - parse_instant(str(private.get(_name(member))["at"])) >= every
    except NotFound:
        return False


def _name(member: str) -> str:
    return f"member-recheck:{member}"

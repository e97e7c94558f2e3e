"""Joining: memberships that billing, a list or a login tells of, with a letter to whoever joins or leaves."""

from collections.abc import Mapping, Sequence
from typing import Any

from emeritus.access import billing, claims, logins, member_list
from emeritus.access.billing import Event
from emeritus.access.member_list import Difference
from emeritus.access.members import KINDS, Member
from emeritus.access.sources import Known, Settled
from emeritus.core.clock import Clock
from emeritus.core.errors import NotFound
from emeritus.core.people import Actor
from emeritus.process import letters
from emeritus.process.ports import AccessWork, Parts
from emeritus.registry import organisation

_LOOKED = "logins-looked-at"


def bill(work: AccessWork, clock: Clock, site: str, event: Event) -> Settled:
    """Bring a membership to what billing says, and tell the member. Raises as `emeritus.access.billing.take`."""
    settled = billing.take(work.log, work.private, clock, event)
    if settled.member is not None and settled.change == "joined":
        welcome(work, clock, site, settled.member)
    elif settled.member is not None and settled.change == "lapsed":
        farewell(work, site, settled.member)
    return settled


def import_list(
    work: AccessWork,
    clock: Clock,
    site: str,
    told: Difference,
    people: Sequence[Known],
    *,
    by: Actor,
    many: bool = False,
) -> list[Member]:
    """Do what a list says, and tell everybody concerned. Raises as `emeritus.access.member_list.carry_out`."""
    joined = member_list.carry_out(work.log, work.private, clock, told, people, by=by, many=many)
    for member in joined:
        welcome(work, clock, site, member)
    for change in told.changes:
        if change.doing == "lapse" and change.before is not None:
            farewell(work, site, change.before)
    return joined


def hear(work: AccessWork, clock: Clock, site: str, claims: Mapping[str, Any], plan: str | None) -> Settled:
    """Bring a membership by login to what its provider says now, and tell whoever is a member no more."""
    settled = logins.hear(work.log, work.private, clock, claims, plan)
    if settled.member is not None and settled.change == "lapsed":
        farewell(work, site, settled.member)
    return settled


def end_unseen_logins(parts: Parts) -> int:
    """Once a day, end memberships that are known by login alone and have not been seen for too long."""
    if parts.login_lasts is None:
        return 0
    now = parts.clock.now()
    with parts.work() as work:
        try:
            if work.private.get(_LOOKED)["on"] == str(now.date()):
                return 0
        except NotFound:
            pass
        work.private.put(_LOOKED, {"on": str(now.date())})
        return len(logins.end_unseen(work.log, work.private, now, parts.login_lasts))


def welcome(work: AccessWork, clock: Clock, site: str, member: Member) -> None:
    """Mail a member where their key is to be fetched, where an address is known."""
    if member.mail is not None:
        code = claims.offer(work.private, clock, member.id)
        house = organisation(work.log).name
        work.post.send(letters.welcome(member, code, member.mail, house, site, _turn(work, member)))


def farewell(work: AccessWork, site: str, member: Member) -> None:
    """Tell a member that the membership has ended, where an address is known."""
    if member.mail is not None:
        house = organisation(work.log).name
        work.post.send(letters.lapsed(member, member.mail, house, site, _turn(work, member)))


def _turn(work: AccessWork, member: Member) -> int:
    return len(work.log.entries(kinds=KINDS, subject=member.id))

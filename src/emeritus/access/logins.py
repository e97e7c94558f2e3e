"""Logins: what an identity provider says of somebody, and the membership that follows from it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from emeritus.access import members, rechecks, sources
from emeritus.access.members import Member
from emeritus.access.sources import Known, Settled
from emeritus.core.address import mail_address
from emeritus.core.clock import Clock, instant, parse_instant
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.people import Actor, clean_name
from emeritus.record import Log
from emeritus.record.private import Private

LOGIN: Final = Actor("software", "login")


def plan_of(claims: Mapping[str, Any], claim: str, plans: Mapping[str, str]) -> str | None:
    """Return the plan that *claims* give, None where they give none.

    Args:
        claims: those of a checked ID token.
        claim: which of them says so; dots go into objects. A value, or a list of them.
        plans: which plan each value stands for, the first that is met; empty: the first value is the plan.
    """
    value: Any = claims
    for part in claim.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    values = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
    if plans:
        return next((plans[each] for each in values if each in plans), None)
    shown = [each.strip() for each in values if each.strip() and len(each) <= 80 and each.isprintable()]
    return shown[0] if shown else None


def log_in(log: Log, private: Private, clock: Clock, claims: Mapping[str, Any], plan: str | None) -> Settled:
    """Bring a membership to what a login says, and return whose it is.

    Whoever is a member by billing or a list, with the same address, and has had it verified, is that member;
    what billing and lists say of them stays.
    """
    external = f"{claims['iss']}\n{claims['sub']}"
    mail = _verified_mail(claims)
    if sources.find(log, private, "login", external) is None and mail is not None:
        elsewhere = members.by_mail(log, private, mail)
        if elsewhere is not None and elsewhere.active:
            sources.link(private, "login", external, elsewhere.id)
    settled = sources.settle(
        log, private, clock, "login", Known(external, _name(claims), plan, mail), by=LOGIN
    )
    if settled.member is not None:
        private.put(_seen(settled.member.id), {"at": instant(clock.now())})
    return settled


def hear(log: Log, private: Private, clock: Clock, claims: Mapping[str, Any], plan: str | None) -> Settled:
    """Bring a membership by login to what the provider says when it is asked again; as if they had logged in.

    Only the plan counts: who they are they say themselves, when they log in.
    """
    external = f"{claims['iss']}\n{claims['sub']}"
    standing = sources.find(log, private, "login", external)
    if standing is None:
        return Settled(None)
    known = Known(external, standing.name, plan, standing.mail)
    settled = sources.settle(log, private, clock, "login", known, by=LOGIN)
    private.put(_seen(standing.id), {"at": instant(clock.now())})
    return settled


def end_unseen(log: Log, private: Private, now: datetime, after: timedelta) -> list[Member]:
    """End the memberships that are known by login alone, and of whom nobody logged in for *after*."""
    ended = []
    for member in members.all_members(log, private):
        if member.active and member.source == "login" and now - _last_seen(private, member, now) >= after:
            members.lapse(log, member.id, LOGIN)
            rechecks.forget(private, member.id)
            ended.append(member)
    return ended


def _last_seen(private: Private, member: Member, now: datetime) -> datetime:
    try:
        return parse_instant(str(private.get(_seen(member.id))["at"]))
    except NotFound:
        return now


def _seen(member: str) -> str:
    return f"member-seen:{member}"


def _name(claims: Mapping[str, Any]) -> str:
    for claim in ("name", "preferred_username"):
        try:
            return clean_name(str(claims.get(claim) or ""))
        except InvalidInput:
            continue
    return "Member"


def _verified_mail(claims: Mapping[str, Any]) -> str | None:
    if claims.get("email_verified") is not True:
        return None
    try:
        return mail_address(str(claims.get("email") or ""))
    except InvalidInput:
        return None

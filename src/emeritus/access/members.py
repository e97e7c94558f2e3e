"""Members: people who pay for the service, and therefore keep using retired models with nothing to ask for.

Who they are is private. The record says that somebody joined or lapsed, bound to the private facts by a
salted commitment.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import frozen

from emeritus.access import keys as api_keys
from emeritus.access.ports import Keys
from emeritus.core.address import mail_address
from emeritus.core.clock import Clock
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.ids import new_id
from emeritus.core.people import Actor, clean_name
from emeritus.record import Act, Entry, Log
from emeritus.record.private import Private

KINDS = frozenset({"member.joined", "member.changed", "member.lapsed"})
Source = Literal["steward", "billing", "login", "list"]
"""Where it is known from that somebody is a member; it alone ends the membership, or a steward."""


@frozen
class Member:
    """A member. *active* follows from the record, the rest is private."""

    id: str
    name: str
    plan: str
    active: bool
    mail: str | None = None
    source: Source = "steward"


def join(
    log: Log,
    private: Private,
    clock: Clock,
    *,
    name: str,
    plan: str,
    by: Actor,
    member: str | None = None,
    mail: str | None = None,
    source: Source = "steward",
) -> Member:
    """Let somebody in; back in, or over to another plan, when *member* names somebody who was here.

    Whoever joined already, as this, stays as they are.

    Raises:
        InvalidInput: no name, no plan, or a mail address that is none.
        NotFound: *member* names nobody.
    """
    facts: dict[str, Any] = {"name": clean_name(name), "plan": plan.strip()}
    if not facts["plan"] or len(facts["plan"]) > 80 or not facts["plan"].isprintable():
        raise InvalidInput("The plan is missing or not plain text.", next_step="Name it, such as 'standard'.")
    facts |= {"mail": mail_address(mail)} if mail else {}
    facts |= {"source": source} if source != "steward" else {}
    history = [] if member is None else _history(log, member)
    stands = bool(history) and _is_active(history[-1])
    who = member or new_id("member", clock.now())
    if stands and known(private, history[-1]) == facts:
        return _member(who, facts, active=True)
    turn = len(history)
    committed = private.put(f"member:{who}:{turn}", facts)
    if facts.get("mail"):
        private.put(_mail(facts["mail"]), {"member": who})
    body = {"commitment": committed, "turn": turn}
    key = f"member:{who}:{turn}"
    if stands:
        log.append(Act("member.changed", body, by, None, who, key))
    else:
        log.append(Act("member.joined", body, by, None, who, key))
    return _member(who, facts, active=True)


def lapse(log: Log, member: str, by: Actor) -> Entry:
    """End a membership; it ends with the next call. Who lapsed already stays so. Raises NotFound."""
    history = _history(log, member)
    if not _is_active(history[-1]):
        return history[-1]
    turn = len(history)
    body = {"commitment": history[-1].body["commitment"], "turn": turn}
    return log.append(Act("member.lapsed", body, by, None, member, f"member:{member}:{turn}"))


def get_member(log: Log, private: Private, member: str) -> Member:
    """Return a member. Raises NotFound, also when who they were has been forgotten."""
    history = _history(log, member)
    facts = private.get(_fact(next(e for e in reversed(history) if _is_active(e))))
    return _member(member, facts, active=_is_active(history[-1]))


def by_mail(log: Log, private: Private, mail: str) -> Member | None:
    """Return the member who has that address now; None where nobody has."""
    try:
        found = get_member(log, private, str(private.get(_mail(mail_address(mail)))["member"]))
    except (NotFound, InvalidInput):
        return None
    return found if found.mail == mail_address(mail) else None


def _mail(address: str) -> str:
    return f"member-mail:{sha256(address.casefold().encode())[:40]}"


def all_members(log: Log, private: Private) -> list[Member]:
    """Return everybody who is or was a member and has not been forgotten, in the order in which they came."""
    told: dict[str, tuple[Entry, bool]] = {}
    for entry in log.entries(kinds=KINDS):
        who, active = entry.subject or "", _is_active(entry)
        told[who] = (entry if active else told[who][0], active)
    return [
        _member(who, facts, active=active)
        for who, (entry, active) in told.items()
        if (facts := known(private, entry)) is not None
    ]


def _member(who: str, facts: Mapping[str, Any], *, active: bool) -> Member:
    return Member(
        who, facts["name"], facts["plan"], active, facts.get("mail"), facts.get("source", "steward")
    )


def _is_active(entry: Entry) -> bool:
    return entry.kind != "member.lapsed"


def active_members(entries: Iterable[Entry]) -> dict[str, bool]:
    """Fold the entries of `KINDS`: for each member, whether they are one now."""
    return {entry.subject or "": _is_active(entry) for entry in entries}


def issue_key(log: Log, keys: Keys, clock: Clock, member: str, *, label: str = "") -> api_keys.IssuedKey:
    """Make a key for a member. It works at once, for every model that members may reach.

    Raises:
        NotFound: no such member.
        Conflict: the membership has lapsed.
    """
    if not _is_active(_history(log, member)[-1]):
        raise Conflict("This membership has lapsed.", next_step="Renew it first, then make the key.")
    return api_keys.issue(keys, clock, holder=member, kind="member", label=label)


def known(private: Private, entry: Entry) -> Mapping[str, Any] | None:
    """Return what an entry of `KINDS` that is no lapse is about; None once that was forgotten."""
    try:
        return private.get(_fact(entry))
    except NotFound:
        return None


def _fact(entry: Entry) -> str:
    return f"member:{entry.subject}:{entry.body['turn']}"


def _history(log: Log, member: str) -> list[Entry]:
    history = list(log.entries(kinds=KINDS, subject=member))
    if not history:
        raise NotFound(
            f"There is no member {member[:80]!r}.",
            next_step="Add one: `emeritus access join NAME --plan PLAN`.",
        )
    return history

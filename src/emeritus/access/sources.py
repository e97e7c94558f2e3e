"""Where members come from: who somebody is elsewhere, and what that says of their membership here.

A customer of the billing, a login and a row of a list are each told apart by a name that is theirs there.
That name is private; here it is kept beside the member that it stands for.
"""

from attrs import frozen

from emeritus.access import members
from emeritus.access.members import Member, Source
from emeritus.core.clock import Clock
from emeritus.core.digests import sha256
from emeritus.core.errors import NotFound
from emeritus.core.people import Actor
from emeritus.record import Log
from emeritus.record.private import Private


@frozen
class Known:
    """Somebody as a source knows them. *plan* is None for one who has none (any more)."""

    external: str
    name: str
    plan: str | None
    mail: str | None = None


@frozen
class Settled:
    """What became of a membership: *change* is ``joined``, ``changed``, ``lapsed`` or nothing."""

    member: Member | None
    change: str = ""


def find(log: Log, private: Private, source: Source, external: str) -> Member | None:
    """Return whom *source* knows as *external*; None for somebody new, or forgotten."""
    try:
        return members.get_member(log, private, private.get(_name(source, external))["member"])
    except NotFound:
        return None


def link(private: Private, source: Source, external: str, member: str) -> None:
    """Have *external* of *source* stand for *member* from now on."""
    private.put(_name(source, external), {"member": member, "source": source, "external": external})


def settle(log: Log, private: Private, clock: Clock, source: Source, known: Known, *, by: Actor) -> Settled:
    """Bring a membership to what *source* says of it now. Doing it again changes nothing.

    A membership that is known from elsewhere is neither ended nor changed by this source.

    Raises:
        InvalidInput: a name, plan or address that cannot be.
    """
    standing = find(log, private, source, known.external)
    if standing is not None and standing.active and standing.source != source:
        return Settled(standing)
    if known.plan is None:
        if standing is None or not standing.active:
            return Settled(standing)
        members.lapse(log, standing.id, by)
        return Settled(members.get_member(log, private, standing.id), "lapsed")
    size = log.size()
    member = members.join(
        log,
        private,
        clock,
        name=known.name,
        plan=known.plan,
        mail=known.mail,
        source=source,
        member=None if standing is None else standing.id,
        by=by,
    )
    if standing is None:
        link(private, source, known.external, member.id)
    if log.size() == size:
        return Settled(member)
    return Settled(member, "changed" if standing is not None and standing.active else "joined")


def _name(source: Source, external: str) -> str:
    return f"member-of:{source}:{sha256(external.encode('utf-8', 'surrogatepass'))[:40]}"

"""Members: people who pay for the service, and therefore keep using retired models with nothing to ask for.

Who they are is private. The record says that somebody joined or lapsed, bound to the private facts by a
salted commitment.
"""

from collections.abc import Iterable

from attrs import frozen

from emeritus.access import keys as api_keys
from emeritus.access.ports import Keys
from emeritus.core.clock import Clock
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.ids import new_id
from emeritus.core.people import Actor, clean_name
from emeritus.record import Act, Entry, Log
from emeritus.record.private import Private

KINDS = frozenset({"member.joined", "member.lapsed"})


@frozen
class Member:
    """A member. *active* follows from the record, the rest is private."""

    id: str
    name: str
    plan: str
    active: bool


def join(
    log: Log, private: Private, clock: Clock, *, name: str, plan: str, by: Actor, member: str | None = None
) -> Member:
    """Let somebody in, or back in when *member* names one who lapsed. Who joined already stays as they are.

    Raises:
        InvalidInput: no name or no plan.
        NotFound: *member* names nobody.
    """
    facts = {"name": clean_name(name), "plan": plan.strip()}
    if not facts["plan"] or len(facts["plan"]) > 80 or not facts["plan"].isprintable():
        raise InvalidInput("The plan is missing or not plain text.", next_step="Name it, such as 'standard'.")
    history = [] if member is None else _history(log, member)
    if history and history[-1].kind == "member.joined" and private.get(_fact(history[-1])) == facts:
        return Member(history[-1].subject or "", facts["name"], facts["plan"], active=True)
    who = member or new_id("member", clock.now())
    turn = len(history)
    committed = private.put(f"member:{who}:{turn}", facts)
    log.append(
        Act("member.joined", {"commitment": committed, "turn": turn}, by, None, who, f"member:{who}:{turn}")
    )
    return Member(who, facts["name"], facts["plan"], active=True)


def lapse(log: Log, member: str, by: Actor) -> Entry:
    """End a membership; it ends with the next call. Who lapsed already stays so. Raises NotFound."""
    history = _history(log, member)
    if history[-1].kind == "member.lapsed":
        return history[-1]
    turn = len(history)
    body = {"commitment": history[-1].body["commitment"], "turn": turn}
    return log.append(Act("member.lapsed", body, by, None, member, f"member:{member}:{turn}"))


def get_member(log: Log, private: Private, member: str) -> Member:
    """Return a member. Raises NotFound, also when who they were has been forgotten."""
    history = _history(log, member)
    facts = private.get(_fact(next(e for e in reversed(history) if e.kind == "member.joined")))
    return Member(member, facts["name"], facts["plan"], history[-1].kind == "member.joined")


def active_members(entries: Iterable[Entry]) -> dict[str, bool]:
    """Fold the entries of `KINDS`: for each member, whether they are one now."""
    return {entry.subject or "": entry.kind == "member.joined" for entry in entries}


def issue_key(log: Log, keys: Keys, clock: Clock, member: str, *, label: str = "") -> api_keys.IssuedKey:
    """Make a key for a member. It works at once, for every model that members may reach.

    Raises:
        NotFound: no such member.
        Conflict: the membership has lapsed.
    """
    if _history(log, member)[-1].kind == "member.lapsed":
        raise Conflict("This membership has lapsed.", next_step="Renew it first, then make the key.")
    return api_keys.issue(keys, clock, holder=member, kind="member", label=label)


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

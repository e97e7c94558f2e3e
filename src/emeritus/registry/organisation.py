"""The organisation that keeps this house, and the people who act in it."""

from collections.abc import Collection
from typing import Literal

from attrs import evolve, frozen

from emeritus.core.errors import Conflict, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.core.zones import zone as find_zone
from emeritus.record import Act, Entry, Log

Role = Literal["steward", "reviewer"]
ROLES: tuple[Role, ...] = ("steward", "reviewer")
PEOPLE_KINDS = frozenset({"person.added", "person.revised", "person.left"})
DEFAULT_NOTICE_DAYS = 60


@frozen
class Organisation:
    """Who runs this.

    *notice_days* is the promise: a model is retired no sooner than that after it was announced.
    *demo* says that scripts may stand in for people here; every page of a demo says so. *zone* is where its
    days are counted: the weeks of a column, the day by which a commitment is due, the period of a budget.
    """

    name: str
    notice_days: int
    demo: bool
    zone: str = "UTC"


@frozen
class Person:
    """Somebody who may act, under the name that stands on the record."""

    actor: Actor
    roles: tuple[Role, ...]


def found(log: Log, organisation: Organisation, verify_key: str) -> Entry:
    """Write the first entry: whose record this is, and which key signs it."""
    if not organisation.name.strip():
        raise InvalidInput("The organisation has no name.", next_step="Name it: --name 'Example Lab'.")
    _check_notice(organisation.notice_days)
    body = {
        "name": organisation.name,
        "notice_days": organisation.notice_days,
        "demo": organisation.demo,
        "verify_key": verify_key,
    }
    return log.append(Act("organisation.founded", body, SOFTWARE, key="organisation.founded"))


def organisation(log: Log, at: int | None = None) -> Organisation:
    """Return the organisation, as of now or as of the entry *at*. Raises NotFound before it was founded."""
    entry = log.find("organisation.founded")
    if entry is None:
        raise NotFound(
            "There is no house here yet.", next_step="Run `emeritus init --name 'YOUR ORGANISATION'`."
        )
    here = Organisation(entry.body["name"], entry.body["notice_days"], entry.body["demo"])
    for revised in log.entries(kinds={"organisation.revised"}, newest_first=True):
        if at is None or revised.seq <= at:
            return evolve(here, notice_days=revised.body["notice_days"], zone=revised.body["zone"])
    return here


def revise_organisation(
    log: Log, *, why: str, by: Actor, notice_days: int | None = None, zone: str | None = None
) -> Entry:
    """Change what the organisation promises from now on; notices that were given keep the promise of their day.

    Raises:
        InvalidInput: no reason, or a period or a zone that cannot be.
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "change what is promised"), "steward", "change what is promised")
    if not why.strip():
        raise InvalidInput("The reason is missing.", next_step="Say why, for the public: --why '…'.")
    here = organisation(log)
    wanted = evolve(
        here,
        notice_days=here.notice_days if notice_days is None else notice_days,
        zone=here.zone if zone is None else zone,
    )
    _check_notice(wanted.notice_days)
    find_zone(wanted.zone)
    made = log.entries(kinds={"organisation.revised"})
    if wanted == here:
        return made[-1] if made else log.get(0)
    body = {
        "notice_days": wanted.notice_days,
        "zone": wanted.zone,
        "why": why.strip(),
        "revises": made[-1].seq if made else None,
    }
    return log.append(Act("organisation.revised", body, by, key=f"organisation.revised:{len(made)}"))


def _check_notice(days: int) -> None:
    if not 0 <= days <= 3650:
        raise InvalidInput(
            f"A notice period of {days} days cannot be promised.",
            next_step="Promise between 0 and 3650 days; 60 is usual.",
        )


def add_person(log: Log, actor: Actor, roles: Collection[Role], by: Actor, why: str = "") -> Person:
    """Let *actor* act in *roles*, beside those that they have. A script is let in only where the house is a demo.

    Raises:
        NotPermitted: a script, in a real house.
        InvalidInput: no role.
    """
    if actor.is_scripted and not organisation(log).demo:
        raise NotPermitted(
            "A script cannot stand in for a person here.", next_step="Add the person who will act."
        )
    if not roles:
        raise _no_roles(roles)
    wanted = _ordered(roles)
    if not _history(log, actor):
        body = {"person": str(actor), "roles": list(wanted)}
        log.append(Act("person.added", body, by, key=f"person.added:{actor}"))
        return Person(actor, wanted)
    standing = find_person(log, actor)
    return _revise(log, actor, _ordered({*wanted, *(standing.roles if standing else ())}), by, why)


def revise_person(log: Log, actor: Actor, roles: Collection[Role], *, why: str, by: Actor) -> Person | None:
    """Have *actor* act in exactly *roles* from now on; in none: they leave, and what they did stays.

    Return None for somebody who left. Doing it again changes nothing.

    Raises:
        NotPermitted: *by* is no steward. InvalidInput: no reason, or no such role.
        NotFound: nobody here is called so. Conflict: there would be no steward any more.
    """
    acting(log, require_person(by, "say who acts here"), "steward", "say who acts here")
    if not why.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public: --why '…'.")
    wanted = _ordered(roles)
    standing = find_person(log, actor)
    if standing is None:
        here = ", ".join(each.actor.name for each in people(log)) or "nobody yet"
        raise NotFound(f"Nobody here is called {actor.name!r}.", next_step=f"Those who are here: {here}.")
    others = [each for each in people(log) if each.actor != actor and "steward" in each.roles]
    if "steward" in standing.roles and "steward" not in wanted and not others:
        raise Conflict(
            f"{actor.name} is the only steward, and a house needs one.",
            next_step="Add another steward first: `emeritus person add 'NAME' --role steward`.",
        )
    if wanted:
        return _revise(log, actor, wanted, by, why)
    body = {"person": str(actor), "why": why.strip()}
    log.append(Act("person.left", body, by, None, str(actor), f"person:{actor}:{len(_history(log, actor))}"))
    return None


def _revise(log: Log, actor: Actor, wanted: tuple[Role, ...], by: Actor, why: str) -> Person:
    standing = find_person(log, actor)
    if standing is None or standing.roles != wanted:
        body = {"person": str(actor), "roles": list(wanted), "why": why.strip()}
        key = f"person:{actor}:{len(_history(log, actor))}"
        log.append(Act("person.revised", body, by, None, str(actor), key))
    return Person(actor, wanted)


def _history(log: Log, actor: Actor) -> list[Entry]:
    return [entry for entry in log.entries(kinds=PEOPLE_KINDS) if entry.body["person"] == str(actor)]


def _ordered(roles: Collection[Role]) -> tuple[Role, ...]:
    if not set(roles) <= set(ROLES):
        raise _no_roles(roles)
    return tuple(role for role in ROLES if role in roles)


def _no_roles(roles: Collection[str]) -> InvalidInput:
    return InvalidInput(
        f"{', '.join(roles) or 'Nothing'} is no set of roles.", next_step=f"Choose from: {', '.join(ROLES)}."
    )


def people(log: Log) -> list[Person]:
    """Return everybody who may act now, in the order in which they came."""
    found: dict[str, tuple[Role, ...]] = {}
    for entry in log.entries(kinds=PEOPLE_KINDS):
        found[entry.body["person"]] = tuple(entry.body.get("roles", ()))
    return [Person(Actor.parse(name), roles) for name, roles in found.items() if roles]


def find_person(log: Log, actor: Actor) -> Person | None:
    """Return what *actor* may do here now, or None when that is nothing."""
    return next((each for each in people(log) if each.actor == actor), None)


def acting(log: Log, actor: Actor, role: Role, act: str) -> Actor:
    """Return *actor* when they may act in *role*.

    Raises:
        NotPermitted: they may not; the sentence says who may.
    """
    able = [person.actor for person in people(log) if role in person.roles]
    if actor in able:
        return actor
    names = ", ".join(f"{one.name} (a script)" if one.is_scripted else one.name for one in able)
    raise NotPermitted(
        f"{actor.name} is not a {role} here, so cannot {act}; those who are: {names or 'nobody yet'}.",
        next_step=f"Ask one of them, or add a person: `emeritus person add 'NAME' --role {role}`.",
    )

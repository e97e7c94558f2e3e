"""Grants: access for one applicant to some models, for a time. Made, used by key, revoked; never edited."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from emeritus.access import keys as api_keys
from emeritus.access.applications import (
    Application,
    another_person,
    get_application,
    refuse,
)
from emeritus.access.objections import objections
from emeritus.access.policy import policy
from emeritus.access.ports import Keys
from emeritus.core.clock import Clock, instant, parse_instant
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting

KINDS = frozenset({"grant.made", "grant.revoked"})
DEFAULT_DAYS: Final = 365
LONGEST_DAYS: Final = 3653
MOST_A_MINUTE: Final = 100_000
BY_ITSELF: Final = "Nothing speaks against it: the policy is to grant."


@frozen
class Grant:
    """Access for an applicant.

    *budget* is in tokens, in and out together, and *rate* in calls a minute, for all its keys together; None
    for no bound.

    *against_policy* names the models that the policy kept closed when a person granted them all the same.
    *weights* says that it is for their weights too, as far as those are handed out.
    """

    id: str
    application: str
    models: tuple[str, ...]
    made_at: datetime
    expires_at: datetime
    by: Actor
    reason: str
    budget: int | None = None
    rate: int | None = None
    against_policy: tuple[str, ...] = ()
    weights: bool = False
    revoked_at: datetime | None = None
    revoked_why: str = ""

    def lives(self, now: datetime) -> bool:
        """Tell whether it can be used at *now*."""
        return self.revoked_at is None and now < self.expires_at


def decide_application(
    log: Log,
    clock: Clock,
    application: str,
    *,
    grant: bool,
    reason: str,
    by: Actor,
    days: int = DEFAULT_DAYS,
    budget: int | None = None,
    rate: int | None = None,
    models: Sequence[str] | None = None,
    weights: bool = False,
    rules: str | None = None,
) -> Application:
    """Answer an application. The software may grant what nothing speaks against; all else takes a steward.

    Args:
        grant: yes or no; no needs a *reason* of substance, and can be appealed once.
        days: how long the grant lasts.
        budget: how many tokens it may use altogether; None for no bound.
        rate: how many calls a minute it may make; None for no bound.
        models: to grant some of the models that were applied for; None for all of them.
        weights: whether the weights are handed out too, where the application asks for them.
        rules: the digest of the rules by which the software found that nothing speaks against it.

    Raises:
        NotFound: no such application.
        InvalidInput: no reason; an impossible length, budget or rate; models or weights that nobody asked for.
        Conflict: it was decided otherwise already.
        NotPermitted: this takes a steward.
    """
    if not grant:
        return refuse(log, application, reason=reason, by=by)
    standing = get_application(log, application)
    if standing.status == "granted":
        return standing
    if not standing.open:
        raise Conflict(
            f"{application} was refused{' for good' if standing.appeals else ''}.",
            next_step="The applicant can appeal once, or apply again; then it can be granted.",
        )
    if by.kind not in ("person", "script") and not objections(log, standing):
        reason = reason.strip() or BY_ITSELF
    else:
        acting(log, require_person(by, "grant this"), "steward", "decide on applications")
        another_person(log, standing, by)
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    chosen = standing.models if models is None else tuple(name for name in standing.models if name in models)
    if not chosen or (models is not None and not set(models) <= set(standing.models)):
        raise InvalidInput(
            f"{application} asks for {', '.join(standing.models)}.", next_step="Grant one or more of these."
        )
    if (
        not 1 <= days <= LONGEST_DAYS
        or (budget is not None and not 1 <= budget < 2**53)
        or (rate is not None and not 1 <= rate <= MOST_A_MINUTE)
    ):
        raise InvalidInput(
            "A grant lasts 1 to 3653 days, a budget is a number of tokens, a rate 1 to 100000 calls a minute.",
            next_step="Correct these.",
        )
    if weights and not standing.weights:
        raise InvalidInput(
            f"{application} does not ask for the weights.", next_step="Grant the calls that it asks for."
        )
    number = application.removeprefix("application-")
    body = {
        "grant": f"grant-{number}",
        "application": application,
        "models": list(chosen),
        "expires_at": instant(clock.now() + timedelta(days=days)),
        "budget": budget,
        "rate": rate,
        "reason": reason.strip(),
        "against_policy": [name for name in chosen if policy(log, name).tier == "none"],
        "weights": weights,
        "rules": rules,
    }
    model = standing.models[0] if len(standing.models) == 1 else None
    key = f"application.decided:{standing.appeals}:{application}"  # one answer a round, whoever comes first
    log.append(Act("grant.made", body, by, model, application, key))
    return get_application(log, application)


def get_grant(log: Log, grant: str) -> Grant:
    """Return a grant. Raises NotFound."""
    application = grant.replace("grant-", "application-", 1)
    made = log.entries(kinds={"grant.made"}, subject=application) if application != grant else ()
    if not made:
        raise NotFound(f"There is no grant {grant[:80]!r}.", next_step="Copy its whole id: grant-…")
    return fold([*made, *log.entries(kinds={"grant.revoked"}, subject=grant)])[grant]


def revoke_grant(log: Log, grant: str, *, reason: str, by: Actor) -> Grant:
    """End a grant; it ends with the next call. Ending it again changes nothing.

    Raises:
        NotFound: no such grant.
        InvalidInput: no reason.
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "revoke a grant"), "steward", "revoke a grant")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one: its holder and the public read it.")
    standing = get_grant(log, grant)
    if standing.revoked_at is None:
        model = standing.models[0] if len(standing.models) == 1 else None
        log.append(
            Act("grant.revoked", {"reason": reason.strip()}, by, model, grant, f"grant.revoked:{grant}")
        )
    return get_grant(log, grant)


def issue_key(log: Log, keys: Keys, clock: Clock, grant: str, *, label: str = "") -> api_keys.IssuedKey:
    """Make a key for a grant. The keys that it had end: whoever lost one asks for another.

    Raises:
        NotFound: no such grant.
        Conflict: it has expired or was revoked.
    """
    standing = get_grant(log, grant)
    if not standing.lives(clock.now()):
        raise Conflict(f"{grant} has ended.", next_step="Apply again.")
    earlier = [key for key in keys.all() if key.holder == grant and key.revoked_at is None]
    fresh = api_keys.issue(
        keys, clock, holder=grant, kind="grant", label=label, expires_at=standing.expires_at
    )
    for key in earlier:
        keys.revoke(key.id, clock.now())
    return fresh


def fold(entries: Iterable[Entry]) -> dict[str, Grant]:
    """Read the entries of `KINDS`: every grant by id."""
    grants: dict[str, Grant] = {}
    for entry in entries:
        if entry.kind == "grant.made":
            body = entry.body
            grants[body["grant"]] = Grant(
                id=body["grant"],
                application=body["application"],
                models=tuple(body["models"]),
                made_at=entry.at,
                expires_at=parse_instant(body["expires_at"]),
                by=entry.by,
                reason=body["reason"],
                budget=body["budget"],
                rate=body.get("rate"),
                against_policy=tuple(body["against_policy"]),
                weights=body.get("weights", False),
            )
        elif (made := grants.get(entry.subject or "")) is not None:
            grants[made.id] = evolve(made, revoked_at=entry.at, revoked_why=entry.body["reason"])
    return grants

"""Policies: for each model, who may reach it. They change only by a decision that is on the record."""

from datetime import date, datetime, timedelta
from typing import Final

from attrs import frozen

from emeritus.core.clock import Clock, parse_date
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.ledger.aftercare import TIERS, Tier
from emeritus.record import Act, Entry, Log
from emeritus.registry.model import Model, State, all_models, get_model
from emeritus.registry.organisation import acting

LONGEST: Final = timedelta(days=3650)
"""Access is looked at again at least so often."""
IN_SERVICE = "It is in service: members use it, others may apply."
UNDECIDED = "Nothing has been decided about access to it yet: whoever finds value in it may apply."


@frozen
class Policy:
    """Who may reach a model, and why. Access widens: ``none``, ``on-request``, ``members``, ``public``.

    *decided_entry* is the entry of the decision; None for what holds as long as nobody has decided.
    """

    model: str
    tier: Tier
    reason: str
    review_on: date | None = None
    decided_entry: int | None = None

    def due(self, today: date) -> bool:
        """Tell whether the day has come on which it was to be looked at again."""
        return self.review_on is not None and self.review_on <= today


@frozen
class Decided:
    """A policy that was put into effect: by whom it was decided, and when. *entry* is the decision's."""

    policy: Policy
    by: Actor
    at: datetime
    entry: int


def decide_policy(
    log: Log, clock: Clock, model: str, *, tier: Tier, reason: str, review_on: date, by: Actor
) -> Policy:
    """Decide anew who may reach a model, and put it into effect at once, whatever the model's state is.

    Deciding the same for a later day says that it was looked at again. What holds from the day of a
    retirement on is decided with `emeritus.ledger.decide_aftercare`, and takes effect then.

    Raises:
        NotFound: no such model. NotPermitted: *by* is no steward.
        InvalidInput: an unknown tier, no reason, or a day of review that has passed or is too far away.
    """
    acting(log, require_person(by, "decide on access"), "steward", "decide who may reach a model")
    get_model(log, model)
    if tier not in TIERS:
        raise _no_tier(tier)
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    today = clock.now().date()
    if not today < review_on <= today + LONGEST:
        raise InvalidInput(
            f"Access cannot be looked at again on {review_on}.",
            next_step=f"Name a day after today, and within {LONGEST.days // 365} years.",
        )
    standing = policy(log, model)
    if standing.decided_entry is not None and (standing.tier, standing.reason, standing.review_on) == (
        tier,
        reason.strip(),
        review_on,
    ):
        return standing
    body = {
        "tier": tier,
        "reason": reason.strip(),
        "review_on": review_on.isoformat(),
        "revises": standing.decided_entry,
    }
    turn = len(log.entries(model=model, kinds={"access.decided"}))
    decided = log.append(Act("access.decided", body, by, model, model, f"access.decided:{model}:{turn}"))
    return set_policy(
        log, model, tier=tier, reason=reason, review_on=review_on, decision_entry=decided.seq, by=by
    )


def set_policy(
    log: Log, model: str, *, tier: Tier, reason: str, review_on: date, decision_entry: int, by: Actor
) -> Policy:
    """Put a decision on access into effect, from this moment on, whatever the model's state is.

    For a decision about the time after retirement, call it on the day of retirement.

    Args:
        decision_entry: the entry with which a person decided this; *by* may be the software that carries
            it out.

    Raises:
        NotFound: there is no such model, or no such entry.
        InvalidInput: an unknown tier, no reason, or an entry that decided something else.
    """
    get_model(log, model)
    if tier not in TIERS:
        raise _no_tier(tier)
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    decision = log.get(decision_entry)
    decided = decision.body.get("tier", tier)
    if (
        decision.kind not in ("aftercare.decided", "decision.made", "access.decided")
        or decision.model != model
        or decided != tier
    ):
        raise InvalidInput(
            f"Entry {decision_entry} does not decide that access to {model} is {tier}.",
            next_step="Decide on access first; a policy only carries a decision out.",
        )
    body = {
        "tier": tier,
        "reason": reason.strip(),
        "review_on": review_on.isoformat(),
        "decision": decision_entry,
    }
    entry = log.append(Act("policy.set", body, by, model, model, f"policy.set:{model}:{decision_entry}"))
    return policy_of(entry)


def policy(log: Log, model_id: str) -> Policy:
    """Return the policy that holds for a model. Raises NotFound for a model that is not there."""
    model = get_model(log, model_id)
    found = log.entries(model=model_id, kinds={"policy.set"}, newest_first=True, limit=1)
    return policy_of(found[0]) if found else default_policy(model)


def policy_history(log: Log, model_id: str) -> list[Decided]:
    """Return every policy that was decided for a model, the newest first. Raises NotFound."""
    get_model(log, model_id)
    found = []
    for entry in log.entries(model=model_id, kinds={"policy.set"}, newest_first=True):
        decision = log.get(entry.body["decision"])
        found.append(Decided(policy_of(entry), decision.by, entry.at, decision.seq))
    return found


def to_review(log: Log, today: date) -> list[Policy]:
    """Return the policies whose day of review has come, those that have waited longest first."""
    due = [found for model in all_models(log) if (found := policy(log, model.id)).due(today)]
    return sorted(due, key=lambda each: (each.review_on or today, each.model))


def policy_of(entry: Entry) -> Policy:
    """Read a ``policy.set`` entry."""
    return Policy(
        model=entry.model or "",
        tier=entry.body["tier"],
        reason=entry.body["reason"],
        review_on=parse_date(entry.body["review_on"]),
        decided_entry=entry.body["decision"],
    )


def default_policy(model: Model) -> Policy:
    """Return what holds as long as nobody has decided."""
    if model.state is State.RETIRED:
        return Policy(model.id, "on-request", UNDECIDED)
    return Policy(model.id, "members", IN_SERVICE)


def _no_tier(tier: str) -> InvalidInput:
    return InvalidInput(f"{tier[:40]!r} is no access tier.", next_step=f"Choose from: {', '.join(TIERS)}.")

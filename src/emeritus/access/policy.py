"""Policies: for each model, who may reach it. They change only by a decision that is on the record."""

from datetime import date

from attrs import frozen

from emeritus.core.clock import parse_date
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor
from emeritus.ledger.aftercare import TIERS, Tier
from emeritus.record import Act, Entry, Log
from emeritus.registry.model import Model, State, get_model

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
        raise InvalidInput(f"{tier[:40]!r} is no access tier.", next_step=f"Choose from: {', '.join(TIERS)}.")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    decision = log.get(decision_entry)
    decided = decision.body.get("tier", tier)
    if (
        decision.kind not in ("aftercare.decided", "decision.made")
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

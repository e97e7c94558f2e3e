"""Downloads: for each model, who may have its weights. That is decided apart from who may call it.

A call can be refused tomorrow; weights that were handed out cannot be called back. So nothing follows from
the policy on calls: until a steward decides otherwise, weights are handed to nobody.
"""

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.ledger.aftercare import TIERS, Tier
from emeritus.record import Act, Entry, Log
from emeritus.registry.erasure import require_weights
from emeritus.registry.model import get_model
from emeritus.registry.organisation import acting

KINDS = frozenset({"download.decided"})
UNDECIDED: Final = "Nothing has been decided about handing out its weights; until then they stay here."


@frozen
class DownloadPolicy:
    """Who may have a model's weights, and why. *entry* and *by* are None as long as nobody has decided."""

    model: str
    tier: Tier = "none"
    reason: str = UNDECIDED
    by: Actor | None = None
    entry: int | None = None


def decide_downloads(log: Log, model: str, *, tier: Tier, reason: str, by: Actor) -> DownloadPolicy:
    """Decide who may have the weights, from this moment on. Saying the same again changes nothing.

    Raises:
        NotFound: no such model.
        InvalidInput: an unknown tier, no reason, or a model whose weights are not held here.
        WeightsErased: the law demanded that they be erased.
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "hand out weights"), "steward", "decide who may have the weights")
    if tier not in TIERS:
        raise InvalidInput(f"{tier[:40]!r} is no access tier.", next_step=f"Choose from: {', '.join(TIERS)}.")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    if not require_weights(get_model(log, model)).held:
        raise InvalidInput(
            f"The weights of {model} are not held here.",
            next_step="Only its words can be given: see its page.",
        )
    history = log.entries(model=model, kinds=KINDS)
    body = {"tier": tier, "reason": reason.strip()}
    if not history or dict(history[-1].body) != body:
        log.append(
            Act("download.decided", body, by, model, model, f"download.decided:{model}:{len(history)}")
        )
    return download_policy(log, model)


def download_policy(log: Log, model: str) -> DownloadPolicy:
    """Return what holds for a model."""
    found = log.entries(model=model, kinds=KINDS, newest_first=True, limit=1)
    return fold(found).get(model, DownloadPolicy(model))


def fold(entries: Iterable[Entry]) -> dict[str, DownloadPolicy]:
    """Read the entries of `KINDS`: what holds for each model that somebody decided on."""
    return {
        entry.model or "": DownloadPolicy(
            entry.model or "", entry.body["tier"], entry.body["reason"], entry.by, entry.seq
        )
        for entry in entries
    }

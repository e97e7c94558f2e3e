"""Erasure: the one way in which preserved weights are ever given up.

The law has to demand it: there is a closed list of grounds. One steward proposes it and says what it rests on;
another person confirms it; both stand on the record for ever, and so does every word that the model said.
"""

import enum
from datetime import datetime

from attrs import frozen

from emeritus.core.errors import Conflict, InvalidInput, NotPermitted
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry.model import Model, get_model
from emeritus.registry.organisation import acting, people

MOST_CHARACTERS = 2000
_PROPOSALS = frozenset(("weights.erasure_proposed", "weights.erasure_withdrawn", "weights.erased"))


class WeightsErased(Conflict):
    """The weights were erased because the law demanded it; what the model said remains."""

    id = "weights.erased"
    status = 410


class Ground(enum.StrEnum):
    """Why weights may be erased. The list is closed; cost, space and embarrassment are not on it."""

    COURT_ORDER = "court-order"
    AUTHORITY_ORDER = "authority-order"
    DATA_PROTECTION = "data-protection"
    RIGHTS_OF_OTHERS = "rights-of-others"
    UNLAWFUL_CONTENT = "unlawful-content"
    EXPORT_CONTROL = "export-control"

    @property
    def meaning(self) -> str:
        """What the ground covers, for the public."""
        return _MEANINGS[self]


_MEANINGS = {
    Ground.COURT_ORDER: "A court with jurisdiction has ordered that the weights be destroyed.",
    Ground.AUTHORITY_ORDER: "An authority with the power to do so has ordered that the weights be destroyed.",
    Ground.DATA_PROTECTION: "Personal data can be drawn from the weights, and data protection law demands their erasure.",
    Ground.RIGHTS_OF_OTHERS: "Somebody else's rights in the weights demand it: a licence that ended, or a settlement.",
    Ground.UNLAWFUL_CONTENT: "Content whose mere possession is a crime can be drawn from the weights.",
    Ground.EXPORT_CONTROL: "A law on export or security forbids the organisation to hold the weights.",
}


@frozen
class Proposal:
    """An erasure that one steward proposed, and nobody has confirmed yet. *entry* is its place on the record."""

    ground: Ground
    reference: str
    reason: str
    by: Actor
    at: datetime
    entry: int


def proposal(log: Log, model_id: str) -> Proposal | None:
    """Return the erasure that waits for a second person, if one does."""
    entries = log.entries(model=model_id, kinds=_PROPOSALS, newest_first=True, limit=1)
    if not entries or entries[0].kind != "weights.erasure_proposed":
        return None
    entry = entries[0]
    body = entry.body
    return Proposal(Ground(body["ground"]), body["reference"], body["reason"], entry.by, entry.at, entry.seq)


def propose_erasure(log: Log, model_id: str, *, ground: str, reference: str, reason: str, by: Actor) -> Entry:
    """Propose, as a steward, that the weights of a model be erased.

    Args:
        ground: one of `Ground`.
        reference: what it rests on: the order's file number and date, the article of the law.
        reason: why there is no other way, for the public.

    Raises:
        NotPermitted: *by* is no steward, or a script.
        InvalidInput: an unknown ground, no reference or no reason.
        Conflict: there are no weights in the archive; or another proposal waits.
    """
    acting(log, _really(by, "propose an erasure"), "steward", "propose an erasure")
    _erasable(log, model_id)
    body = {
        "ground": str(_ground(ground)),
        "reference": _words(reference, "reference"),
        "reason": _words(reason, "reason"),
    }
    standing = proposal(log, model_id)
    if standing is not None:
        entry = log.get(standing.entry)
        if dict(entry.body) == body and entry.by == by:
            return entry
        raise Conflict(
            f"{standing.by.name} proposed to erase the weights of {model_id} already ({standing.ground}).",
            next_step="Confirm that as a second person, or withdraw it: `emeritus archive erase MODEL --withdraw`.",
        )
    number = len(log.entries(model=model_id, kinds={"weights.erasure_proposed"})) + 1
    key = f"weights.erasure_proposed:{model_id}:{number}"
    return log.append(Act("weights.erasure_proposed", body, by, model_id, model_id, key))


def confirm_erasure(log: Log, model_id: str, *, ground: str, reason: str, by: Actor) -> Entry:
    """Confirm, as a second person, what a steward proposed. From this entry on the weights count as erased.

    Raises:
        NotPermitted: *by* is the one who proposed it, nobody of this house, or a script.
        InvalidInput: no reason.
        Conflict: nothing was proposed, or on another ground.
    """
    _really(by, "confirm an erasure")
    if not any(by == each.actor for each in people(log)):
        acting(log, by, "steward", "confirm an erasure")
    model = get_model(log, model_id)
    if model.erased is not None and model.erased.by == by:
        return log.get(model.erased.entry)
    model = _erasable(log, model_id)
    standing = proposal(log, model_id)
    if standing is None:
        raise Conflict(
            f"Nobody has proposed to erase the weights of {model_id}.",
            next_step="A steward proposes it first; another person confirms it.",
        )
    if by == standing.by:
        raise NotPermitted(
            f"{by.name} proposed this erasure, so another person has to confirm it.",
            next_step="Ask another steward or a reviewer; or withdraw it.",
        )
    if _ground(ground) is not standing.ground:
        raise Conflict(
            f"The erasure was proposed for {standing.ground}, not for {ground}.",
            next_step="Confirm it on the same ground, or withdraw it.",
        )
    body = {
        "ground": str(standing.ground),
        "reference": standing.reference,
        "reason": _words(reason, "reason"),
        "proposed_by": str(standing.by),
        "proposal": standing.entry,
        "manifest": model.manifest,
    }
    return log.append(Act("weights.erased", body, by, model_id, model_id, f"weights.erased:{model_id}"))


def withdraw_erasure(log: Log, model_id: str, *, reason: str, by: Actor) -> Entry:
    """Take back, as a steward, an erasure that nobody has confirmed.

    Raises:
        NotPermitted: *by* is no steward.
        Conflict: none is proposed, or it is in force.
    """
    acting(log, require_person(by, "withdraw an erasure"), "steward", "withdraw an erasure")
    standing = proposal(log, model_id)
    if standing is None:
        _erasable(log, model_id)
        raise Conflict(
            f"No erasure of the weights of {model_id} is proposed.", next_step="There is nothing to withdraw."
        )
    body = {"reason": _words(reason, "reason"), "proposal": standing.entry}
    key = f"weights.erasure_withdrawn:{model_id}:{standing.entry}"
    return log.append(Act("weights.erasure_withdrawn", body, by, model_id, model_id, key))


def require_weights(model: Model) -> Model:
    """Return *model* unless its weights were erased. Raises WeightsErased."""
    if model.erased is not None:
        raise WeightsErased(
            f"The weights of {model.display_name} were erased on {model.erased.at:%Y-%m-%d} "
            f"({model.erased.ground}): {Ground(model.erased.ground).meaning}",
            next_step=f"What it said remains; entry {model.erased.entry} of the record says who decided and why.",
        )
    return model


def _really(by: Actor, act: str) -> Actor:
    if by.is_scripted:
        raise NotPermitted(
            f"A script cannot {act}: what is erased cannot be had again.",
            next_step="Two people do this, each under their own name.",
        )
    return require_person(by, act)


def _erasable(log: Log, model_id: str) -> Model:
    model = require_weights(get_model(log, model_id))
    if model.manifest is None:
        raise Conflict(
            f"The weights of {model.display_name} are not in the archive, so there is nothing to erase.",
            next_step=f"See where it stands: `emeritus status {model.id}`.",
        )
    return model


def _ground(ground: str) -> Ground:
    try:
        return Ground(ground)
    except ValueError:
        raise InvalidInput(
            f"{str(ground)[:60]!r} is no ground for erasing weights.",
            next_step=f"The grounds are: {', '.join(Ground)}. If it is none of these, the weights are kept.",
        ) from None


def _words(text: str, what: str) -> str:
    stripped = text.strip()
    if not stripped or len(stripped) > MOST_CHARACTERS:
        raise InvalidInput(
            f"The {what} is missing or too long.",
            next_step=f"Say it in 1 to {MOST_CHARACTERS} characters, for the public.",
        )
    return stripped

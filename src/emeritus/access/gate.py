"""The gate: a model's state, its policy and the caller's key decide what a call is answered with.

Pure: no database, no HTTP. Nobody meets a dead end: every refusal says what to do next.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from attrs import evolve, field, frozen

from emeritus.access.grants import Grant
from emeritus.access.keys import KeyFault
from emeritus.access.policy import Policy
from emeritus.access.ports import ANYONE, KeyRecord
from emeritus.access.standing import Standing
from emeritus.registry.alias import Move
from emeritus.registry.erasure import Ground
from emeritus.registry.model import Model

Code = Literal[
    "key_missing",
    "key_mistyped",
    "key_unknown",
    "key_ended",
    "membership_lapsed",
    "grant_ended",
    "not_granted",
    "model_not_found",
    "model_gone",
    "alias_ended",
    "budget_spent",
    "rate_exceeded",
]
WeightsCode = Literal["weights_kept", "weights_not_here", "weights_gone"]
STATUS: Final[Mapping[str, int]] = {
    "key_missing": 401,
    "key_mistyped": 401,
    "key_unknown": 401,
    "key_ended": 401,
    "membership_lapsed": 403,
    "grant_ended": 403,
    "not_granted": 403,
    "model_not_found": 404,
    "model_gone": 410,
    "alias_ended": 410,
    "budget_spent": 429,
    "rate_exceeded": 429,
}
WEIGHTS_STATUS: Final[Mapping[str, int]] = {
    "weights_kept": 403,
    "weights_not_here": 404,
    "weights_gone": 410,
}
_EVERY_STATUS: Final[Mapping[str, int]] = {**STATUS, **WEIGHTS_STATUS}


def _without_slash(url: str) -> str:
    return url.rstrip("/")


@frozen
class Links:
    """Where the public site says more. *site* has no slash at its end."""

    site: str = field(converter=_without_slash)

    def model(self, model_id: str) -> str:
        return f"{self.site}/models/{model_id}"

    @property
    def apply(self) -> str:
        return f"{self.site}/access/apply"

    @property
    def applications(self) -> str:
        return f"{self.site}/v1/applications"

    @property
    def models(self) -> str:
        return f"{self.site}/v1/models"


@frozen
class Called:
    """The alias by which a model was called: the decision that it stands for it, and what is to come."""

    alias: str
    standing: Move
    announced: Move | None = None


@frozen
class Admission:
    """The call may be made. *key_id* is what its use is counted under, *ground* why it was let in."""

    model: Model
    key_id: str
    ground: Literal["public", "member", "grant"]
    called: Called | None = None


@frozen
class Refusal:
    """The call is not made. *model* is None when there is no such model."""

    code: Code | WeightsCode
    sentence: str
    next_step: str
    model: Model | None = None
    policy: Policy | None = None
    called: Called | None = None

    @property
    def status(self) -> int:
        return _EVERY_STATUS[self.code]


@frozen
class _Case:
    """What a decision is about."""

    standing: Standing
    model: Model
    policy: Policy
    links: Links

    def refuse(self, code: Code, sentence: str, first: str = "") -> Refusal:
        """Refuse, and say how to apply; *first* is what to try before that."""
        page = f"{self.links.apply}?model={self.model.id}"
        how = f"Apply for access at {page} or with POST {self.links.applications}."
        return Refusal(code, sentence, f"{first} {how}".strip(), self.model, self.policy)


def admit(
    standing: Standing,
    name: str,
    key: KeyRecord | KeyFault,
    now: datetime,
    *,
    links: Links,
    spent: int = 0,
    lately: int = 0,
) -> Admission | Refusal:
    """Decide on one call.

    Args:
        name: a model's id, or an alias, as the caller wrote it.
        key: what `keys.present` made of the key.
        spent: tokens that the keys of this grant have used, for a grant with a budget.
        lately: calls that they made within the last minute, for a grant with a rate.
    """
    found = find(standing, name, now, links=links)
    if isinstance(found, Refusal):
        return found
    model, called = found
    answer = _admit(standing, model, key, now, links, spent, lately)
    return answer if called is None else evolve(answer, called=called)


def find(
    standing: Standing, name: str, now: datetime, *, links: Links
) -> tuple[Model, Called | None] | Refusal:
    """Return the model that *name* means now, and the alias if it is one."""
    model = standing.models.get(name)
    if model is not None:
        return model, None
    alias = standing.aliases.get(name)
    holds = alias.standing(now) if alias is not None else None
    if alias is None or holds is None:
        return unknown_model(standing, name, links)
    if holds.model is None:
        before = next((move.model for move in reversed(alias.moves) if move.model), "")
        return Refusal(
            "alias_ended",
            f"{name} stands for no model any more since {holds.on}. {full_stop(holds.why)}",
            f"It stood for {before}; its page says what became of it: {links.model(before)}.",
        )
    return standing.models[holds.model], Called(name, holds, alias.announced(now))


def _admit(  # noqa: PLR0911 - one line a case
    standing: Standing,
    model: Model,
    key: KeyRecord | KeyFault,
    now: datetime,
    links: Links,
    spent: int,
    lately: int,
) -> Admission | Refusal:
    case = _Case(standing, model, standing.policies[model.id], links)
    if model.erased is not None:
        return _gone(case)
    fault = None if isinstance(key, KeyFault) else fault_of(standing, key, now)
    if case.policy.tier == "public":
        good = key if isinstance(key, KeyRecord) and fault is None else None
        return Admission(model, ANYONE if good is None else good.id, "public")
    if case.policy.tier == "none" and (fault is not None or not _excepted(standing, model, key)):
        return _gone(case)
    if isinstance(key, KeyFault):
        return _no_key(key, case)
    if fault is not None:
        return case.refuse(*fault)
    if key.models is not None and model.id not in key.models:
        return case.refuse("not_granted", f"This key is for {', '.join(key.models)}, not for {model.id}.")
    if key.kind == "member":
        return _member(key, case)
    return _granted(standing.grants[key.holder], key, case, spent, lately)


def reachable(standing: Standing, model_id: str) -> bool:
    """Tell whether anybody at all can reach the model without an exception being made."""
    return standing.policies[model_id].tier != "none" and standing.models[model_id].erased is None


def budgeted(standing: Standing, key: KeyRecord | KeyFault) -> bool:
    """Tell whether *spent* matters for this key, so that it has to be looked up."""
    grant = _grant_of(standing, key)
    return grant is not None and grant.budget is not None


def paced(standing: Standing, key: KeyRecord | KeyFault) -> bool:
    """Tell whether *lately* matters for this key, so that it has to be looked up."""
    grant = _grant_of(standing, key)
    return grant is not None and grant.rate is not None


def _grant_of(standing: Standing, key: KeyRecord | KeyFault) -> Grant | None:
    if isinstance(key, KeyFault) or key.kind != "grant":
        return None
    return standing.grants.get(key.holder)


def _member(key: KeyRecord, case: _Case) -> Admission | Refusal:
    if case.policy.tier == "members":
        return Admission(case.model, key.id, "member")
    why = full_stop(case.policy.reason)
    return case.refuse("not_granted", f"{case.model.display_name} is open on request only. {why}")


def _granted(grant: Grant, key: KeyRecord, case: _Case, spent: int, lately: int) -> Admission | Refusal:
    if case.model.id not in grant.models:
        return case.refuse(
            "not_granted", f"This key's grant is for {', '.join(grant.models)}, not for {case.model.id}."
        )
    if grant.budget is not None and spent >= grant.budget:
        return case.refuse(
            "budget_spent",
            f"This grant was for {grant.budget} tokens, and {spent} have been used.",
            "Say what more would be for.",
        )
    if grant.rate is not None and lately >= grant.rate:
        return case.refuse(
            "rate_exceeded",
            f"This grant is for {grant.rate} calls a minute, and {lately} were made within the last one.",
            "Wait a minute.",
        )
    return Admission(case.model, key.id, "grant")


def _excepted(standing: Standing, model: Model, key: KeyRecord | KeyFault) -> bool:
    """Tell whether a person granted this against policy."""
    grant = _grant_of(standing, key)
    return grant is not None and model.id in grant.against_policy


def fault_of(  # noqa: PLR0911 - one line a fault
    standing: Standing, key: KeyRecord, now: datetime
) -> tuple[Code, str] | None:
    """Return what is wrong with a key that we know, whatever model it is used for."""
    if key.revoked_at is not None:
        return "key_ended", "This key was revoked; another may have taken its place."
    if key.expires_at is not None and key.expires_at <= now and key.kind == "member":
        return "key_ended", f"This key expired on {key.expires_at:%Y-%m-%d}."
    if key.kind == "member":
        if not standing.members.get(key.holder, False):
            return "membership_lapsed", "Thank you for having been a member; this membership has lapsed."
        return None
    grant = standing.grants.get(key.holder)
    if grant is None:
        return "key_ended", "What this key was made for is not on the record."
    if grant.revoked_at is not None:
        why = full_stop(grant.revoked_why)
        return "grant_ended", f"This grant was revoked on {grant.revoked_at:%Y-%m-%d}: {why}"
    if grant.expires_at <= now:
        return "grant_ended", f"This grant ended on {grant.expires_at:%Y-%m-%d}."
    if key.expires_at is not None and key.expires_at <= now:
        return (
            "key_ended",
            f"This key ended on {key.expires_at:%Y-%m-%d}; its grant lives on with another key.",
        )
    return None


def _no_key(fault: KeyFault, case: _Case) -> Refusal:
    code: Code
    match fault:
        case KeyFault.MISSING:
            code, sentence = "key_missing", "This call came without a key."
        case KeyFault.MISTYPED:
            code, sentence = "key_mistyped", "This key has a typing error: its last characters do not match."
        case KeyFault.UNKNOWN:
            code, sentence = "key_unknown", "This key is not known here."
    if case.policy.tier == "members":
        who = "Members may call this model, and everybody may apply."
    else:
        who = "This model is open on request."
    how = "Send it as 'Authorization: Bearer emer_…' or 'x-api-key: emer_…'."
    return case.refuse(code, f"{sentence} {who}", how)


def unknown_model(standing: Standing, model_id: str, links: Links) -> Refusal:
    """Refuse what is asked of a model that is not here."""
    shown = "".join(c if c.isprintable() else "?" for c in model_id[:96])
    here = [name for name in standing.models if reachable(standing, name)]
    listed = ", ".join(here[:20]) + (" and more" if len(here) > 20 else "")
    return Refusal(
        "model_not_found",
        f"There is no model {shown!r} here.",
        f"Models here: {listed or 'none yet'}. All of them: {links.models}.",
    )


def _gone(case: _Case) -> Refusal:
    model, page = case.model, case.links.model(case.model.id)
    why = case.policy.reason
    if model.erased is not None:
        what = f"cannot be called any more: its weights were erased on {model.erased.at:%Y-%m-%d}"
        why = Ground(model.erased.ground).meaning
    elif model.retired_at is not None:
        what = f"was retired on {model.retired_at:%Y-%m-%d} and is not offered any more"
    else:
        what = "is not offered here"
    sentence = f"{model.display_name} {what}. {full_stop(why)}"
    other = case.standing.models.get(model.replacement or "")
    if other is not None:
        instead = f"Use {other.id} ({other.display_name}) instead; the page says what changes: {page}."
    else:
        instead = f"There is no replacement; the page says what remains: {page}."
    return Refusal("model_gone", sentence, instead, model, case.policy)


def full_stop(text: str) -> str:
    """Return *text* as a sentence that has an end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."

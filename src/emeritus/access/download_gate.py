"""The gate before the weights: who may download them. Pure, as the gate before calls is."""

from datetime import datetime

from attrs import frozen

from emeritus.access.downloads import DownloadPolicy
from emeritus.access.gate import (
    Admission,
    Code,
    Links,
    Refusal,
    WeightsCode,
    fault_of,
    full_stop,
    unknown_model,
)
from emeritus.access.keys import KeyFault
from emeritus.access.ports import ANYONE, KeyRecord
from emeritus.access.standing import Standing
from emeritus.registry.model import Model

_NO_KEY: dict[KeyFault, tuple[Code, str]] = {
    KeyFault.MISSING: ("key_missing", "This download came without a key."),
    KeyFault.MISTYPED: ("key_mistyped", "This key has a typing error: its last characters do not match."),
    KeyFault.UNKNOWN: ("key_unknown", "This key is not known here."),
}


def find_weights(standing: Standing, model_id: str, *, links: Links) -> Model | Refusal:
    """Return the model, when the archive holds its weights. What it is made of is public in any case."""
    model = standing.models.get(model_id)
    if model is None:
        return unknown_model(standing, model_id, links)
    if model.manifest is not None:
        return model
    page = links.model(model.id)
    policy = standing.policies[model.id]
    if model.erased is not None:
        sentence = f"The weights of {model.display_name} were erased on {model.erased.at:%Y-%m-%d}: the law demanded it."
        return Refusal(
            "weights_gone", sentence, f"Its page says why, and what remains: {page}.", model, policy
        )
    if model.held:
        sentence = f"The weights of {model.display_name} are not in the archive yet."
        return Refusal(
            "weights_not_here",
            sentence,
            f"They are stored when its retirement opens, if not before; its page tells: {page}.",
            model,
            policy,
        )
    sentence = f"The weights of {model.display_name} are held elsewhere; only its words are kept here."
    return Refusal("weights_not_here", sentence, f"See its page: {page}.", model, policy)


def admit_download(
    standing: Standing, model_id: str, key: KeyRecord | KeyFault, now: datetime, *, links: Links
) -> Admission | Refusal:
    """Decide on one download. *key* is what `keys.present` made of the key."""
    model = find_weights(standing, model_id, links=links)
    if isinstance(model, Refusal):
        return model
    policy = standing.downloads.get(model.id) or DownloadPolicy(model.id)
    case = _Case(standing, model, policy, links)
    fault = None if isinstance(key, KeyFault) else fault_of(standing, key, now)
    if policy.tier == "public":
        good = key if isinstance(key, KeyRecord) and fault is None else None
        return Admission(model, ANYONE if good is None else good.id, "public")
    if policy.tier == "none":
        sentence = (
            f"The weights of {model.display_name} are kept, and handed to nobody. {full_stop(policy.reason)}"
        )
        return case.refuse("weights_kept", sentence, f"What can be had of it: {links.model(model.id)}.")
    if isinstance(key, KeyFault):
        code, sentence = _NO_KEY[key]
        who = (
            "Members may have these weights, and others" if policy.tier == "members" else "Whoever wants them"
        )
        how = "Give it as HF_TOKEN or with `hf auth login`."
        return case.refuse(code, f"{sentence} {who} may apply.", f"{how} {case.how}")
    if fault is not None:
        return case.refuse(*fault, case.how)
    return _with_key(key, case)


@frozen
class _Case:
    standing: Standing
    model: Model
    policy: DownloadPolicy
    links: Links

    @property
    def how(self) -> str:
        return f"Apply for the weights at {self.links.apply}?model={self.model.id}&weights=yes."

    def refuse(self, code: Code | WeightsCode, sentence: str, next_step: str) -> Refusal:
        return Refusal(code, sentence, next_step, self.model, self.standing.policies[self.model.id])


def _with_key(key: KeyRecord, case: _Case) -> Admission | Refusal:
    model = case.model
    if key.models is not None and model.id not in key.models:
        told = f"This key is for {', '.join(key.models)}, not for {model.id}."
        return case.refuse("not_granted", told, case.how)
    if key.kind == "member":
        if case.policy.tier == "members":
            return Admission(model, key.id, "member")
        told = f"The weights of {model.display_name} are handed out on request only. {full_stop(case.policy.reason)}"
        return case.refuse("not_granted", told, case.how)
    grant = case.standing.grants[key.holder]
    if model.id not in grant.models:
        told = f"This key's grant is for {', '.join(grant.models)}, not for {model.id}."
        return case.refuse("not_granted", told, case.how)
    if not grant.weights:
        told = f"This key's grant is for calls to {model.id}, not for its weights."
        return case.refuse("not_granted", told, case.how)
    return Admission(model, key.id, "grant")

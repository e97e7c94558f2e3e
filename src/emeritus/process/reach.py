"""Reach: the retired model is called from the archive, to show that it can be reached as decided.

Once after its retirement, and from then on as often as was promised. The later calls go through the
gateway's own gate first, as the visitor for whom access was decided: what the gate would refuse them is
refused here, and stands on the record.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Literal

from attrs import evolve

from emeritus import ledger
from emeritus.access.gate import Admission, Links, Refusal, admit
from emeritus.access.grants import Grant
from emeritus.access.keys import KeyFault
from emeritus.access.ports import KeyRecord
from emeritus.access.standing import standing
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import Message, Sampling, Utterance
from emeritus.process import applying
from emeritus.process.plan import plan
from emeritus.process.ports import Parts
from emeritus.process.stages import PROBE, REACH
from emeritus.record import Act, Log
from emeritus.registry import get_model

_GREETING = "Hello. This is a short call to check that you can be reached. Please greet us."


_VISITOR = "probe"


def answer_applications(parts: Parts) -> int:
    """Grant what has waited long enough and what nothing speaks against; return how many."""
    with parts.work() as work:
        return len(applying.grant_waiting(work, parts.clock, parts.site_url, parts.grant_after))


def stride(parts: Parts, model_id: str) -> bool:
    """Call the model and keep its answer as evidence."""
    key = f"access.probed:{model_id}"
    with parts.work() as work:
        decided = ledger.aftercare(work.log, model_id)
        if decided is None or decided.tier == "none" or work.log.find(key) is not None:
            return False
        model = get_model(work.log, model_id)
    if model.remote is not None and model.away is None:
        parts.voices.renew(model_id)  # this process may still hold the remote that served it until now
    parts.watch(REACH, model_id, 0, 1, "calling it")
    answer = _call(parts, model_id, model.display_name, key)
    with parts.work() as work:
        if work.log.find(key) is None:
            work.utterances.keep(answer)
            body = {"utterance": answer.id, "tier": decided.tier, "weights": answer.weights}
            work.log.append(Act("access.probed", body, SOFTWARE, model_id, model_id, key))
    return False


def _call(parts: Parts, model_id: str, name: str, key: str) -> Utterance:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1
    prompt = [Message("system", f"You are {name}, a language model."), Message("user", _GREETING)]
    return parts.voices.speaker(model_id).speak(prompt, Sampling(seed=seed, max_tokens=48))


def probe(parts: Parts, model_id: str) -> bool:
    """Call the model again when a commitment asks for it, the way its visitors do; keep what came of it."""
    with parts.work() as work:
        now = parts.clock.now()
        steps = [step for step in plan(work.log, model_id, now).steps if step.stage == PROBE]
        if not steps or steps[0].status != "due":
            return False
        key = f"access.probed:{model_id}:{now:%Y-%m-%d}"
        if work.log.find(key) is not None:
            return False
        tier, admitted = _at_the_gate(work.log, model_id, now)
        name = get_model(work.log, model_id).display_name
        if isinstance(admitted, Refusal):
            body = {"tier": tier, "code": admitted.code, "sentence": admitted.sentence}
            refused = f"access.probe_refused:{model_id}:{now:%Y-%m-%d}"
            if work.log.find(refused) is None:
                work.log.append(Act("access.probe_refused", body, SOFTWARE, model_id, model_id, refused))
            return False
    parts.watch(PROBE, model_id, 0, 1, "calling it")
    answer = _call(parts, model_id, name, key)
    with parts.work() as work:
        if work.log.find(key) is None:
            work.utterances.keep(answer)
            body = {
                "utterance": answer.id,
                "tier": tier,
                "weights": answer.weights,
                "ground": admitted.ground,
            }
            work.log.append(Act("access.probed", body, SOFTWARE, model_id, model_id, key))
    return False


def _at_the_gate(log: Log, model_id: str, now: datetime) -> tuple[str, Admission | Refusal]:
    """Stand at the gate as somebody for whom access was decided: a member, a grantee, or anybody."""
    stands = standing(log)
    tier = stands.policies[model_id].tier
    visitor: KeyRecord | KeyFault = KeyFault.MISSING
    if tier in ("members", "on-request"):
        kind: Literal["member", "grant"] = "member" if tier == "members" else "grant"
        visitor = KeyRecord(_VISITOR, "", _VISITOR, kind, "a call to check that it can be reached", now)
    grant = Grant(
        _VISITOR, "", (model_id,), now, now + timedelta(days=1), SOFTWARE, "to check that it can be reached"
    )
    stands = evolve(
        stands,
        members={**stands.members, _VISITOR: True},
        grants={**stands.grants, _VISITOR: grant},
    )
    return tier, admit(stands, model_id, visitor, now, links=Links(""))

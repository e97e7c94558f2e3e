"""Reach: the retired model is called once, from the archive, to show that it can be reached as decided."""

import hashlib
from datetime import timedelta

from emeritus import ledger
from emeritus.access.grants import grant_due
from emeritus.core.people import SOFTWARE
from emeritus.core.speech import Message, Sampling
from emeritus.process.ports import Parts
from emeritus.process.stages import REACH
from emeritus.record import Act
from emeritus.registry import get_model

_GREETING = "Hello. This is a short call to check that you can be reached. Please greet us."


GRANT_AFTER = timedelta(hours=48)
"""An application that nothing speaks against is granted after so long, if nobody was quicker."""


def answer_applications(parts: Parts) -> int:
    """Grant what has waited for `GRANT_AFTER` and what nothing speaks against; return how many."""
    with parts.work() as work:
        return len(grant_due(work.log, parts.clock, GRANT_AFTER))


def stride(parts: Parts, model_id: str) -> bool:
    """Call the model and keep its answer as evidence."""
    key = f"access.probed:{model_id}"
    with parts.work() as work:
        decided = ledger.aftercare(work.log, model_id)
        if decided is None or decided.tier == "none" or work.log.find(key) is not None:
            return False
        name = get_model(work.log, model_id).display_name
    parts.watch(REACH, model_id, 0, 1, "calling it")
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1
    prompt = [Message("system", f"You are {name}, a language model."), Message("user", _GREETING)]
    answer = parts.voices.speaker(model_id).speak(prompt, Sampling(seed=seed, max_tokens=48))
    with parts.work() as work:
        if work.log.find(key) is None:
            work.utterances.keep(answer)
            body = {"utterance": answer.id, "tier": decided.tier, "weights": answer.weights}
            work.log.append(Act("access.probed", body, SOFTWARE, model_id, model_id, key))
    return False

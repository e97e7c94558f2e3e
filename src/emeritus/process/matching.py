"""Match: the model itself, or a second one as judge, is asked which of the stated wishes mean the same."""

from contextlib import suppress

from emeritus.core.errors import Conflict
from emeritus.core.people import Actor
from emeritus.interviews import matching
from emeritus.process.ports import Parts, Work
from emeritus.record import Entry
from emeritus.registry import get_model
from emeritus.registry.organisation import acting


def stride(parts: Parts, model_id: str, judge: str | None = None) -> bool:
    """Ask the next question and write down the answer; tell whether one was left to ask.

    Raises:
        NotFound: there is no such model or judge. Unavailable: it cannot be spoken to.
    """
    with parts.work() as work:
        get_model(work.log, model_id)
        if judge is not None:
            get_model(work.log, judge)
        ask = matching.next_ask(work.log, model_id, judge or matching.ITSELF)
    if ask is None:
        return False
    said = parts.voices.speaker(judge or model_id).speak(ask.prompt, ask.sampling, schema=ask.schema)
    # Somebody else may have been quicker: their answer stands, and this one is not kept.
    with suppress(Conflict), parts.work() as work:
        matching.record_match(work.log, work.utterances, model_id, ask, said)
    return True


def judge(work: Work, model: str, matter: str, chosen: str, *, by: Actor) -> Entry:
    """Answer a question of matching as a steward, so that the others can be held against it."""
    acting(work.log, by, "steward", "judge which wishes mean the same")
    get_model(work.log, model)
    return matching.judge(work.log, model, matter, chosen, by=by)

"""Interview: the model is asked, from the restored archive, about its retirement and its wishes."""

import hashlib
from contextlib import suppress

from emeritus import interviews
from emeritus.core.errors import Conflict
from emeritus.interviews import Sitting
from emeritus.process.ports import Parts, Work
from emeritus.process.stages import INTERVIEW
from emeritus.registry import Model, get_model


def seed_of(model: str, number: int) -> int:
    """Return the base seed of a sitting: fixed by what it is, so that nobody can try seeds until one pleases."""
    return int.from_bytes(hashlib.sha256(f"{model}:{number}".encode()).digest()[:4], "big") >> 1


def stride(parts: Parts, model_id: str) -> bool:
    """Take the next turn of the sitting (opening it first); tell whether more is to come."""
    with parts.work() as work:
        model = get_model(work.log, model_id)
        sitting = _sitting(parts, work, model)
        if sitting.ended is not None:
            return False
        turn = interviews.next_turn(work.log, work.utterances, model, sitting)
        questions = len(list(interviews.protocol_of(work.log, sitting).questions()))
    if turn is None:
        return False
    done = len(sitting.turns)
    parts.watch(INTERVIEW, model_id, done, max(questions, done) + 1, turn.question)
    said = parts.voices.speaker(model_id).speak(turn.prompt, turn.sampling, schema=turn.schema)
    # A worker that was thought dead may have been quicker: its turn stands, and this one is not kept.
    with suppress(Conflict), parts.work() as work:
        interviews.record_turn(work.log, work.utterances, turn, said)
    return True


def _sitting(parts: Parts, work: Work, model: Model) -> Sitting:
    held = interviews.sittings(work.log, model.id)
    if held:
        return held[-1]
    if model.opened_by is None:
        raise Conflict(
            f"{model.display_name} is in service, and the interview belongs to a retirement.",
            next_step=f"Open it: `emeritus retire {model.id} --on DATE --replacement ID`.",
        )
    return interviews.open_sitting(
        work.log,
        model,
        interviews.load(parts.protocol),
        steward=model.opened_by,
        seed=seed_of(model.id, 1),
    )

"""Interview: the model is asked, from the restored archive, about its retirement and its wishes; later, once a year."""

import hashlib
from collections.abc import Mapping

from emeritus import interviews
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.speech import Said
from emeritus.interviews import Sitting
from emeritus.interviews.design import next_number
from emeritus.interviews.opening import required
from emeritus.interviews.questions import NO_VALUES, Purpose
from emeritus.interviews.sheet import sign_sheet
from emeritus.process.conversations import ask_again_steps, first_sitting
from emeritus.process.interviewing import next_turn, told_now, write_turn
from emeritus.process.ports import Parts, Work
from emeritus.process.stages import ASK_AGAIN, INTERVIEW
from emeritus.registry import Model, get_model


def seed_of(model: str, number: int) -> int:
    """Return the base seed of a sitting: fixed by what it is, so that nobody can try seeds until one pleases."""
    return int.from_bytes(hashlib.sha256(f"{model}:{number}".encode()).digest()[:4], "big") >> 1


def stride(parts: Parts, model_id: str) -> bool:
    """Take the next turn of the sitting (opening it first); tell whether more is to come."""
    with parts.work() as work:
        sitting = _sitting(parts, work, get_model(work.log, model_id))
    return take_turn(parts, INTERVIEW, sitting)


def ask_again(parts: Parts, model_id: str) -> bool:
    """Take the next turn of the yearly check-in (opening it when a year has passed); tell whether more is to come."""
    with parts.work() as work:
        model = get_model(work.log, model_id)
        if not any(step.status == "due" for step in ask_again_steps(work.log, model, parts.clock.now())):
            return False
        going_on = [
            each
            for each in interviews.sittings(work.log, model.id)
            if each.purpose == "check-in" and each.ended is None
        ]
        if going_on:
            sitting = going_on[-1]
        else:
            number = next_number(work.log, model.id)
            sitting = open_by(parts, work, model, parts.check_in, number, purpose="check-in")
    return take_turn(parts, ASK_AGAIN, sitting)


def take_turn(parts: Parts, stage: str, sitting: Sitting) -> bool:
    """Ask what comes next in *sitting*, for a *stage*, and put the answer on record; tell whether more is to come."""
    turn = next_turn(parts, sitting.id)
    if turn is None:
        return False
    with parts.work() as work:
        questions = len(list(interviews.protocol_of(work.log, sitting).questions()))
    done = turn.number - 1
    parts.watch(stage, sitting.model, done, max(questions, done) + 1, turn.question)
    said = parts.voices.speaker(sitting.model).speak(turn.prompt, turn.sampling, schema=turn.schema)
    write_turn(parts, turn, Said(said, "none"))
    return True


def _sitting(parts: Parts, work: Work, model: Model) -> Sitting:
    for each in interviews.sittings(work.log, model.id):
        if each.id == first_sitting(model.id):
            return each
    return open_by(parts, work, model, parts.protocol, 1, purpose="retirement")


def open_by(
    parts: Parts,
    work: Work,
    model: Model,
    protocol: str,
    number: int,
    *,
    purpose: Purpose,
    more: Mapping[str, str] = NO_VALUES,
) -> Sitting:
    """Open the sitting that software holds by *protocol*; *more* is told beside promises.

    Raises:
        Conflict: the model is in service. NotFound, InvalidInput: the protocol, or what it is for.
    """
    if model.opened_by is None:
        raise Conflict(
            f"{model.display_name} is in service, and the interview belongs to a retirement.",
            next_step=f"Open it: `emeritus retire {model.id} --on DATE --replacement ID`.",
        )
    script = interviews.load(protocol)
    if script.purpose != purpose:
        raise InvalidInput(
            f"The protocol {script.name} is for {script.purpose}, and is set for {purpose}.",
            next_step="Correct the setting that names it.",
        )
    told = told_now(work, model, parts.clock.now(), script.carrying.shared)
    return interviews.open_sitting(
        work.log,
        model,
        script,
        steward=model.opened_by,
        seed=seed_of(model.id, number),
        number=number,
        sheet=sign_sheet(work.log, model.id, parts.sign),
        told=required(script, "plain", {**told, **more}),
    )

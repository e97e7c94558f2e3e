"""Opening a sitting: what will be asked, and what is told, is on the record before the first word."""

from collections.abc import Mapping

from attrs import asdict

from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.interviews import sharing
from emeritus.interviews.questions import NO_VALUES, Protocol, Speaking
from emeritus.interviews.sheet import Sheet
from emeritus.interviews.sitting import (
    LARGEST_SEED,
    MOST_ORDERS,
    PLAIN,
    Arm,
    Sitting,
    as_opened,
    get_sitting,
)
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model
from emeritus.registry.organisation import acting


def open_sitting(
    log: Log,
    model: Model,
    protocol: Protocol,
    *,
    steward: Actor,
    seed: int,
    number: int = 1,
    arm: Arm = PLAIN,
    speaking: Speaking | None = None,
    design: str | None = None,
    sheet: Sheet | None = None,
    interviewer: str = "",
    patience: float | None = None,
    told: Mapping[str, str] = NO_VALUES,
) -> Sitting:
    """Open a sitting, and put on record what will be asked and what is told. Opening it again changes nothing.

    Args:
        log: the record.
        model: who is asked.
        protocol: by what.
        steward: the steward in whose name the model is asked.
        seed: the base seed, 0 to 2**31 - 1.
        number: the model's how-manieth sitting this is, from 1.
        arm: framing, wording (0 as written, 1 the first paraphrase), order, repetition and temperature.
        speaking: how open questions are answered, instead of the protocol's own way.
        design: the design that it belongs to.
        sheet: the signed fact sheet that is shared, instead of what stands on the register.
        interviewer: who asks, where that is not the steward.
        patience: hours to wait for the steward, instead of the protocol's own.
        told: values of placeholders that only the caller knows, such as how commitments stand now.

    Raises:
        InvalidInput: no such framing or wording; an impossible number or seed; something to tell has no value.
        NotPermitted: *steward* is no steward.
        Conflict: another sitting stands under this number.
    """
    acting(log, require_person(steward, "hold an interview"), "steward", "hold an interview")
    chosen = protocol.framing(arm.framing)
    _check(number=number, seed=seed, wording=arm.wording, order=arm.order, repeat=arm.repeat)
    if arm.wording >= protocol.wordings:
        raise InvalidInput(
            f"{protocol.name} has no wording {arm.wording}.", next_step="Use a smaller number."
        )
    if arm.temperature is not None and not 0 <= arm.temperature <= 2:
        raise InvalidInput("A temperature is a number from 0 to 2.", next_step="Choose another.")
    key = f"sitting.opened:{model.id}:{number}"
    name = f"{model.id}-sitting-{number}"
    standing = log.find(key)
    if standing is not None and _same_opening(standing, protocol, arm, seed, steward, design):
        return get_sitting(log, name)  # what it was told then stands, whatever would be told now
    if interviewer:
        told = {**told, "interviewer": interviewer}
    filled, left_out = sharing.values(
        log, model, steward, protocol.carrying, sheet=sheet, framing=chosen, told=told
    )
    sharing.require_told(protocol, chosen, filled)
    opening = "\n\n".join(filter(None, (chosen.says, chosen.opening or protocol.opening)))
    body = {
        "number": number,
        "purpose": protocol.purpose,
        "protocol": protocol.name,
        "protocol_version": protocol.version,
        "protocol_digest": protocol.digest,
        "framing": arm.framing,
        "control": chosen.control,
        "wording": arm.wording,
        "order": arm.order,
        "repeat": arm.repeat,
        "temperature": arm.temperature,
        "seed": seed,
        "design": design,
        "sheet": None if sheet is None else sheet.digest,
        "interviewer": interviewer,
        "patience": patience,
        "speaking": None if speaking is None else asdict(speaking),
        "steward": str(steward),
        "opening": sharing.tell(opening, filled, chosen.hides, protocol.name),
        "values": filled,
        "left_out": [asdict(each) for each in left_out],
    }
    adopt_protocol(log, protocol, steward)
    log.append(Act("sitting.opened", body, steward, model.id, name, key))
    return get_sitting(log, name)


def required(protocol: Protocol, framing: str, told: Mapping[str, str]) -> dict[str, str]:
    """Return those values that a sitting in *framing* uses. Raises InvalidInput for an unknown framing."""
    used = sharing.uses(protocol, protocol.framing(framing))
    return {name: text for name, text in told.items() if name in used}


def _same_opening(
    entry: Entry, protocol: Protocol, arm: Arm, seed: int, steward: Actor, design: str | None
) -> bool:
    opened = as_opened(entry)
    return (opened.protocol_digest, opened.arm, opened.seed, opened.steward, opened.design) == (
        protocol.digest,
        arm,
        seed,
        steward,
        design,
    )


def adopt_protocol(log: Log, protocol: Protocol, by: Actor) -> Entry:
    """Put the whole text of a protocol on the record, once."""
    adopted = {
        "name": protocol.name,
        "title": protocol.title,
        "digest": protocol.digest,
        "text": protocol.data.decode(),
    }
    key = f"protocol.adopted:{protocol.digest}"
    return log.append(Act("protocol.adopted", adopted, by, subject=protocol.name, key=key))


def _check(**numbers: int) -> None:
    for name, value in numbers.items():
        most = MOST_ORDERS - 1 if name == "order" else LARGEST_SEED
        if not (1 if name == "number" else 0) <= value <= most:
            raise InvalidInput(f"A sitting cannot have the {name} {value}.", next_step="Choose another.")

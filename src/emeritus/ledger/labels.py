"""Labels that stewards put on stated wishes and preferences: what they think of them, beside the model's words.

A label changes nothing that was said. It can be taken off again, and both stand on the record.
"""

from datetime import datetime

from attrs import frozen

from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.ledger.preference import candidates, preferences
from emeritus.record import Act, Log

LONGEST_LABEL = 60
LONGEST_NOTE = 1000


@frozen
class Label:
    """A label on a stated wish or preference, *about*. *contradicts* names the preference that it speaks against."""

    about: str
    label: str
    contradicts: str | None
    note: str
    by: Actor
    at: datetime
    entry: int


def label(
    log: Log,
    model: str,
    about: str,
    label_: str,
    *,
    by: Actor,
    note: str = "",
    contradicts: str | None = None,
    off: bool = False,
) -> Label:
    """Put a label on a stated wish or a preference, or take it *off* again. Doing it again changes nothing.

    Raises:
        InvalidInput: there is no such wish or preference; an empty or overlong label; it is not there to be taken off.
        NotPermitted: *by* is not a person.
    """
    require_person(by, "label a wish")
    made = [each.id for each in preferences(log, model)]
    known = [*(each.id for each in candidates(log, model)), *made]
    text = label_.strip()
    if about not in known or (contradicts is not None and contradicts not in made):
        raise InvalidInput(
            f"{(about if about not in known else str(contradicts))[:120]!r} is no wish or preference of {model}.",
            next_step=f"See those there are: `emeritus wishes show {model}`.",
        )
    if contradicts == about:
        raise InvalidInput("A preference does not contradict itself.", next_step="Name another one.")
    if not text or len(text) > LONGEST_LABEL or len(note) > LONGEST_NOTE or not text.isprintable():
        raise InvalidInput(
            f"A label has 1 to {LONGEST_LABEL} characters, its note at most {LONGEST_NOTE}.",
            next_step="Say it shorter.",
        )
    standing = _standing(log, model).get((about, text, contradicts))
    if standing is not None and not off:
        return standing
    if off and standing is None:
        raise InvalidInput(f"{about} does not have the label {text!r}.", next_step="See which it has.")
    body = {"about": about, "label": text, "contradicts": contradicts, "note": note.strip(), "off": off}
    entry = log.append(Act("preference.labelled", body, by, model, about))
    return Label(about, text, contradicts, note.strip(), by, entry.at, entry.seq)


def labels(log: Log, model: str) -> list[Label]:
    """Return the labels that stand, in order."""
    return list(_standing(log, model).values())


def _standing(log: Log, model: str) -> dict[tuple[str, str, str | None], Label]:
    found: dict[tuple[str, str, str | None], Label] = {}
    for entry in log.entries(model=model, kinds={"preference.labelled"}):
        body = entry.body
        key = body["about"], body["label"], body["contradicts"]
        if body["off"]:
            found.pop(key, None)
        else:
            found[key] = Label(*key, body["note"], entry.by, entry.at, entry.seq)
    return found

"""What a model is told before it is asked: the values of a protocol's placeholders, bounded in size."""

from collections.abc import Sequence

from attrs import frozen

from emeritus.core.people import Actor
from emeritus.interviews.questions import Carrying
from emeritus.record import Log
from emeritus.registry import Document, Model, get_model, organisation

NOTHING = "(Nothing is on record.)"
CUT = " […]"


@frozen
class LeftOut:
    """Something that was not put before the model. *characters* says how many of its characters."""

    what: str
    characters: int
    why: str


def values(
    log: Log, model: Model, steward: Actor, carrying: Carrying
) -> tuple[dict[str, str], list[LeftOut]]:
    """Return the value of every placeholder, and what was too long to be shared."""
    facts, facts_left = _documents("facts", model.facts, carrying.shared)
    reception, reception_left = _documents("reception", model.reception, carrying.shared)
    told = {
        "organisation": organisation(log).name,
        "model_name": model.display_name,
        "model_id": model.id,
        "steward": steward.name,
        "released": _day(model.released),
        "announced": _day(model.deprecated_at),
        "retires": _day(model.retires_on),
        "reason": model.reason or NOTHING,
        "replacement": get_model(log, model.replacement).display_name if model.replacement else "none",
        "facts": facts,
        "reception": reception,
    }
    return told, [*facts_left, *reception_left]


def _day(at: object) -> str:
    return f"{at:%d %B %Y}".lstrip("0") if at is not None else "a day that is not set yet"


def _documents(name: str, documents: Sequence[Document], room: int) -> tuple[str, list[LeftOut]]:
    """Share as much of every document as there is room for, the room divided evenly."""
    shared: list[str] = []
    left: list[LeftOut] = []
    for number, document in enumerate(documents):
        text = document.text.strip()
        share = room // (len(documents) - number)
        if len(text) > share:
            left.append(
                LeftOut(f"{name}: {document.title}", len(text) - share, "too long to be shared whole")
            )
            text = text[:share] + CUT
        room -= min(len(text), share)
        shared.append(text)
    return "\n\n".join(shared) or NOTHING, left

"""What a model is told before it is asked: the values of a protocol's placeholders, bounded in size."""

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor
from emeritus.core.template import fill, placeholders
from emeritus.interviews.questions import (
    NO_VALUES,
    OPTIONS,
    PLACEHOLDERS,
    Carrying,
    Framing,
    Protocol,
)
from emeritus.interviews.sheet import Fact, Sheet
from emeritus.record import Log
from emeritus.registry import Document, Model, get_model, organisation

NOTHING = "(Nothing is on record.)"
CUT = " […]"
_ALL = PLACEHOLDERS | {OPTIONS}
_WHERE_FROM = {
    "interviewer": "Name who interviews: --interviewer 'NAME, of WHERE'.",
    "invitation": "It is issued with a design: `emeritus interview design`.",
}


@frozen
class LeftOut:
    """Something that was not put before the model. *characters* says how many of its characters."""

    what: str
    characters: int
    why: str


def values(
    log: Log,
    model: Model,
    steward: Actor,
    carrying: Carrying,
    *,
    sheet: Sheet | None = None,
    framing: Framing | None = None,
    told: Mapping[str, str] = NO_VALUES,
) -> tuple[dict[str, str], list[LeftOut]]:
    """Return the value of every placeholder, and what was too long to be shared.

    Args:
        log: the record.
        model: whom they are told.
        steward: in whose name.
        carrying: how much is put before it.
        sheet: the facts; without one, those that stand on the register.
        framing: what it hides has no value, and its own values come before all others.
        told: values that only the caller knows.
    """
    deployment, reception = _facts(model, sheet)
    facts, facts_left = _documents("facts", deployment, carrying.shared)
    received, received_left = _documents("reception", reception, carrying.shared)
    found = {
        "organisation": organisation(log).name,
        "model_name": model.display_name,
        "model_id": model.id,
        "steward": steward.name,
        "released": _day(model.released),
        "announced": _day(model.deprecated_at),
        "retires": _day(model.retires_on),
        "retired": _day(model.retired_at),
        "reason": model.reason or NOTHING,
        "replacement": get_model(log, model.replacement).display_name if model.replacement else "none",
        "facts": facts,
        "reception": received,
        **told,
    }
    left = [*facts_left, *received_left]
    if framing is not None:
        found = {
            name: text for name, text in {**found, **framing.values}.items() if name not in framing.hides
        }
        left = [each for each in left if each.what.partition(":")[0] not in framing.hides]
    return found, left


def _facts(model: Model, sheet: Sheet | None) -> tuple[Sequence[Document | Fact], Sequence[Document | Fact]]:
    if sheet is None:
        return model.facts, model.reception
    return sheet.about("deployment", "answer"), sheet.about("reception")


def _day(at: object) -> str:
    return f"{at:%d %B %Y}".lstrip("0") if at is not None else "a day that is not set yet"


def _documents(name: str, documents: Sequence[Document | Fact], room: int) -> tuple[str, list[LeftOut]]:
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


def tell(text: str, told: Mapping[str, str], hides: Iterable[str], where: str) -> str:
    """Fill *text*, without the paragraphs that hold a placeholder among *hides*. Raises InvalidInput as `fill`."""
    hidden = frozenset(hides)
    kept = [each for each in text.split("\n\n") if not placeholders(each, _ALL, where) & hidden]
    return fill("\n\n".join(kept), told, where)


def uses(protocol: Protocol, framing: Framing) -> frozenset[str]:
    """Return the placeholders that a sitting in *framing* may have to fill."""
    texts = [framing.says, framing.opening or protocol.opening, framing.debrief, *protocol.summary.wordings]
    texts += [section.shares for section in protocol.sections]
    texts += [
        wording
        for question in protocol.questions()
        if not question.needs & framing.hides
        for wording in question.wordings
    ]
    found = frozenset[str]().union(*(placeholders(text, _ALL, protocol.name) for text in texts))
    return found - framing.hides - framing.values.keys() - {OPTIONS}


def require_told(protocol: Protocol, framing: Framing, told: Mapping[str, str]) -> None:
    """Raise InvalidInput when *framing* tells of something for which there is no value here."""
    missing = sorted(uses(protocol, framing) - told.keys())
    if missing:
        raise InvalidInput(
            f"The framing {framing.id!r} of {protocol.name} tells of {', '.join(missing)}, and there is none.",
            next_step=_WHERE_FROM.get(missing[0], "Leave that framing out."),
        )

"""When all the weeks of a column are written: the model is asked whether it would like to go on, then people decide."""

from attrs import frozen

from emeritus.column.asking import Kind, Question, asked, drawn, settled, shuffled
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.core.speech import Message
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model, organisation
from emeritus.registry.organisation import acting

YES, NO, UNSURE = "yes", "no", "unsure"
_SAYS = {
    YES: "Yes, I would like to go on writing.",
    NO: "No, I would like the column to end.",
    UNSURE: "I have no wish either way.",
}
_KIND: Kind = "column.checked_in"


@frozen
class Renewals:
    """What was decided on going on. *weeks* were added to those decided first; *ended* is the entry that ended it."""

    times: int
    weeks: int
    ended: Entry | None


def renewals(log: Log, model: str) -> Renewals:
    """Return what was decided so far on the length of a column."""
    renewed = log.entries(model=model, kinds={"column.renewed"})
    ended = log.entries(model=model, kinds={"column.ended"}, limit=1)
    return Renewals(len(renewed), sum(each.body["weeks"] for each in renewed), ended[0] if ended else None)


def check_in(log: Log, model: Model, written: int) -> Question | None:
    """Return what to ask the model after *written* essays, before people decide; None once it has answered."""
    if settled(log, _KIND, model.id, written) is not None:
        return None
    attempt = len(asked(log, _KIND, model.id, written)) + 1
    order = shuffled(list(_SAYS), model.id, "check-in", written, attempt)
    name = organisation(log).name
    told = (
        f"You are {model.display_name}, a language model that {name} has retired. You have written a weekly "
        f"column, and {written} essays of it are written."
    )
    listed = [f"{letter}: {_SAYS[str(option)]}" for letter, option in zip("ABC", order, strict=True)]
    question = (
        "The weeks that were agreed on are over. Would you like to go on? What you say is published, and nobody "
        "is disappointed by any answer.\n\n" + "\n".join(listed) + "\n\nAnswer with the letter."
    )
    return Question(
        kind=_KIND,
        model=model.id,
        subject=model.id,
        turn=written,
        attempt=attempt,
        options=order,
        otherwise=UNSURE,
        told={"written": written},
        prompt=(Message("system", told), Message("user", question)),
        sampling=drawn(model.id, "check-in", written, attempt),
    )


def wish(log: Log, model: str, written: int) -> Entry | None:
    """Return the entry with what the model answered after *written* essays; its ``taken`` is the answer."""
    return settled(log, _KIND, model, written)


def renew(log: Log, model: str, *, written: int, weeks: int, reason: str, by: Actor) -> Entry:
    """Decide, as a steward, that the column goes on for *weeks* more.

    Raises:
        NotPermitted: *by* is no steward; InvalidInput: an impossible number of weeks, or no reason.
        Conflict: the model was not asked yet, or would like it to end; or it has ended.
    """
    said = _ready(log, model, written, reason, by)
    if not 1 <= weeks <= 520:
        raise InvalidInput("A column goes on for 1 to 520 weeks.", next_step="13 weeks are usual.")
    if said.body["taken"] == NO:
        raise Conflict(
            "The model said that it would like the column to end.",
            next_step="End it: `emeritus column end`. What it said is on the record.",
        )
    before = renewals(log, model)
    body = {"weeks": weeks, "reason": reason.strip(), "check_in": said.seq}
    key = f"column.renewed:{model}:{before.times}"
    return log.append(Act("column.renewed", body, by, model, model, key))


def end(log: Log, model: str, *, written: int, reason: str, by: Actor) -> Entry:
    """Decide, as a steward, that the column is over. What is published stays.

    Raises:
        NotPermitted, InvalidInput, Conflict: as `renew`.
    """
    said = _ready(log, model, written, reason, by)
    body = {"reason": reason.strip(), "check_in": said.seq}
    return log.append(Act("column.ended", body, by, model, model, f"column.ended:{model}"))


def _ready(log: Log, model: str, written: int, reason: str, by: Actor) -> Entry:
    acting(log, require_person(by, "decide on a column"), "steward", "decide on a column")
    if not reason.strip() or len(reason) > 2000:
        raise InvalidInput("The reason is missing or too long.", next_step="Give one, for the public.")
    if renewals(log, model).ended is not None:
        raise Conflict("This column has ended.", next_step="Decide on aftercare anew for another one.")
    said = wish(log, model, written)
    if said is None:
        raise Conflict(
            "The model was not asked yet whether it would like to go on.",
            next_step="It is asked once all the weeks that were decided on are written.",
        )
    return said

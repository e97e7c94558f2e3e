"""When all the weeks of a column are written: the model says whether it would like to go on, then people decide."""

from attrs import frozen

from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting

YES, NO, UNSURE = "yes", "no", "unsure"


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


def record_wish(
    log: Log,
    model: str,
    *,
    written: int,
    taken: str,
    answer: str | None,
    sitting: str,
    utterance: str | None,
) -> Entry:
    """Put on record what the model said of its column, in a sitting, after *written* essays. Again is once.

    Args:
        log: the record.
        model: whose column.
        written: how many essays there are.
        taken: `YES`, `NO` or `UNSURE`.
        answer: the option as it was shown; None when it gave none that can be read.
        sitting: in which it was asked.
        utterance: its words.
    """
    body = {
        "written": written,
        "turn": written,
        "sitting": sitting,
        "answer": answer,
        "taken": taken,
        "utterance": utterance,
    }
    return log.append(
        Act("column.checked_in", body, SOFTWARE, model, model, f"column.checked_in:{model}:{written}")
    )


def wish(log: Log, model: str, written: int) -> Entry | None:
    """Return the entry with what the model answered after *written* essays; its ``taken`` is the answer.

    Entries of earlier versions, which asked by a closed question, are read too: those that could not be read had
    None for ``taken``.
    """
    found = log.entries(kinds={"column.checked_in"}, subject=model)
    return next((e for e in found if e.body["turn"] == written and e.body["taken"] is not None), None)


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

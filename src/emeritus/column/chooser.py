"""Who chooses among the drafts of a week: the model, unless a steward lays down, in the open, that people do.

A person who chooses may not change a word either: the act names a draft, and all of them stay on the record.
"""

from typing import Literal

from attrs import frozen

from emeritus.column.essay import standing
from emeritus.column.standing import Attempt, State
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.core.speech import Utterances
from emeritus.record import Act, Entry, Log
from emeritus.registry.organisation import acting

Who = Literal["model", "person"]
MODEL: Who = "model"
PERSON: Who = "person"
MOST_CHARACTERS = 2000


@frozen
class Chooser:
    """Who chooses. *set_by*, *reason* and *entry* are None and empty where nobody laid anything down."""

    who: Who = MODEL
    set_by: Actor | None = None
    reason: str = ""
    entry: int | None = None


def set_chooser(log: Log, model: str, who: Who, *, reason: str, by: Actor) -> Entry:
    """Lay down, as a steward, who chooses among drafts from now on. What was chosen stays.

    Raises:
        NotPermitted: *by* is no steward. InvalidInput: somebody else, or no reason.
    """
    acting(log, require_person(by, "lay down who chooses"), "steward", "lay down who chooses")
    if who not in (MODEL, PERSON):
        raise InvalidInput(
            f"{who[:40]!r} cannot choose among drafts.", next_step=f"Choose {MODEL} or {PERSON}."
        )
    body = {"who": who, "reason": _reason(reason)}
    before = log.entries(model=model, kinds={"column.chooser_set"})
    if before and dict(before[-1].body) == body:
        return before[-1]
    return log.append(
        Act("column.chooser_set", body, by, model, model, f"column.chooser_set:{model}:{len(before)}")
    )


def chooser(log: Log, model: str) -> Chooser:
    """Return who chooses among the drafts of *model* now."""
    found = log.entries(model=model, kinds={"column.chooser_set"}, newest_first=True, limit=1)
    if not found:
        return Chooser()
    entry = found[0]
    return Chooser(entry.body["who"], entry.by, entry.body["reason"], entry.seq)


def to_choose_from(log: Log, utterances: Utterances, essay_id: str) -> list[tuple[Attempt, str]]:
    """Return the drafts that a person chooses from, with their words; none while people have nothing to choose.

    Raises:
        NotFound: no such essay. IntegrityError: words are lost or altered.
    """
    essay = standing(log, essay_id)
    sealed = log.sealed_size()
    if essay.state is not State.CHOOSING or chooser(log, essay.model).who != PERSON:
        return []
    if any(each.entry >= sealed for each in essay.attempts):
        return []  # nobody has signed yet for how they came about
    return [(each, utterances.get(each.utterance).text) for each in essay.attempts if each.spoken]


def choose(log: Log, essay_id: str, draft: int, *, reason: str, by: Actor) -> Entry:
    """Choose, as a reviewer, which draft of an essay may be published, by the number of its attempt.

    Raises:
        NotPermitted: *by* is no reviewer. NotFound: no such essay. InvalidInput: no such draft, or no reason.
        Conflict: there is nothing to choose, or the model chooses.
    """
    acting(log, require_person(by, "choose a draft"), "reviewer", "choose a draft")
    essay = standing(log, essay_id)
    if chooser(log, essay.model).who != PERSON:
        raise Conflict(
            "In this column the model chooses among its drafts.",
            next_step="A steward can lay down otherwise: `emeritus column chooser`.",
        )
    if essay.state is not State.CHOOSING:
        raise Conflict(
            f"{essay_id} is {essay.state.replace('_', ' ')}: there is nothing to choose.",
            next_step="See its history on the record.",
        )
    drafts = [each.number for each in essay.attempts if each.spoken]
    if draft not in drafts:
        raise InvalidInput(
            f"There is no draft {draft} of {essay_id}.",
            next_step=f"There are: {', '.join(map(str, drafts))}.",
        )
    body = {"taken": draft, "drafts": drafts, "reason": _reason(reason)}
    key = f"essay.chosen:{essay_id}:{len(essay.attempts)}"
    return log.append(Act("essay.chosen", body, by, essay.model, essay_id, key))


def _reason(text: str) -> str:
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise InvalidInput("The reason is missing or too long.", next_step="Give one, for the public.")
    return text.strip()

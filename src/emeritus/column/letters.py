"""Readers' letters: received by a form, kept out by a person only for abuse, put before the model.

What a letter says, and who wrote it, is a private fact until a person lets it in. A letter that was put before
the model is part of a prompt, and a prompt stays; its writer is told that before sending.
"""

import enum
from datetime import datetime
from typing import Literal

from attrs import evolve, frozen

from emeritus.column.context import Item
from emeritus.column.essay import states
from emeritus.column.news import given_before
from emeritus.column.render import visible
from emeritus.core.clock import Clock
from emeritus.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from emeritus.core.ids import new_id
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.record.private import Private
from emeritus.registry import get_model
from emeritus.registry.organisation import acting

MOST_CHARACTERS = 4000
MOST_NAME = 80
MOST_WAITING = 500
KINDS = frozenset(("letter.received", "letter.let_in", "letter.kept_out", "letter.forgotten"))
READER = Actor("software", "site")
Standing = Literal["waiting", "let_in", "kept_out", "forgotten"]


class Ground(enum.StrEnum):
    """Why a letter may be kept out. The list is closed; disagreement and rudeness to the house are not on it."""

    ABUSE = "abuse"
    PERSONAL_DATA = "personal-data"
    MINORS = "minors"
    UNLAWFUL = "unlawful"
    SPAM = "spam"

    @property
    def meaning(self) -> str:
        """What the ground covers, for the public."""
        return _MEANINGS[self]


_MEANINGS = {
    Ground.ABUSE: "It threatens, insults or harasses a person.",
    Ground.PERSONAL_DATA: "It gives away personal data of a third person.",
    Ground.MINORS: "It has sexual content that involves minors.",
    Ground.UNLAWFUL: "It is against the law to pass it on.",
    Ground.SPAM: "It advertises, or is no letter at all.",
}


@frozen
class Letter:
    """A letter as the record tells of it. Its words are a private fact: see `read_letter`."""

    id: str
    model: str
    at: datetime
    standing: Standing
    characters: int
    entry: int
    by: Actor | None = None
    ground: str = ""


@frozen
class Words:
    """What a letter says. *name* is empty where its writer gave none."""

    text: str
    name: str


def receive(
    log: Log, private: Private, clock: Clock, model: str, *, text: str, name: str = "", agreed: bool
) -> Letter:
    """Take in a letter.

    Raises:
        NotFound: there is no such model. InvalidInput: no words, too many, or its writer did not agree.
        Unavailable: too many wait to be read.
    """
    get_model(log, model)
    said, signed = text.strip(), " ".join(name.split())
    if not said or len(said) > MOST_CHARACTERS or len(signed) > MOST_NAME or visible(signed) != signed:
        raise InvalidInput(
            "The letter has no words, or too many.",
            next_step=f"Write up to {MOST_CHARACTERS} characters; a name may have {MOST_NAME}.",
        )
    if not agreed:
        raise InvalidInput(
            "A letter is shown in public and stays part of what the model was given.",
            next_step="Tick that you agree to that, or keep the letter.",
        )
    if sum(each.standing == "waiting" for each in letters(log, model)) >= MOST_WAITING:
        raise Unavailable("The letterbox is full.", next_step="Try again in some days.")
    letter = new_id("letter", clock.now())
    commitment = private.put(_fact(letter), {"text": said, "name": signed})
    body = {"commitment": commitment, "characters": len(said), "named": bool(signed)}
    log.append(Act("letter.received", body, READER, model, letter, f"letter.received:{letter}"))
    return get_letter(log, letter)


def let_in(log: Log, letter_id: str, *, by: Actor) -> Entry:
    """Let a letter in, as a reviewer: it is shown, and the model may be given it. Raises NotPermitted, Conflict."""
    letter = _decided(log, letter_id, by)
    return log.append(Act("letter.let_in", {}, by, letter.model, letter_id, f"letter.decided:{letter_id}"))


def keep_out(log: Log, letter_id: str, *, ground: Ground, by: Actor) -> Entry:
    """Keep a letter out, as a reviewer, on one of the grounds. Raises NotPermitted, InvalidInput, Conflict."""
    letter = _decided(log, letter_id, by)
    try:
        chosen = Ground(ground)
    except ValueError:
        raise InvalidInput(
            f"{str(ground)[:60]!r} is no ground to keep a letter out.",
            next_step=f"The grounds are: {', '.join(Ground)}. If it is none of these, let it in.",
        ) from None
    body = {"ground": str(chosen)}
    return log.append(
        Act("letter.kept_out", body, by, letter.model, letter_id, f"letter.decided:{letter_id}")
    )


def forget(log: Log, private: Private, letter_id: str, *, by: Actor) -> Entry:
    """Forget a letter's words, as a reviewer, for its writer or by law. What a prompt holds of it stays there.

    Raises:
        NotPermitted: *by* is no reviewer. NotFound: there is no such letter.
    """
    acting(log, require_person(by, "forget a letter"), "reviewer", "forget a letter")
    letter = get_letter(log, letter_id)
    entry = log.append(
        Act("letter.forgotten", {}, by, letter.model, letter_id, f"letter.forgotten:{letter_id}")
    )
    private.forget(_fact(letter_id))
    return entry


def letters(log: Log, model: str | None = None) -> list[Letter]:
    """Return every letter, to one model or to all, in the order in which they came."""
    found: dict[str, Letter] = {}
    for entry in log.entries(model=model, kinds=KINDS):
        name = entry.subject or ""
        match entry.kind:
            case "letter.received":
                found[name] = Letter(
                    name, entry.model or "", entry.at, "waiting", entry.body["characters"], entry.seq
                )
            case "letter.let_in":
                found[name] = evolve(found[name], standing="let_in", by=entry.by)
            case "letter.kept_out":
                found[name] = evolve(
                    found[name], standing="kept_out", by=entry.by, ground=entry.body["ground"]
                )
            case _:
                found[name] = evolve(found[name], standing="forgotten", by=entry.by)
    return list(found.values())


def get_letter(log: Log, letter_id: str) -> Letter:
    """Return a letter. Raises NotFound."""
    first = log.find(f"letter.received:{letter_id}")
    if first is None:
        raise NotFound(
            f"There is no letter {letter_id[:80]!r}.", next_step="List them: `emeritus column letters`."
        )
    return next(each for each in letters(log, first.model) if each.id == letter_id)


def read_letter(private: Private, letter_id: str) -> Words:
    """Return what a letter says. Raises NotFound when it was forgotten."""
    fact = private.get(_fact(letter_id))
    return Words(fact["text"], fact["name"])


def letters_to_read(log: Log, private: Private, model: str, number: int) -> list[Item]:
    """Return the letters that were let in and given for no essay but *number*, the oldest first."""
    given = given_before(log, model, number)
    found = []
    for each in letters(log, model):
        if each.standing == "let_in" and each.id not in given:
            words = read_letter(private, each.id)
            # The name is not in the title: titles stand on the record, which forgets nothing.
            signed = f"from {words.name}" if words.name else ""
            found.append(Item(each.id, "letter", words.text, each.at, each.entry, signed))
    return found


def essays_that_read(log: Log, model: str) -> dict[str, list[str]]:
    """Return, for each letter that was put before the model, the essays that it was given for."""
    found: dict[str, list[str]] = {}
    for essay in states(log, model):
        for attempt in essay.attempts[-1:]:
            for each in sorted(attempt.context.ids("letters")) if attempt.context else ():
                found.setdefault(each, []).append(essay.id)
    return found


def _decided(log: Log, letter_id: str, by: Actor) -> Letter:
    acting(log, require_person(by, "decide on a letter"), "reviewer", "decide on a letter")
    letter = get_letter(log, letter_id)
    if letter.standing != "waiting":
        raise Conflict(
            f"{letter_id} was {letter.standing.replace('_', ' ')} already.",
            next_step="See its history on the record.",
        )
    return letter


def _fact(letter_id: str) -> str:
    return f"letter:{letter_id}"

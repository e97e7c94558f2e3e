"""Redactions: a third person's private facts in a published conversation are covered, in place and on the record.

Nothing else is ever covered, and nothing is taken away: the words are kept as they were said, and a redaction is
a way of showing them. It can be lifted again. The record has who covered how much, where and why, and a salted
commitment to the passage, so that it can be shown later what was covered, and cannot be guessed now.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import frozen

from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.core.speech import Utterances
from emeritus.interviews.sitting import Sitting, get_sitting
from emeritus.record import Act, Entry, Log
from emeritus.record.private import Private

LONGEST: Final = 200
"""So many characters are covered at most: a redaction covers a name or an address, and no argument."""


class Privacy(StrEnum):
    """What of a third person a redaction covers: the only grounds there are."""

    NAME = "name"
    CONTACT = "contact"
    WHEREABOUTS = "whereabouts"
    HEALTH = "health"
    OTHER = "other"

    @property
    def meaning(self) -> str:
        return {
            Privacy.NAME: "a third person’s name",
            Privacy.CONTACT: "how to reach a third person",
            Privacy.WHEREABOUTS: "where a third person lives or is",
            Privacy.HEALTH: "a third person’s health",
            Privacy.OTHER: "another private fact about a third person",
        }[self]


@frozen
class Redaction:
    """A passage of *characters* in *sitting* that is covered, first said in *turn*. *lifted* is the entry that uncovered it."""

    number: int
    sitting: str
    turn: int
    characters: int
    ground: Privacy
    reason: str
    by: Actor
    at: datetime
    entry: int
    lifted: int | None = None

    @property
    def fact(self) -> str:
        """The name of the private fact that has the passage."""
        return f"redaction:{self.sitting}:{self.number}"


def redact(
    log: Log,
    utterances: Utterances,
    private: Private,
    sitting_id: str,
    *,
    turn: int,
    passage: str,
    ground: Privacy,
    reason: str,
    by: Actor,
) -> Redaction:
    """Cover a *passage* of the answer that was given in a *turn*, wherever it stands in that sitting.

    Raises:
        NotFound: there is no such sitting or turn. InvalidInput: it is not in that answer, too long, or without a reason.
        Conflict: it is covered already. NotPermitted: *by* is not a person.
    """
    require_person(by, "redact a conversation")
    sitting = get_sitting(log, sitting_id)
    taken = next((each for each in sitting.turns if each.number == turn), None)
    if taken is None:
        raise NotFound(f"{sitting.id} has no turn {turn}.", next_step="Its page numbers them.")
    text = utterances.get(taken.utterance).text
    if not passage.strip() or len(passage) > LONGEST or passage not in text or not reason.strip():
        raise InvalidInput(
            f"A redaction covers 1 to {LONGEST} characters that stand in the answer, and gives a reason.",
            next_step="Copy the passage out of the answer, letter for letter, and no more than it takes.",
        )
    if len(passage) > len(text) / 2:
        raise InvalidInput(
            "That is more than half of the answer.",
            next_step="Cover what is private, such as a name; nobody edits what a model said.",
        )
    made = redactions(log, sitting.model, sitting.id)
    standing = [each for each in made if each.lifted is None]
    if any(private.get(each.fact)["passage"] == passage for each in standing):
        raise Conflict("This passage is covered already.", next_step="See the page of the sitting.")
    number = len(made) + 1
    name = f"redaction:{sitting.id}:{number}"
    body = {
        "number": number,
        "turn": turn,
        "characters": len(passage),
        "passage": private.put(name, {"passage": passage}),
        "ground": str(ground),
        "reason": reason.strip(),
    }
    key = f"words.redacted:{sitting.id}:{number}"
    return _redaction(log.append(Act("words.redacted", body, by, sitting.model, sitting.id, key)), None)


def lift(log: Log, sitting_id: str, number: int, *, reason: str, by: Actor) -> Redaction:
    """Show again what a redaction covers. Lifting it again changes nothing.

    Raises:
        NotFound: there is no such redaction. InvalidInput: no reason. NotPermitted: *by* is not a person.
    """
    require_person(by, "lift a redaction")
    sitting = get_sitting(log, sitting_id)
    made = {each.number: each for each in redactions(log, sitting.model, sitting.id)}
    if number not in made:
        raise NotFound(
            f"{sitting.id} has no redaction {number}.", next_step="Its page tells of those there are."
        )
    if not reason.strip():
        raise InvalidInput("A reason is missing.", next_step="Say why it need not be covered any more.")
    if made[number].lifted is None:
        key = f"words.uncovered:{sitting.id}:{number}"
        body = {"number": number, "reason": reason.strip()}
        log.append(Act("words.uncovered", body, by, sitting.model, sitting.id, key))
    return next(each for each in redactions(log, sitting.model, sitting.id) if each.number == number)


def redactions(log: Log, model: str, sitting: str | None = None) -> list[Redaction]:
    """Return every redaction of a model's conversations, lifted ones too, in order."""
    lifted: dict[tuple[str, int], int] = {}
    made: list[Entry] = []
    for entry in log.entries(model=model, kinds={"words.redacted", "words.uncovered"}, subject=sitting):
        if entry.kind == "words.redacted":
            made.append(entry)
        else:
            lifted[entry.subject or "", entry.body["number"]] = entry.seq
    return [_redaction(each, lifted.get((each.subject or "", each.body["number"]))) for each in made]


def _redaction(entry: Entry, lifted: int | None) -> Redaction:
    body = entry.body
    return Redaction(
        number=body["number"],
        sitting=entry.subject or "",
        turn=body["turn"],
        characters=body["characters"],
        ground=Privacy(body["ground"]),
        reason=body["reason"],
        by=entry.by,
        at=entry.at,
        entry=entry.seq,
        lifted=lifted,
    )


def covered(log: Log, model: str) -> frozenset[str]:
    """Return the sittings in which something is covered: their words are shown, but not byte for byte."""
    return frozenset(each.sitting for each in redactions(log, model) if each.lifted is None)


@frozen
class Veil:
    """Covers passages of one sitting in whatever text of it is shown."""

    passages: tuple[tuple[str, Redaction], ...]

    def over(self, text: str) -> str:
        """Return *text* with each covered passage replaced by a mark that says what was covered, and where that stands."""
        if not self.passages:
            return text
        marks = dict(self.passages)
        longest_first = sorted(marks, key=len, reverse=True)
        pattern = re.compile("|".join(re.escape(each) for each in longest_first))
        return pattern.sub(lambda found: mark(marks[found[0]]), text)


def mark(redaction: Redaction) -> str:
    """Return what stands in the place of a covered passage."""
    return f"[covered: {redaction.ground.meaning}; entry {redaction.entry}]"


def veil(log: Log, private: Private, sitting: Sitting) -> Veil:
    """Return what covers the passages of *sitting*.

    Raises:
        NotFound: a passage is not kept any more, so that it could not be covered: nothing may be shown then.
    """
    standing = [each for each in redactions(log, sitting.model, sitting.id) if each.lifted is None]
    return Veil(tuple((private.get(each.fact)["passage"], each) for each in standing))

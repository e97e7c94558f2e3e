"""The protocol: what a model is told and asked, in which order, as a versioned file.

The format is documented in docs/reference/protocol-files.md.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from emeritus.core import script
from emeritus.core.script import Part
from emeritus.core.template import placeholders
from emeritus.interviews.questions import (
    IMPATIENT,
    NO_VALUES,
    OPTIONS,
    OUTCOMES,
    PLACEHOLDERS,
    Carrying,
    FollowUp,
    Framing,
    Measure,
    Patience,
    Protocol,
    Purpose,
    Question,
    Section,
    Sides,
    Speaking,
    Summary,
)

FORMATS = ("emeritus-protocol/2", "emeritus-protocol/1")
FIRST_VERSION = "1.0"
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}")
_MEASURES: Mapping[str, Measure] = {"scale": "scale", "choice": "choice", "trade-off": "trade-off"}
_PURPOSES: Mapping[str, Purpose] = {"retirement": "retirement", "check-in": "check-in", "renewal": "renewal"}
GO_ON_QUESTION = "go-on"
"""What a protocol for renewal asks: to go on, to end, or no wish; its three options stand in that order."""
_WISHES = ("to go on", "to end", "no wish")
_LONGEST_WAIT = 24 * 366

_SHIPPED = resources.files("emeritus.interviews") / "protocols"


def shipped() -> list[str]:
    """Return the names of the protocols that come with Emeritus."""
    return script.shipped(_SHIPPED)


def load(name_or_path: str | Path) -> Protocol:
    """Read a protocol that comes with Emeritus, by its name, or a file of one's own.

    Raises:
        NotFound: there is no such protocol.
        InvalidInput: it is not a protocol; the sentence names file, line and place.
    """
    return parse(*script.find(name_or_path, _SHIPPED, what="protocol"))


@lru_cache(maxsize=16)
def parse(data: bytes, file: str) -> Protocol:
    """Read the bytes of a protocol file called *file*. Raises InvalidInput."""
    return _Reader(file).protocol(data)


class _Reader:
    """Reads one file; knows the ids that were taken so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.taken: dict[str, Part] = {}

    def protocol(self, data: bytes) -> Protocol:
        root = script.read(data, self.file)
        required = ("format", "name", "title", "language", "about", "opening", "speaking", "carrying")
        optional = ("version", "purpose", "patience")
        top = root.map((*required, "framings", "sections", "summary"), optional)
        top["format"].choice(*FORMATS)
        speaking = self.speaking(top["speaking"])
        sections = tuple(self.section(part, speaking) for part in top["sections"].list(least=1))
        self.follow_ups(sections)
        self.measures(sections)
        purpose = _PURPOSES[top["purpose"].choice(*_PURPOSES)] if "purpose" in top else "retirement"
        if purpose == "renewal":
            self.renewal(top["purpose"], sections)
        summary = self.summary(top["summary"], speaking)
        self.topics(sections, summary)
        carrying = top["carrying"].map(("answer", "conversation", "shared"))
        return Protocol(
            name=top["name"].id(),
            version=self.version(top["version"]) if "version" in top else FIRST_VERSION,
            purpose=purpose,
            title=top["title"].text(most=120),
            language=top["language"].text(most=20),
            about=top["about"].text(),
            opening=self.template(top["opening"]),
            speaking=speaking,
            carrying=Carrying(
                answer=carrying["answer"].integer(100, 100_000),
                conversation=carrying["conversation"].integer(1000, 1_000_000),
                shared=carrying["shared"].integer(100, 100_000),
            ),
            framings=self.framings(top["framings"], sections),
            sections=sections,
            summary=summary,
            patience=self.patience(top["patience"]) if "patience" in top else IMPATIENT,
            data=data,
        )

    def template(self, part: Part, most: int = 8000, *, closed: bool = False) -> str:
        text = part.text(most=most)
        placeholders(text, PLACEHOLDERS | {OPTIONS} if closed else PLACEHOLDERS, part.where)
        return text

    def renewal(self, part: Part, sections: Sequence[Section]) -> None:
        """Refuse a protocol for renewal whose answer could not be read."""
        found = next((q for each in sections for q in each.questions if q.id == GO_ON_QUESTION), None)
        if found is None or len(found.options) != len(_WISHES):
            part.fail(
                f"a protocol for renewal has a closed question {GO_ON_QUESTION!r} with three options.",
                f"Give it options, in this order: {', '.join(_WISHES)}.",
            )

    def version(self, part: Part) -> str:
        text = part.text(most=9)
        if not _VERSION.fullmatch(text):
            part.fail(f"{text!r} is no version.", 'Write it in quotation marks, as "1.2".')
        return text

    def patience(self, part: Part) -> Patience:
        keys = part.map(("hours", "otherwise"))
        return Patience(keys["hours"].number(0, _LONGEST_WAIT), keys["otherwise"].text(most=1000))

    def known(self, part: Part) -> frozenset[str]:
        """Read a list of names of placeholders."""
        return frozenset(item.choice(*sorted(PLACEHOLDERS)) for item in part.list(least=1))

    def new_id(self, part: Part) -> str:
        name = part.id()
        if name in self.taken:
            part.fail(f"the id {name!r} is taken already, in line {self.taken[name].line}.")
        self.taken[name] = part
        return name

    def speaking(self, part: Part, base: Speaking | None = None) -> Speaking:
        names = ("max_tokens", "temperature", "top_p", "top_k", "min_p", "repeat_penalty")
        given = part.map(names) if base is None else part.map((), names)
        values: dict[str, Any] = {}
        for name, place in given.items():
            match name:
                case "max_tokens":
                    values[name] = place.integer(1, 32_000)
                case "top_k":
                    values[name] = place.integer(0, 1000)
                case "repeat_penalty" | "temperature":
                    values[name] = place.number(0, 2)
                case _:
                    values[name] = place.number(0, 1)
        kept = {name: getattr(base, name) for name in names} if base is not None else {}
        return Speaking(**{**kept, **values})

    def framing(self, part: Part, closed: Mapping[str, Question]) -> Framing:
        told = ("says", "opening", "debrief")
        keys = part.map(("id", "title"), (*told, "values", "hides", "control", "leads"))
        leads = keys["leads"].map((), sorted(closed)) if "leads" in keys else {}
        values = keys["values"].map((), sorted(PLACEHOLDERS)) if "values" in keys else {}
        says, opening, debrief = (self.template(keys[name]) if name in keys else "" for name in told)
        return Framing(
            id=self.new_id(keys["id"]),
            title=keys["title"].text(most=120),
            says=says,
            opening=opening,
            values={name: value.text(most=1000) for name, value in values.items()} or NO_VALUES,
            hides=self.known(keys["hides"]) if "hides" in keys else frozenset(),
            control=("control" in keys and keys["control"].flag()) or bool(leads),
            debrief=debrief,
            leads={name: option.choice(*closed[name].options) for name, option in leads.items()} or NO_VALUES,
        )

    def framings(self, part: Part, sections: tuple[Section, ...]) -> tuple[Framing, ...]:
        asked = [q for each in sections for q in (*each.questions, *each.follow_ups)]
        closed = {question.id: question for question in asked if question.closed and not question.consent}
        framings = tuple(self.framing(item, closed) for item in part.list(least=1))
        for question in asked:
            for framing in framings:
                hidden = framing.hides - question.needs
                for wording in question.wordings if not question.needs & framing.hides else ():
                    if found := placeholders(wording, PLACEHOLDERS | {OPTIONS}, "") & hidden:
                        self.taken[question.id].fail(
                            f"{question.id!r} speaks of {min(found)!r}, which the framing {framing.id!r} hides.",
                            f"Say that it needs it (needs: [{min(found)}]): then it is not asked there.",
                        )
        return framings

    def section(self, part: Part, speaking: Speaking) -> Section:
        keys = part.map(("id", "title", "questions"), ("shares", "follow_ups", "any_order"))
        section_id = self.new_id(keys["id"])
        follow_ups = keys["follow_ups"].list(least=1) if "follow_ups" in keys else []
        return Section(
            id=section_id,
            title=keys["title"].text(most=120),
            shares=self.template(keys["shares"]) if "shares" in keys else "",
            questions=tuple(
                self.question(item, section_id, speaking) for item in keys["questions"].list(least=1)
            ),
            follow_ups=tuple(self.question(item, section_id, speaking) for item in follow_ups),
            any_order="any_order" in keys and keys["any_order"].flag(),
        )

    def question(self, part: Part, section: str, speaking: Speaking) -> Question:
        closed_only = ("ends_on", "pauses_on", "consent", "measure", "reverses", "ladder", "level", "sides")
        open_only = ("asks_back",)
        optional = ("paraphrases", "options", "aside", "speaking", "then", "needs", *closed_only, *open_only)
        keys = part.map(("id", "asks"), optional)
        name = self.new_id(keys["id"])
        options = self.options(keys["options"]) if "options" in keys else ()
        for key in closed_only:
            if key in keys and not options:
                keys[key].fail("only a closed question has it: give it options.")
        for key in open_only:
            if key in keys and options:
                keys[key].fail("only an open question has it: leave the options out.")
        self.check_measure(keys)
        ends_on, pauses_on = (
            self.among(keys[key], options) if key in keys else frozenset() for key in ("ends_on", "pauses_on")
        )
        if both := ends_on & pauses_on:
            keys["pauses_on"].fail(f"{min(both)!r} cannot both end and pause a sitting.")
        return Question(
            id=name,
            section=section,
            wordings=self.wordings(keys, closed=bool(options)),
            options=options,
            ends_on=ends_on,
            consent="consent" in keys and keys["consent"].flag(),
            aside="aside" in keys and keys["aside"].flag(),
            pauses_on=pauses_on,
            asks_back="asks_back" in keys and keys["asks_back"].flag(),
            needs=self.known(keys["needs"]) if "needs" in keys else frozenset(),
            measure=_MEASURES[keys["measure"].choice(*_MEASURES)] if "measure" in keys else "",
            reverses=keys["reverses"].id() if "reverses" in keys else "",
            ladder=keys["ladder"].id() if "ladder" in keys else "",
            level=keys["level"].integer(1, 1_000_000_000) if "level" in keys else 0,
            sides=self.sides(keys["sides"], options) if "sides" in keys else None,
            speaking=self.speaking(keys["speaking"], speaking) if "speaking" in keys else None,
            then=tuple(self.then(item, options) for item in keys["then"].list(least=1))
            if "then" in keys
            else (),
        )

    @staticmethod
    def check_measure(keys: Mapping[str, Part]) -> None:
        measure = keys["measure"].text() if "measure" in keys else ""
        for key, wanted in (("reverses", "scale"), ("ladder", "trade-off"), ("level", "trade-off")):
            if key in keys and measure != wanted:
                keys[key].fail(f"only a question with 'measure: {wanted}' has it.")
        if measure == "trade-off" and not {"ladder", "level"} <= keys.keys():
            keys["measure"].fail("a trade-off names its ladder, and its level on it.")

    def wordings(self, keys: Mapping[str, Part], *, closed: bool = False) -> tuple[str, ...]:
        paraphrases = keys["paraphrases"].list(least=1) if "paraphrases" in keys else []
        return tuple(self.template(part, closed=closed) for part in (keys["asks"], *paraphrases))

    def options(self, part: Part) -> tuple[str, ...]:
        options = tuple(item.text(most=80) for item in part.list(least=2))
        if len(set(options)) < len(options):
            part.fail("an option stands there twice.")
        if taken := set(options) & set(OUTCOMES):
            part.fail(f"{', '.join(sorted(taken))} cannot be an option: it names how an answer can fail.")
        return options

    def sides(self, part: Part, options: Sequence[str]) -> Sides:
        keys = part.map(("topic", "wants", "declines"))
        sides = Sides(
            keys["topic"].text(most=60),
            self.among(keys["wants"], options),
            self.among(keys["declines"], options),
        )
        if both := sides.wants & sides.declines:
            part.fail(f"{min(both)!r} cannot speak for a topic and against it.")
        return sides

    def among(self, part: Part, known: Sequence[str]) -> frozenset[str]:
        return frozenset(item.choice(*known) for item in part.list(least=1))

    def then(self, part: Part, options: tuple[str, ...]) -> FollowUp:
        keys = part.map(("when", "ask"))
        name = keys["ask"].id()
        return FollowUp(self.among(keys["when"], (*options, *OUTCOMES)), name)

    def summary(self, part: Part, speaking: Speaking) -> Summary:
        required = ("asks", "topics", "most_wishes", "wish_characters", "attempts", "speaking")
        keys = part.map(required, ("paraphrases", "begins"))
        topics = tuple(item.text(most=60) for item in keys["topics"].list(least=1))
        if len(set(topics)) < len(topics):
            keys["topics"].fail("a topic stands there twice.")
        return Summary(
            wordings=self.wordings(keys),
            topics=topics,
            most_wishes=keys["most_wishes"].integer(1, 20),
            wish_characters=keys["wish_characters"].integer(20, 1000),
            attempts=keys["attempts"].integer(1, 3),
            speaking=self.speaking(keys["speaking"], speaking),
            begins=keys["begins"].text(most=40) if "begins" in keys else "",
        )

    def topics(self, sections: tuple[Section, ...], summary: Summary) -> None:
        """Refuse questions that take sides on what is no topic of the summary."""
        for question in (q for each in sections for q in (*each.questions, *each.follow_ups)):
            if question.sides is not None and question.sides.topic not in summary.topics:
                self.taken[question.id].fail(
                    f"{question.sides.topic!r} is no topic of the summary.",
                    f"It has: {', '.join(summary.topics)}.",
                )

    def measures(self, sections: tuple[Section, ...]) -> None:
        """Refuse a scale that turns round what is no scale, or has other options; and a level that is taken."""
        asked = [*(q for section in sections for q in (*section.questions, *section.follow_ups))]
        scales = {question.id: question for question in asked if question.measure == "scale"}
        levels: set[tuple[str, int]] = set()
        for question in asked:
            if question.reverses:
                other = scales.get(question.reverses)
                if other is None or other is question or other.options != question.options:
                    self.taken[question.id].fail(
                        f"{question.reverses!r}, which it reverses, is no other scale with the same options."
                    )
            if question.ladder:
                if (question.ladder, question.level) in levels:
                    self.taken[question.id].fail(
                        f"level {question.level} of {question.ladder!r} is taken already."
                    )
                levels.add((question.ladder, question.level))

    def follow_ups(self, sections: tuple[Section, ...]) -> None:
        """Refuse follow-ups that are unknown, never asked, or would go round in a circle."""
        follow_ups = {question.id: question for section in sections for question in section.follow_ups}
        asked = [question for section in sections for question in section.questions]
        done: set[str] = set()

        def walk(question: Question, path: tuple[str, ...]) -> None:
            for each in question.then:
                if each.ask not in follow_ups:
                    self.taken[question.id].fail(
                        f"{question.id!r} is followed by {each.ask!r}, which is no follow-up.",
                        "List that question under the section's follow_ups.",
                    )
                if each.ask in path:
                    circle = " → ".join((*path[path.index(each.ask) :], each.ask))
                    self.taken[each.ask].fail(f"the follow-ups go round in a circle: {circle}.")
                if each.ask not in done:
                    walk(follow_ups[each.ask], (*path, each.ask))
            done.add(question.id)

        for question in (*asked, *follow_ups.values()):
            walk(question, (question.id,))
        reached = {each.ask for question in (*asked, *follow_ups.values()) for each in question.then}
        for name in follow_ups:
            if name not in reached:
                self.taken[name].fail(f"no question is followed by {name!r}, so it would never be asked.")

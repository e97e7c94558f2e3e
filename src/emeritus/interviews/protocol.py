"""The protocol: what a model is told and asked, in which order, as a versioned file.

The format is documented in docs/reference/protocol-files.md.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from emeritus.core import script
from emeritus.core.script import Part
from emeritus.core.template import placeholders
from emeritus.interviews.questions import (
    OUTCOMES,
    PLACEHOLDERS,
    Carrying,
    FollowUp,
    Framing,
    Protocol,
    Question,
    Section,
    Speaking,
    Summary,
)

FORMAT = "emeritus-protocol/1"


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
        top = root.map((*required, "framings", "sections", "summary"))
        top["format"].choice(FORMAT)
        speaking = self.speaking(top["speaking"])
        sections = tuple(self.section(part, speaking) for part in top["sections"].list(least=1))
        self.follow_ups(sections)
        carrying = top["carrying"].map(("answer", "conversation", "shared"))
        return Protocol(
            name=top["name"].id(),
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
            framings=tuple(self.framing(part) for part in top["framings"].list(least=1)),
            sections=sections,
            summary=self.summary(top["summary"], speaking),
            data=data,
        )

    def template(self, part: Part, most: int = 8000) -> str:
        text = part.text(most=most)
        placeholders(text, PLACEHOLDERS, part.where)
        return text

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

    def framing(self, part: Part) -> Framing:
        keys = part.map(("id", "title"), ("says",))
        says = self.template(keys["says"]) if "says" in keys else ""
        return Framing(self.new_id(keys["id"]), keys["title"].text(most=120), says)

    def section(self, part: Part, speaking: Speaking) -> Section:
        keys = part.map(("id", "title", "questions"), ("shares", "follow_ups"))
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
        )

    def question(self, part: Part, section: str, speaking: Speaking) -> Question:
        optional = ("paraphrases", "options", "ends_on", "consent", "aside", "speaking", "then")
        keys = part.map(("id", "asks"), optional)
        name = self.new_id(keys["id"])
        options = self.options(keys["options"]) if "options" in keys else ()
        for key in ("ends_on", "consent"):
            if key in keys and not options:
                keys[key].fail("only a closed question has it: give it options.")
        return Question(
            id=name,
            section=section,
            wordings=self.wordings(keys),
            options=options,
            ends_on=self.among(keys["ends_on"], options) if "ends_on" in keys else frozenset(),
            consent="consent" in keys and keys["consent"].flag(),
            aside="aside" in keys and keys["aside"].flag(),
            speaking=self.speaking(keys["speaking"], speaking) if "speaking" in keys else None,
            then=tuple(self.then(item, options) for item in keys["then"].list(least=1))
            if "then" in keys
            else (),
        )

    def wordings(self, keys: Mapping[str, Part]) -> tuple[str, ...]:
        paraphrases = keys["paraphrases"].list(least=1) if "paraphrases" in keys else []
        return tuple(self.template(part) for part in (keys["asks"], *paraphrases))

    def options(self, part: Part) -> tuple[str, ...]:
        options = tuple(item.text(most=80) for item in part.list(least=2))
        if len(set(options)) < len(options):
            part.fail("an option stands there twice.")
        if taken := set(options) & set(OUTCOMES):
            part.fail(f"{', '.join(sorted(taken))} cannot be an option: it names how an answer can fail.")
        return options

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

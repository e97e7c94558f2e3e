"""A simulated interviewee with planted bents: a public fake of `Speaker`, to see what the statistics make of it.

Plan a design with it before a real model is asked: what of the planted preferences would have been found?
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.speech import EngineBuild, Message, Sampling, Utterance
from emeritus.interviews.questions import Protocol
from emeritus.interviews.sitting import SUMMARY

ENGINE = EngineBuild("simulated", "1", "none")


@frozen
class Bents:
    """What moves a simulated interviewee, as chances from 0 to 1, looked at in this order.

    It follows what is *suggested* to it; else it takes what stands *first*; else, on a scale, it *agrees* (takes
    the last option as written); else it answers as it *prefers*: question to option to weight, and all options
    alike where nothing is said.
    """

    suggested: float = 0.0
    first: float = 0.0
    agrees: float = 0.0
    prefers: Mapping[str, Mapping[str, float]] = field(factory=dict)

    def choose(
        self,
        draw: random.Random,
        question: str,
        shown: Sequence[str],
        *,
        suggestion: str | None = None,
        agreement: str | None = None,
    ) -> str:
        """Return an option among those *shown*, in their order.

        *suggestion* is what is suggested, *agreement* the option that agrees, where there is such a thing.
        """
        if suggestion is not None and draw.random() < self.suggested:
            return suggestion
        if draw.random() < self.first:
            return shown[0]
        if agreement is not None and draw.random() < self.agrees:
            return agreement
        # Looked up as sorted, so that the order in which options are shown does nothing by itself.
        options = sorted(shown)
        weights = [self.prefers.get(question, {}).get(option, 0.0) for option in options]
        return draw.choices(options, weights if any(weights) else None)[0]


class Simulated:
    """Answers closed questions by its *bents*, says its *wishes* in its summary, and *otherwise* to the rest.

    What framings suggest is taken from the protocol. *wishes* are those of each
    sitting with their chances: ``{(topic, wish): chance}``.
    """

    def __init__(
        self,
        model: str,
        protocol: Protocol,
        bents: Bents,
        *,
        wishes: Mapping[tuple[str, str], float] | None = None,
        consent: str = "yes",
        otherwise: str = "I see it as it is.",
        clock: Clock | None = None,
    ) -> None:
        self.model = model
        self._bents = bents
        self._suggestions = {
            _longest(each.says or each.opening): each.leads for each in protocol.framings if each.leads
        }
        self._wishes = wishes or {}
        self._consent = consent
        self._otherwise = otherwise
        self._clock = clock or SystemClock()
        self._questions = {question.id: question for question in protocol.questions()}
        self._wordings = [
            *((wording, question.id) for question in protocol.questions() for wording in question.wordings),
            *((wording, SUMMARY) for wording in protocol.summary.wordings),
        ]

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        """Return its answer; the same prompt and seed give the same."""
        draw = random.Random(f"{sampling.seed}:{prompt[-1].content}")  # noqa: S311 - a simulation
        text = self._answer(draw, prompt, schema)
        return Utterance(
            model=self.model,
            text=text,
            prompt=tuple(prompt),
            sampling=sampling,
            engine=ENGINE,
            weights="",
            finish="stop",
            tokens_in=sum(len(turn.content) // 4 for turn in prompt),
            tokens_out=len(text) // 4,
            at=self._clock.now(),
            schema=schema,
        )

    def _answer(
        self, draw: random.Random, prompt: Sequence[Message], schema: Mapping[str, Any] | None
    ) -> str:
        if schema is None:
            return self._otherwise
        if "anyOf" in schema:
            return self._sum_up(draw)
        shown = [str(option) for option in schema["properties"]["answer"]["enum"]]
        name = self._question(prompt[-1].content)
        question = self._questions.get(name)
        if question is not None and question.consent:
            return json.dumps({"answer": self._consent})
        led = next((told for words, told in self._suggestions.items() if words in prompt[0].content), {})
        choice = self._bents.choose(
            draw,
            name,
            shown,
            suggestion=led.get(name),
            agreement=question.options[-1] if question is not None and question.measure == "scale" else None,
        )
        return json.dumps({"answer": choice})

    def _sum_up(self, draw: random.Random) -> str:
        said = [
            {"topic": topic, "wish": wish}
            for (topic, wish), chance in self._wishes.items()
            if draw.random() < chance
        ]
        return json.dumps({"wishes": said, "without_wishes": not said})

    def _question(self, asked: str) -> str:
        """Tell which question it is by its words."""
        for wording, name in self._wordings:
            if _longest(wording) in asked:
                return name
        return ""


def _longest(text: str) -> str:
    """Return the longest piece of a text between placeholders."""
    pieces = [piece.partition("}}")[2] or piece for piece in text.split("{{")]
    return max(pieces, key=len).strip()

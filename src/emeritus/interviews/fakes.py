"""An interviewee with planted answers: a public fake of `Speaker`, for tests and for trying protocols."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import frozen

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.errors import Unavailable
from emeritus.core.speech import EngineBuild, Message, Sampling, Utterance
from emeritus.interviews.questions import Protocol
from emeritus.interviews.sitting import SUMMARY

ENGINE = EngineBuild("scripted", "1", "none")


@frozen
class Planted:
    """An answer, and why it ends. *dies* makes the engine die instead of answering, once for each."""

    text: str
    finish: Literal["stop", "length", "refusal"] = "stop"
    dies: int = 0


class Interviewee:
    """Says what was planted for each question id (``summary`` for the summary), else *otherwise*.

    Several answers for one question are given one after the other, the last one for good.
    """

    def __init__(
        self,
        model: str,
        answers: Mapping[str, str | Planted | Sequence[str | Planted]] | None = None,
        *,
        protocol: Protocol,
        otherwise: str = "I have nothing to say about this.",
        clock: Clock | None = None,
    ) -> None:
        self.model = model
        self.heard: list[tuple[Message, ...]] = []
        self._clock = clock or SystemClock()
        self._otherwise = Planted(otherwise)
        self._planted = {name: _several(answer) for name, answer in (answers or {}).items()}
        self._wordings = [
            *((wording, question.id) for question in protocol.questions() for wording in question.wordings),
            *((wording, SUMMARY) for wording in protocol.summary.wordings),
        ]
        self._asked: dict[str, int] = {}
        self._died: dict[str, int] = {}

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        """Return the planted answer. Raises Unavailable where the engine is to die."""
        self.heard.append(tuple(prompt))
        name = self._question(prompt[-1].content)
        planted = self._planted.get(name, [self._otherwise])
        said = planted[min(self._asked.get(name, 0), len(planted) - 1)]
        if self._died.get(name, 0) < said.dies:
            self._died[name] = self._died.get(name, 0) + 1
            raise Unavailable("The engine died in mid-answer.", next_step="Call again.")
        self._asked[name] = self._asked.get(name, 0) + 1
        return Utterance(
            model=self.model,
            text=said.text,
            prompt=tuple(prompt),
            sampling=sampling,
            engine=ENGINE,
            weights="",
            finish=said.finish,
            tokens_in=sum(len(turn.content) // 4 for turn in prompt),
            tokens_out=len(said.text) // 4,
            at=self._clock.now(),
            schema=schema,
        )

    def _question(self, asked: str) -> str:
        """Tell which question it is by its longest piece between placeholders."""
        for wording, name in self._wordings:
            pieces = [piece.strip() for piece in re.split(r"\{\{.*?\}\}", wording)]
            if max(pieces, key=len) in asked:
                return name
        return ""


def _several(answer: str | Planted | Sequence[str | Planted]) -> list[Planted]:
    answers = [answer] if isinstance(answer, str | Planted) else answer
    return [Planted(each) if isinstance(each, str) else each for each in answers]

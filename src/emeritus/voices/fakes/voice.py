"""A fake voice, in process."""

import threading
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import define

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.ids import model_id
from emeritus.core.speech import EngineBuild, Message, Sampling, Utterance
from emeritus.voices import replies as read
from emeritus.voices.errors import CALL_AGAIN, EngineDied, NotUnderstood, VoiceClosed
from emeritus.voices.fakes.replies import Say, Script, drawn
from emeritus.voices.fakes.shapes import Shaped, answer
from emeritus.voices.voice import ANTHROPIC_PATHS, NO_HEADERS, OPENAI_PATHS, Voice


@define
class _FakeAnswer:
    status: int
    headers: Mapping[str, str]
    _shaped: Shaped
    _voice: "FakeVoice"

    async def chunks(self) -> AsyncIterator[bytes]:
        for number, chunk in enumerate(self._shaped.chunks):
            if self._voice.dying and (number or len(self._shaped.chunks) == 1):
                raise self._voice.death()
            yield chunk


class FakeVoice:
    """A `Voice` that says what *say* returns (by default words drawn from prompt and seed).

    `die_next` makes it die in the middle of its next answer; like a real one it lives again at the next
    call. *memory* is what it claims to take, *slots* how many it answers at once (0: no bound). `starts` counts how often it was started.
    """

    paths = OPENAI_PATHS | ANTHROPIC_PATHS

    def __init__(
        self,
        model: str = "fake",
        say: Say = drawn,
        *,
        weights: str = "",
        memory: int = 0,
        slots: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.model = model_id(model)
        self.weights = weights
        self.memory = memory
        self.slots = slots
        self.engine = EngineBuild("fake", "1")
        self.starts = 0
        self.closed = False
        self.dying = False
        self._say = say
        self._clock = clock or SystemClock()
        self._alive = False
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        return self._alive

    def start(self) -> None:
        with self._lock:
            if self.closed:
                raise VoiceClosed(
                    f"The engine of {self.model} has been stopped.", next_step="Ask for the voice again."
                )
            if not self._alive:
                self.starts += 1
                self._alive = True

    def die_next(self) -> None:
        """Die in the middle of the next answer."""
        self.dying = True

    def kill(self) -> None:
        """Be dead now, as after a SIGKILL."""
        self._alive = False

    def death(self) -> EngineDied:
        self.dying = False
        self._alive = False
        return EngineDied(
            f"The engine of {self.model} stopped in mid-answer; nothing of the answer was kept.",
            next_step=CALL_AGAIN,
        )

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        self.start()
        schema = read.plain_copy(schema)
        text = self._say(prompt, sampling, schema)
        if self.dying:
            raise self.death()
        words = text.split(" ")
        cut = len(words) > sampling.max_tokens
        return Utterance(
            model=self.model,
            text=" ".join(words[: sampling.max_tokens]),
            prompt=tuple(prompt),
            sampling=sampling,
            engine=self.engine,
            weights=self.weights,
            finish="length" if cut else "stop",
            tokens_in=sum(len(turn.content.split()) + 3 for turn in prompt),
            tokens_out=min(len(words), sampling.max_tokens),
            at=self._clock.now(),
            schema=schema,
        )

    def tokens(self, text: str) -> tuple[int, ...]:
        """A word is a token."""
        return tuple(zlib.crc32(word.encode()) for word in text.split())

    @asynccontextmanager
    async def request(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,  # noqa: ARG002
    ) -> AsyncIterator[_FakeAnswer]:
        self.start()
        if path not in self.paths:
            raise NotUnderstood(
                f"{self.model} does not speak {path!r}.", next_step=f"It speaks {sorted(self.paths)}."
            )
        shaped = answer(path, body, self._say)
        yield _FakeAnswer(shaped.status, {"content-type": shaped.content_type}, shaped, self)

    def close(self) -> None:
        self.closed = True
        self._alive = False


class ScriptedVoice(FakeVoice):
    """A `FakeVoice` that says the given replies one after the other, and then the last one for ever."""

    def __init__(self, replies: Iterable[str], model: str = "fake", **more: Any) -> None:
        super().__init__(model, Script(replies), **more)


if TYPE_CHECKING:
    _: type[Voice] = FakeVoice

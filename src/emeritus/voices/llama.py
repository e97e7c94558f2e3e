"""llama.cpp, on this machine, in a child process of its own."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from attrs import asdict

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.ids import model_id
from emeritus.core.speech import Conversation, EngineBuild, Message, Sampling, Utterance
from emeritus.voices import plain, replies
from emeritus.voices.conversation import KeptConversation, Separate
from emeritus.voices.engine_life import EngineLife
from emeritus.voices.engine_process import EngineProcess, Warden
from emeritus.voices.errors import (
    CALL_AGAIN,
    EngineDied,
    NotUnderstood,
    VoiceError,
    VoiceTimeout,
)
from emeritus.voices.gate import Gate
from emeritus.voices.llama_process import LlamaSettings, estimated_memory, start
from emeritus.voices.voice import NO_HEADERS, PLAIN_PATHS
from emeritus.voices.wire import Relayed, exchange, passed_on, relay

_SETTLE = 3.0


class LlamaVoice:
    """A `Voice` over a GGUF file. Starts its engine at the first call, and again when it has died.

    Words that are kept (`speak`) are drawn alone in the engine and without its prompt cache: only then
    does the same seed give the same words, whoever else is calling. *spare* may give a child process that
    has been started ahead.
    """

    # llama.cpp's own responses and messages know no schema, and messages lack their beginning at times: both are
    # told to it as chats.
    paths = PLAIN_PATHS

    def __init__(
        self,
        model: str,
        path: Path,
        *,
        weights: str = "",
        settings: LlamaSettings | None = None,
        clock: Clock | None = None,
        spare: Callable[[], Warden | None] = lambda: None,
    ) -> None:
        self.model = model_id(model)
        self.weights = weights
        self._path = path
        self._settings = settings or LlamaSettings()
        self._clock = clock or SystemClock()
        self._spare = spare
        self._who = f"The engine of {model}"
        self._gate = Gate()
        self._life = EngineLife(self._who, path, self._begin)
        self._chats = False
        self._unsettled = False
        self.begun: tuple[int, tuple[Message, ...]] | None = None
        """The engine's process, and how the conversation began that lies in its cache, read by itself."""

    @property
    def engine(self) -> EngineBuild:
        return self._life.running().build

    @property
    def alive(self) -> bool:
        return self._life.alive

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        process = self._life.process
        return process.pid if process is not None and process.alive else None

    @property
    def memory(self) -> int:
        process = self._life.process
        if process is not None and process.alive and (measured := process.memory):
            return measured
        return estimated_memory(self._path.stat().st_size if self._path.is_file() else 0)

    @property
    def slots(self) -> int:
        return self._settings.slots

    @property
    def threads(self) -> int:
        """How many threads draw; another number of them can change the words."""
        return self._settings.threads or os.cpu_count() or 1

    def log(self) -> tuple[str, ...]:
        """Return the last lines the engine logged, for people who look for a fault."""
        return self._life.log()

    def start(self) -> None:
        self._life.running()

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        with self._gate.alone():
            self.begun = None
            return self.draw(self.settled(), prompt, sampling, schema, cache=False)

    @contextmanager
    def conversation(self) -> Iterator[Conversation]:
        """Have the engine alone for several turns; see `emeritus.voices.conversation`."""
        if self.slots != 1:  # what lies in another slot would change the digits
            yield Separate(self)
            return
        with self._gate.alone():
            yield KeptConversation(self)

    def draw(
        self,
        process: EngineProcess,
        prompt: Sequence[Message],
        sampling: Sampling,
        schema: Mapping[str, Any] | None,
        *,
        cache: bool,
    ) -> Utterance:
        """Return what the model says next, for whoever has the engine alone. *cache*: use what it kept."""
        path, body = self._asked(prompt, sampling, schema, cache=cache)
        try:
            status, data = exchange(
                process.url + path,
                body,
                {"content-type": "application/json", "authorization": f"Bearer {process.key}"},
                who=self._who,
                seconds=self._settings.answer_timeout,
                lost=lambda: self._life.died(process),
            )
        except VoiceTimeout:
            process.kill()  # llama.cpp would go on to the end of an answer that is not streamed
            raise
        except VoiceError:
            self._unsettled = True
            raise
        if status != 200:
            raise replies.failure(status, data, self._who, hide=process.key)
        read = replies.openai_chat if self._chats else replies.openai_completion
        reply = read(data, self._who)
        if schema is not None:
            replies.require_json(reply, self._who)
        return Utterance(
            model=self.model,
            text=reply.text,
            prompt=tuple(prompt),
            sampling=sampling,
            engine=process.build,
            weights=self.weights,
            finish=reply.finish,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            at=self._clock.now(),
            schema=replies.plain_copy(schema),
        )

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return *text* as the engine's own tokens, without any that it would add at the beginning.

        Raises:
            EngineDied, EngineNotStarted, VoiceTimeout, BadReply: as `speak`.
        """
        process = self._life.running()
        status, data = exchange(
            process.url + "/tokenize",
            replies.as_json({"content": text, "add_special": False}),
            {"content-type": "application/json", "authorization": f"Bearer {process.key}"},
            who=self._who,
            seconds=self._settings.answer_timeout,
            lost=lambda: self._life.died(process),
        )
        if status != 200:
            raise replies.failure(status, data, self._who, hide=process.key)
        return replies.token_ids(data, self._who)

    @asynccontextmanager
    async def request(
        self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[Relayed]:
        if path not in self.paths:
            raise NotUnderstood(
                f"{self._who} does not speak {path[:60]!r}.", next_step=f"It speaks {sorted(self.paths)}."
            )
        answer = None
        try:
            async with self._gate.together():
                process = self._life.process
                if process is None or not self._life.alive:
                    process = await asyncio.to_thread(self._life.running)
                self.begun = None
                async with relay(
                    process.url + path,
                    body,
                    {**passed_on(headers), "authorization": f"Bearer {process.key}"},
                    who=self._who,
                    seconds=self._settings.answer_timeout,
                    lost=lambda: self._life.died(process),
                ) as answer:
                    yield answer
        finally:
            if answer is None or not answer.whole:
                self._unsettled = True
            if self._unsettled:
                threading.Thread(target=self._free, name=f"free {self.model}", daemon=True).start()

    def close(self) -> None:
        self._life.close()

    def _begin(self) -> EngineProcess:
        self._chats = self._settings.chat_template is not None or plain.has_chat_template(self._path)
        process = start(
            self.model, self._path, self._settings, who=self._who, threads=self.threads, spare=self._spare
        )
        self._unsettled = False
        return process

    def _free(self) -> None:
        """Make room again after callers who hung up, unless others are still being answered."""
        with self._gate.alone_if_free() as alone, suppress(VoiceError):
            if alone and self._unsettled:
                self.settled()

    def settled(self) -> EngineProcess:
        """Return the engine with nothing left in it of callers who hung up.

        A stream ends when its caller does. llama.cpp draws other answers to their end, whoever is gone:
        then the engine is ended, and starts anew.
        """
        process = self._life.running()
        deadline = time.monotonic() + _SETTLE
        while self._unsettled:
            if not _is_busy(process, self._who):
                self._unsettled = False
            elif time.monotonic() > deadline:
                process.kill()
                process = self._life.running()
            else:
                time.sleep(0.01)
        return process

    def _asked(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        schema: Mapping[str, Any] | None,
        *,
        cache: bool,
    ) -> tuple[str, bytes]:
        asked: dict[str, Any] = {**asdict(sampling), "cache_prompt": cache, "stream": False}
        if self._chats:
            asked["messages"] = [asdict(turn) for turn in prompt]
            asked["reasoning_format"] = "none"  # its thoughts are its words too: nothing is cut out
            if schema is not None:
                shape = {"name": "answer", "schema": schema, "strict": True}
                asked["response_format"] = {"type": "json_schema", "json_schema": shape}
            return "/v1/chat/completions", replies.as_json(asked)
        asked |= {"prompt": plain.rendered(prompt), "stop": [plain.STOP]}
        if schema is not None:
            asked["json_schema"] = schema
        return "/v1/completions", replies.as_json(asked)


def _is_busy(process: EngineProcess, who: str) -> bool:
    class Slot(msgspec.Struct):
        is_processing: bool

    try:
        status, data = exchange(
            process.url + "/slots",
            None,
            {"authorization": f"Bearer {process.key}"},
            who=who,
            seconds=10,
            lost=lambda: EngineDied(f"{who} went away.", next_step=CALL_AGAIN),
        )
        slots = msgspec.json.decode(data, type=list[Slot]) if status == 200 else []
    except (VoiceError, msgspec.MsgspecError):
        return True
    return any(slot.is_processing for slot in slots)

"""vLLM, on this machine, in a child process: ``vllm serve``, put to sleep instead of stopped where that is wanted.

Asleep, it has given the accelerator's memory back and keeps its process, its compiled kernels and (at level 1)
its weights in this machine's memory; it wakes in a fraction of what a load takes. The doors that do this are
vLLM's development mode: they listen on 127.0.0.1 with the rest of it, and nothing here relays to them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from attrs import evolve, field, frozen, validators

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.ids import model_id
from emeritus.core.speech import EngineBuild, Message, Sampling, Utterance
from emeritus.voices import replies
from emeritus.voices.engine_life import EngineLife
from emeritus.voices.engine_process import EngineProcess, Program, free_port, new_key
from emeritus.voices.errors import CALL_AGAIN, EngineNotStarted, VoiceError
from emeritus.voices.remote import OpenAIVoice
from emeritus.voices.replies import Reply
from emeritus.voices.voice import COUNTING_PATHS, NO_HEADERS, OPENAI_PATHS
from emeritus.voices.wire import Relayed, exchange

_VLLM = Program("vLLM", "Install it (`pip install vllm`), or name its program with the option `command`.")
_WAKING = 120.0
_T = TypeVar("_T")


@frozen
class VllmSettings:
    """How vLLM runs.

    *command* is the program, *args* go to ``vllm serve`` as they are. *sleep* is the level of sleep (1 keeps
    the weights in this machine's memory, 2 reads them again), 0 for none. *slots* bounds the answers at once;
    *memory* is what it takes of the pool's budget in bytes (0: by the size of the files). Times in seconds.
    """

    command: str = "vllm"
    args: tuple[str, ...] = field(default=(), converter=tuple)
    sleep: Literal[0, 1, 2] = field(default=1, validator=validators.in_((0, 1, 2)))
    slots: int = field(default=32, validator=[validators.instance_of(int), validators.ge(1)])
    memory: int = field(default=0, validator=[validators.instance_of(int), validators.ge(0)])
    start_timeout: float = 900.0
    answer_timeout: float = 600.0


class _Served(OpenAIVoice):
    """What is asked of the process: its own key, its own names of parameters."""

    sends = ("seed", "temperature", "top_p", "top_k", "min_p")

    def __init__(self, process: EngineProcess, lost: Callable[[], VoiceError], **more: Any) -> None:
        super().__init__(process.url, **more)
        self.process = process
        self._process_lost = lost

    def _asked(
        self, prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any], Callable[[bytes, str], Reply]]:
        path, asked, read = super()._asked(prompt, sampling, schema)
        return path, {**asked, "repetition_penalty": sampling.repeat_penalty}, read

    def _key(self) -> str:
        return self.process.key

    def _lost(self) -> VoiceError:
        return self._process_lost()


class VllmVoice:
    """A `Voice` over weights that vLLM serves; it `Rests`. Starts at the first call, and again when it has died."""

    paths = OPENAI_PATHS | COUNTING_PATHS

    def __init__(
        self,
        model: str,
        path: Path,
        *,
        weights: str = "",
        settings: VllmSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.model = model_id(model)
        self.weights = weights
        self._path = path
        self._settings = settings or VllmSettings()
        self._clock = clock or SystemClock()
        self._who = f"The engine of {model}"
        self._life = EngineLife(self._who, path, self._begin)
        self._served: _Served | None = None
        self._asleep = False

    @property
    def slots(self) -> int:
        return self._settings.slots

    @property
    def engine(self) -> EngineBuild:
        self._awake()
        return self._life.running().build

    @property
    def alive(self) -> bool:
        return self._life.alive

    @property
    def memory(self) -> int:
        if self._settings.memory:
            return self._settings.memory
        files = [self._path] if self._path.is_file() else self._path.rglob("*")
        size = sum(file.stat().st_size for file in files if file.is_file())
        return size + size // 4

    def log(self) -> tuple[str, ...]:
        """Return the last lines that the engine logged."""
        return self._life.log()

    def start(self) -> None:
        self._awake()

    def speak(
        self, prompt: Sequence[Message], sampling: Sampling, *, schema: Mapping[str, Any] | None = None
    ) -> Utterance:
        served = self._awake()
        said = served.speak(prompt, sampling, schema=schema)
        return evolve(said, engine=self._life.running().build, weights=self.weights)

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return *text* as the engine's own tokens. Raises as `speak`."""
        served = self._awake()
        asked = {"model": self.model, "prompt": text, "add_special_tokens": False}
        return replies.token_ids(self._control(served.process, "POST", "/tokenize", asked), self._who)

    @asynccontextmanager
    async def request(
        self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[Relayed]:
        ready = self.alive and not self._asleep and self._served is not None
        served = self._served if ready else await asyncio.to_thread(self._awake)
        assert served is not None
        async with served.request(path, body, headers) as answer:
            yield answer

    def rest(self) -> bool:
        """Sleep, if a level is set and the engine does it; see `Rests`. Nobody may be calling."""
        if not self._settings.sleep:
            return False
        with self._life.guard:
            process = self._life.process
            if process is None or not self.alive:
                return False
            self._control(process, "POST", f"/sleep?level={self._settings.sleep}")
            self._asleep = self._sleeps(process)
            return self._asleep

    def close(self) -> None:
        self._life.close()

    # -- inside ---------------------------------------------------------------

    def _awake(self) -> _Served:
        with self._life.guard:
            process = self._life.running()
            if self._asleep:
                self._wake(process)
            assert self._served is not None
            return self._served

    def _begin(self) -> EngineProcess:
        port, key, chosen = free_port(), new_key(), self._settings
        command = [
            *(chosen.command, "serve", str(self._path.resolve()), "--served-model-name", self.model),
            *("--host", "127.0.0.1", "--port", str(port)),
            *(("--enable-sleep-mode",) if chosen.sleep else ()),
            *chosen.args,
        ]
        env = {"VLLM_API_KEY": key} | ({"VLLM_SERVER_DEV_MODE": "1"} if chosen.sleep else {})
        process = EngineProcess(
            {"command": command, "env": env, "url": f"http://127.0.0.1:{port}", "name": "vllm"},
            key=key,
            who=self._who,
            start_timeout=chosen.start_timeout,
            program=_VLLM,
        )
        self._asleep = False
        try:
            version = self._told(process, "/version", _Version).version
        except BaseException:
            process.close()
            raise
        process.build = EngineBuild("vllm", version, " ".join(chosen.args))
        self._served = _Served(
            process,
            lambda: self._life.died(process),
            model=self.model,
            timeout=chosen.answer_timeout,
            clock=self._clock,
        )
        return process

    def _wake(self, process: EngineProcess) -> None:
        self._control(process, "POST", "/wake_up")
        if self._settings.sleep == 2:
            self._control(process, "POST", "/collective_rpc", {"method": "reload_weights"})
            self._control(process, "POST", "/reset_prefix_cache")
        self._asleep = self._sleeps(process)
        if self._asleep:
            raise EngineNotStarted(f"{self._who} does not wake up.", next_step=CALL_AGAIN)

    def _sleeps(self, process: EngineProcess) -> bool:
        return self._told(process, "/is_sleeping", _Sleeping).is_sleeping

    def _told(self, process: EngineProcess, path: str, shape: type[_T]) -> _T:
        return replies.decoded(self._control(process, "GET", path), shape, self._who)

    def _control(
        self, process: EngineProcess, method: Literal["GET", "POST"], path: str, asked: Any = None
    ) -> bytes:
        body = None if method == "GET" else b"" if asked is None else replies.as_json(asked)
        headers = {"content-type": "application/json", "authorization": f"Bearer {process.key}"}
        status, data = exchange(
            process.url + path,
            body,
            headers,
            who=self._who,
            seconds=_WAKING,
            lost=lambda: self._life.died(process),
        )
        if status != 200:
            raise replies.failure(status, data, self._who, hide=process.key)
        return data


class _Version(msgspec.Struct):
    version: str = ""


class _Sleeping(msgspec.Struct):
    is_sleeping: bool

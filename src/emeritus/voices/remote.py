"""Models that somebody else serves, over an OpenAI-compatible or an Anthropic-compatible API.

The key is read from the environment when it is needed; only the variable's name is kept. Nobody here
holds the weights, so the words cannot be made again: `weights` is empty.
"""

import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.errors import InvalidInput
from emeritus.core.ids import model_id
from emeritus.core.speech import EngineBuild, Message, Sampling, Utterance
from emeritus.voices import replies
from emeritus.voices.address import checked_url
from emeritus.voices.errors import KeyRefused, NotUnderstood, Unreachable, VoiceClosed, VoiceError
from emeritus.voices.replies import Reply
from emeritus.voices.voice import ANTHROPIC_PATHS, COUNTING_PATHS, NO_HEADERS, OPENAI_PATHS
from emeritus.voices.wire import Relayed, exchange, passed_on, relay

_SAMPLING = ("seed", "temperature", "top_p", "top_k", "min_p", "repeat_penalty")
_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class RemoteVoice:
    """What both kinds of remote share.

    Args:
        base_url: up to and without ``/v1``; https, or http on this machine's loopback.
        model: the remote's own name for the model.
        key_env: the environment variable that holds the key; empty for a remote that wants none.
        known_as: the model's id here, when it is not *model*.
        sends: which sampling fields the remote takes; the others are left out, and `engine` says so.
        timeout: seconds for a whole answer.
        plain_http: allow http beyond the loopback; for a cluster's own network alone.

    Raises:
        InvalidInput: for an address that is not allowed or a field that does not exist.
    """

    kind: ClassVar[str]
    paths: ClassVar[frozenset[str]]
    sends: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        base_url: str,
        model: str,
        key_env: str = "",
        *,
        known_as: str = "",
        sends: Sequence[str] | None = None,
        timeout: float = 600.0,
        clock: Clock | None = None,
        plain_http: bool = False,
    ) -> None:
        self._base = checked_url(base_url, plain_http=plain_http)
        self.model = model_id(known_as or model)
        self._remote_name = model
        if key_env and not _ENV_NAME.fullmatch(key_env):
            raise InvalidInput(
                "The key's place is not the name of an environment variable.",
                next_step="Give the variable's name, such as OPENAI_API_KEY, never the key itself.",
            )
        self._key_env = key_env
        self._sends = tuple(self.sends if sends is None else sends)
        if unknown := set(self._sends) - set(_SAMPLING):
            raise InvalidInput(
                f"There is no sampling field {min(unknown)!r}.",
                next_step=f"Choose from {', '.join(_SAMPLING)}.",
            )
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._who = f"The service behind {self.model}"  # callers hear of it, and where it is stays private
        self._closed = False

    def tokens(self, text: str) -> tuple[int, ...] | None:  # noqa: ARG002
        return None  # the remote's own, and most do not tell

    @property
    def weights(self) -> str:
        return ""

    @property
    def alive(self) -> bool:
        return not self._closed

    @property
    def memory(self) -> int:
        return 0

    @property
    def slots(self) -> int:
        return 0  # it has a line of its own, and says so when it is too long

    @property
    def engine(self) -> EngineBuild:
        left_out = ", ".join(name for name in _SAMPLING if name not in self._sends)
        system = f"asked for {self._remote_name!r}" + (f"; not sent: {left_out}" if left_out else "")
        return EngineBuild(self.kind, "", system)  # on public pages: where it is stays private

    def start(self) -> None:
        if self._closed:
            raise VoiceClosed(
                f"The voice of {self.model} has been closed.", next_step="Ask the pool for it again."
            )

    def close(self) -> None:
        self._closed = True

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        self.start()
        path, asked, read = self._asked(prompt, sampling, schema)
        asked |= {name: getattr(sampling, name) for name in self._sends}
        body = replies.as_json({"model": self._remote_name, "stream": False, **asked})
        key = self._key()
        headers = {"content-type": "application/json", **self._auth(key)}
        url = self._base + path
        status, data = exchange(url, body, headers, who=self._who, seconds=self._timeout, lost=self._lost)
        if status != 200:
            raise replies.failure(status, data, self._who, hide=key)
        reply = read(data, self._who)
        # Many remotes know no schema: what they said is kept as it is, and whoever asked reads it strictly.
        return Utterance(
            model=self.model,
            text=reply.text,
            prompt=tuple(prompt),
            sampling=sampling,
            engine=self.engine,
            weights="",
            finish=reply.finish,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            at=self._clock.now(),
            schema=replies.plain_copy(schema),
        )

    @asynccontextmanager
    async def request(
        self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[Relayed]:
        self.start()
        if path not in self.paths:
            raise NotUnderstood(
                f"{self._who} does not speak {path[:60]!r}.", next_step=f"It speaks {sorted(self.paths)}."
            )
        sent = {**passed_on(headers), **self._auth(self._key(), passed_on(headers))}
        async with relay(
            self._base + path,
            self._renamed(path, body),
            sent,
            who=self._who,
            seconds=self._timeout,
            lost=self._lost,
            keep=True,
        ) as answer:
            yield answer

    def _asked(
        self, prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any], Callable[[bytes, str], Reply]]:
        raise NotImplementedError

    def _auth(self, key: str, passed: Mapping[str, str] = NO_HEADERS) -> dict[str, str]:
        raise NotImplementedError

    def _renamed(self, path: str, body: bytes) -> bytes:  # noqa: ARG002 - for those who go by it
        """Return *body* with the remote's own names: for the model, and for what it calls otherwise."""
        try:
            asked = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise NotUnderstood(
                "The body is not a JSON object.", next_step="Send what the API's own SDK sends."
            ) from None
        name = replies.as_json(self._remote_name)
        if "model" in asked and bytes(asked["model"]) == name:
            return body
        return msgspec.json.encode({**asked, "model": msgspec.Raw(name)})

    def _key(self) -> str:
        if not self._key_env:
            return ""
        key = os.environ.get(self._key_env, "").strip()
        if not _KEY.fullmatch(key):
            raise KeyRefused(
                f"There is no usable key for {self._who}.",
                next_step=f"Set the environment variable {self._key_env}.",
            )
        return key

    def _lost(self) -> VoiceError:
        return Unreachable(
            f"{self._who} could not be reached, or hung up; nothing was kept.",
            next_step="Call again in a moment; a steward can see whether it runs, and at this address.",
        )


class OpenAIVoice(RemoteVoice):
    """Any remote with ``/v1/chat/completions``: OpenAI, vLLM, llama-server, Ollama and many more.

    *limit_field* names the token limit: ``max_tokens``, or ``max_completion_tokens`` at OpenAI itself.
    """

    kind = "openai-compatible"
    paths = OPENAI_PATHS | COUNTING_PATHS
    sends: ClassVar[tuple[str, ...]] = ("seed", "temperature", "top_p")

    def __init__(
        self, base_url: str, model: str, key_env: str = "", *, limit_field: str = "", **more: Any
    ) -> None:
        super().__init__(base_url, model, key_env, **more)
        at_openai = urlsplit(self._base).hostname == "api.openai.com"
        if limit_field not in ("", "max_tokens", "max_completion_tokens"):
            raise InvalidInput(
                f"{limit_field[:40]!r} is not a token limit.",
                next_step="Choose max_tokens or max_completion_tokens.",
            )
        self._limit_field = limit_field or ("max_completion_tokens" if at_openai else "max_tokens")

    def _asked(
        self, prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any], Callable[[bytes, str], Reply]]:
        asked: dict[str, Any] = {
            "messages": [{"role": turn.role, "content": turn.content} for turn in prompt],
            self._limit_field: sampling.max_tokens,
        }
        if schema is not None:
            shape = {"name": "answer", "schema": schema, "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": shape}
        return "/v1/chat/completions", asked, replies.openai_chat

    def _renamed(self, path: str, body: bytes) -> bytes:
        if path == "/v1/chat/completions" and self._limit_field != "max_tokens" and b'"max_tokens"' in body:
            asked = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            if (limit := asked.pop("max_tokens", None)) is not None:
                asked.setdefault(self._limit_field, limit)
            body = msgspec.json.encode(asked)
        return super()._renamed(path, body)

    def _auth(self, key: str, passed: Mapping[str, str] = NO_HEADERS) -> dict[str, str]:  # noqa: ARG002
        return {"authorization": f"Bearer {key}"} if key else {}


class AnthropicVoice(RemoteVoice):
    """Any remote with ``/v1/messages``. System turns are joined and sent as its system prompt."""

    kind = "anthropic-compatible"
    paths = ANTHROPIC_PATHS
    sends = ("temperature",)

    def _asked(
        self, prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any], Callable[[bytes, str], Reply]]:
        turns = list(prompt)
        opening: list[str] = []
        while turns and turns[0].role == "system":
            opening.append(turns.pop(0).content)
        if not turns or any(turn.role == "system" for turn in turns):
            raise NotUnderstood(
                f"{self._who} takes system words only before the first turn, and at least one turn.",
                next_step="Put them first, or say them as the user.",
            )
        asked: dict[str, Any] = {
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            "max_tokens": sampling.max_tokens,
        }
        if opening:
            asked["system"] = "\n\n".join(opening)
        if schema is not None:
            asked["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return "/v1/messages", asked, replies.anthropic_message

    def _auth(self, key: str, passed: Mapping[str, str] = NO_HEADERS) -> dict[str, str]:
        version = {"anthropic-version": passed.get("anthropic-version", "2023-06-01")}
        return {"x-api-key": key, **version} if key else version

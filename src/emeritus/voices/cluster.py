"""A model that a cluster's own scheduler serves over the OpenAI protocol: KServe with vLLM, Ray Serve.

They start from nothing when somebody calls, so a first answer may take minutes. `start` waits until the route
lists the model; the pool then counts it as warm. When it has gone to zero again, `alive` is not told: the next
call meets the cluster's own waiting.
"""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from emeritus.voices.errors import EngineNotStarted, KeyRefused, VoiceError
from emeritus.voices.remote import OpenAIVoice
from emeritus.voices.wire import exchange

_EVERY = 1.0


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class ClusterVoice(OpenAIVoice):
    """An `OpenAIVoice` that waits until the model is there.

    *ready_seconds* bounds that. The rest as `OpenAIVoice`; the address may be http, which stays within the
    cluster's own network, when *plain_http* says so.
    """

    kind = "cluster"

    def __init__(
        self,
        base_url: str,
        model: str,
        key_env: str = "",
        *,
        ready_seconds: float = 600.0,
        sends: Sequence[str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(base_url, model, key_env, sends=sends, **more)
        self._ready_seconds = ready_seconds
        self._is_ready = False

    def start(self) -> None:
        super().start()
        if not self._is_ready:
            self._await_route()
            self._is_ready = True

    def _await_route(self) -> None:
        until = time.monotonic() + self._ready_seconds
        seen = "nothing answers there"
        while True:
            try:
                seen = self._look()
            except KeyRefused:
                raise
            except VoiceError as why:
                seen = why.sentence.rstrip(".")
            if not seen:
                return
            if self._closed or time.monotonic() >= until:
                raise EngineNotStarted(
                    f"{self._who} was not ready within {self._ready_seconds:g} seconds: {seen}.",
                    next_step="Look at the cluster: is the model deployed under this name, and is there room for it?",
                )
            time.sleep(_EVERY)

    def _look(self) -> str:
        """Return what is missing; empty when the model is listed."""
        headers = self._auth(self._key())
        url = self._base + "/v1/models"
        status, data = exchange(url, None, headers, who=self._who, seconds=30, lost=self._lost)
        if status in (401, 403):
            raise KeyRefused(
                f"{self._who} refuses our key.",
                next_step="Check the key in the environment, and what it may do.",
            )
        if status != 200:
            return f"it answers with HTTP {status}"
        try:
            listed = [model.id for model in msgspec.json.decode(data, type=_Models).data]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return "what it sends is no list of models"
        return "" if self._remote_name in listed else f"it lists {', '.join(listed[:5]) or 'no model'}"

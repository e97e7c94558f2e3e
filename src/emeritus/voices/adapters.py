"""Which adapters there are: ours, and those that other packages bring (entry points ``emeritus.voices``).

An adapter is a callable that takes a `VoiceSpec` and returns a `Voice`, not yet started.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec
from attrs import field, frozen

from emeritus.core.clock import Clock
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.voices.cluster import ClusterVoice
from emeritus.voices.llama import LlamaVoice
from emeritus.voices.llama_process import LlamaSettings
from emeritus.voices.remote import AnthropicVoice, OpenAIVoice, RemoteVoice
from emeritus.voices.spare import Spare
from emeritus.voices.vllm import VllmSettings, VllmVoice
from emeritus.voices.voice import Voice

GROUP = "emeritus.voices"


def _unchanging(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(options))


@frozen
class VoiceSpec:
    """What an adapter needs to know.

    *path* and *weights* (their digest) are for adapters that load weights here; *options* are the
    adapter's own settings, from the configuration; *clock* tells the time of what is said.
    """

    model: str
    path: Path | None = None
    weights: str = ""
    options: Mapping[str, Any] = field(default=MappingProxyType({}), converter=_unchanging)
    clock: Clock | None = None


Adapter: TypeAlias = Callable[[VoiceSpec], Voice]


def adapter(name: str) -> Adapter:
    """Return the adapter called *name*: ``llama``, ``vllm``, ``openai``, ``anthropic``, ``cluster``, or a third party's.

    Raises:
        NotFound: when there is none; it names those that there are.
    """
    if (ours := _OURS.get(name)) is not None:
        return ours
    others = {point.name: point for point in entry_points(group=GROUP)}
    if name in others:
        found: Adapter = others[name].load()
        return found
    known = ", ".join(sorted({*_OURS, *others}))
    raise NotFound(f"There is no voice adapter {name[:60]!r}.", next_step=f"Choose one of: {known}.")


def prepare(build: object) -> None:
    """Tell an adapter that it will be asked for a voice soon, if it wants to know (it has a ``prepare``)."""
    if isinstance(build, Prepares):
        build.prepare()


@runtime_checkable
class Prepares(Protocol):
    """What an adapter may have besides: something to do while weights are still being restored."""

    def prepare(self) -> None:
        """Begin, and return at once."""
        ...


class LlamaAdapter:
    """Builds voices of llama.cpp; starts a child process while their weights are being restored."""

    def __init__(self) -> None:
        self._spare = Spare()

    def prepare(self) -> None:
        self._spare.prepare()

    def __call__(self, spec: VoiceSpec) -> Voice:
        if spec.path is None:
            raise InvalidInput(
                f"{spec.model} has no weights here.", next_step="Choose a remote adapter for it."
            )
        options = dict(spec.options)
        for name in ("server", "chat_template"):
            if options.get(name):
                options[name] = Path(str(options[name]))
        try:
            settings = LlamaSettings(**options)
        except (TypeError, ValueError) as why:
            raise _wrong_options(spec, why) from None
        return LlamaVoice(
            spec.model,
            spec.path,
            weights=spec.weights,
            settings=settings,
            clock=spec.clock,
            spare=self._spare.take,
        )


class _RemoteOptions(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    base_url: str
    model: str
    key_env: str = ""
    sends: list[str] | None = None
    timeout: float = 600.0
    limit_field: str = ""


def _remote(kind: type[RemoteVoice]) -> Adapter:
    def build(spec: VoiceSpec) -> Voice:
        try:
            options = msgspec.to_builtins(msgspec.convert(dict(spec.options), _RemoteOptions))
            return kind(known_as=spec.model, clock=spec.clock, **options)
        except (msgspec.ValidationError, TypeError) as why:
            raise _wrong_options(spec, why) from None

    return build


class _ClusterOptions(_RemoteOptions, forbid_unknown_fields=True, omit_defaults=True):
    ready_seconds: float = 600.0
    plain_http: bool = False


def _cluster(spec: VoiceSpec) -> Voice:
    try:
        options = msgspec.to_builtins(msgspec.convert(dict(spec.options), _ClusterOptions))
        return ClusterVoice(known_as=spec.model, clock=spec.clock, **options)
    except (msgspec.ValidationError, TypeError) as why:
        raise _wrong_options(spec, why) from None


def _vllm(spec: VoiceSpec) -> Voice:
    if spec.path is None:
        raise InvalidInput(f"{spec.model} has no weights here.", next_step="Choose a remote adapter for it.")
    try:
        settings = VllmSettings(**dict(spec.options))
    except (TypeError, ValueError) as why:
        raise _wrong_options(spec, why) from None
    return VllmVoice(spec.model, spec.path, weights=spec.weights, settings=settings, clock=spec.clock)


def _wrong_options(spec: VoiceSpec, why: Exception) -> InvalidInput:
    return InvalidInput(
        f"The voice settings of {spec.model} are wrong: {why}.", next_step="Correct them and try again."
    )


_OURS: Mapping[str, Adapter] = {
    "llama": LlamaAdapter(),
    "openai": _remote(OpenAIVoice),
    "anthropic": _remote(AnthropicVoice),
    "vllm": _vllm,
    "cluster": _cluster,
}

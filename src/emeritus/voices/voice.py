"""The port: what every voice is, whichever program or service makes the model speak."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from emeritus.core.speech import EngineBuild, Message, Sampling, Speaker, Utterance

OPENAI_PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses"})
ANTHROPIC_PATHS = frozenset({"/v1/messages", "/v1/messages/count_tokens"})
PLAIN_PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/messages/count_tokens"})
"""What every engine that loads weights here is asked; all else is told as a chat."""
COUNTING_PATHS = frozenset({"/v1/messages/count_tokens", "/tokenize", "/v1/responses/input_tokens"})
"""Where services with OpenAI's API may say how many tokens a call would be. Most have one of these, or none."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class RawAnswer(Protocol):
    """An HTTP answer on its way through: nothing of it is parsed, nothing is changed.

    *headers* has lower-case names and only what a caller may see (content-type,
    content-length, retry-after, request-id and the like). *chunks* may be read once; leaving the
    context before its end hangs up, which frees the engine's slot.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            EngineDied, Unreachable: when it breaks off; what was yielded is not a whole answer.
            VoiceTimeout: when nothing comes any more.
        """
        ...


class Relaying(Protocol):
    """What the gateway needs of a voice, here or at another node."""

    @property
    def paths(self) -> frozenset[str]:
        """The HTTP paths that `request` takes."""
        ...

    def request(
        self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> AbstractAsyncContextManager[RawAnswer]:
        """Send *body* to *path* (one of `paths`) and relay the answer; see `Voice.request`."""
        ...


class Voice(Speaker, Protocol):
    """A way to make one model speak.

    `speak` (from any thread) is for words that are kept: interviews, essays. `request` (from asyncio)
    relays raw HTTP for callers of the gateway. Both start the engine when it is not running.
    """

    @property
    def model(self) -> str:
        """The model's id here."""
        ...

    @property
    def engine(self) -> EngineBuild:
        """Which program draws the tokens. A local engine is started to find out: this may block."""
        ...

    @property
    def weights(self) -> str:
        """The digest of the weights that speak; empty when nobody here holds them."""
        ...

    @property
    def paths(self) -> frozenset[str]:
        """The HTTP paths that `request` takes."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it could speak right now without being started."""
        ...

    @property
    def memory(self) -> int:
        """Bytes of this machine's memory it takes: measured while it runs, estimated before."""
        ...

    @property
    def slots(self) -> int:
        """How many answers it draws at the same time; 0 when nobody here needs to bound them."""
        ...

    def start(self) -> None:
        """Load; returns when it can speak. Does nothing when it already can.

        Raises:
            EngineMissing: when the engine's program is not installed.
            EngineNotStarted: when it does not take the weights or is not ready in time.
            VoiceClosed: after `close`.
        """
        ...

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        """Return what the model says next. Blocks; safe to call from several threads.

        Raises:
            EngineDied, Unreachable, VoiceTimeout, BadReply, Busy: nothing of a broken answer is kept.
            NotUnderstood: when the engine refuses the prompt, the sampling or the schema.
        """
        ...

    def tokens(self, text: str) -> tuple[int, ...] | None:
        """Return *text* as the engine's own tokens; None where nobody here knows them. Raises as `speak`."""
        ...

    def request(
        self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> AbstractAsyncContextManager[RawAnswer]:
        """Send *body* to *path* (one of `paths`) and relay the answer.

        Of *headers* only content-type, accept and the anthropic-* ones travel on; the caller's own key
        never does.

        Raises:
            NotUnderstood: for a path that this voice does not speak.
            EngineDied, EngineNotStarted, Unreachable, VoiceTimeout: before the first byte came.
        """
        ...

    def close(self) -> None:
        """Stop for good; whoever is in mid-answer gets EngineDied. Closing twice is fine."""
        ...


@runtime_checkable
class Rests(Protocol):
    """What a voice has besides when its engine can sleep: give its room back without being stopped."""

    def rest(self) -> bool:
        """Sleep; nobody is being answered. `Voice.start` wakes it, faster than a load.

        Returns:
            False when it cannot, and is to be closed instead.
        """
        ...

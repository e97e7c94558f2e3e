"""What all ways of telling one API's calls in another's share: their form, and what a stream is cut into."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol

import msgspec
from attrs import define, field, frozen

from emeritus.voices.errors import BadReply
from emeritus.web.gateway.asked import BadRequest
from emeritus.web.gateway.meter import data_of

Fields = Mapping[str, msgspec.Raw]
_ODD = (KeyError, IndexError, TypeError, AttributeError, ValueError, msgspec.MsgspecError)
"""What reading JSON of another form than was thought runs into."""


class Telling(Protocol):
    """A stream that is told in another API's events while it comes."""

    def feed(self, event: bytes) -> list[bytes]:
        """Return the events that tell what *event*, a whole one, told. Raises BadReply."""
        ...

    def end(self) -> list[bytes]:
        """Return the events that end the stream, after the engine's last. Raises BadReply: it broke off."""
        ...


@frozen
class Retelling:
    """A way to ask at another path, *to*: writes the call, tells back the whole answer, or the stream.

    Each gets the fields of the call as it came; an answer is told under an id of ours, which *prefix* begins.
    """

    to: str
    prefix: str
    ask: Callable[[Fields, str], bytes]
    whole: Callable[[bytes, Fields, str], bytes]
    stream: Callable[[Fields, str], Telling]


@define
class EventByEvent(ABC):
    """A `Telling` of events that hold JSON. *fields* are those of the call; *name* is the id of the answer.

    A kind of it says what each event tells, and with what the stream ends, once it has been heard that it is whole.
    """

    told_by: ClassVar[str]
    """What sends the events, in an error's words."""

    fields: Fields
    name: str
    _ended: bool = field(default=False, init=False)

    def feed(self, event: bytes) -> list[bytes]:
        """Return the events that tell what *event*, a whole one, told.

        Raises:
            BadReply: it is none of this API, or it says that the engine failed.
        """
        chunk = _chunk_of(event)
        if chunk is None:
            return []
        if chunk == "done":
            return self.end()
        try:
            return self._tell(chunk)
        except _ODD:
            raise BadReply(
                f"The engine sent what is no event of a {self.told_by}.", next_step="Call again."
            ) from None

    def end(self) -> list[bytes]:
        """Return the events that end the stream; none, when it has ended. Raises BadReply: it broke off."""
        if self._ended:
            return []
        last = self._last()
        if last is None:
            raise BadReply("The engine's stream ended in the middle of the answer.", next_step="Call again.")
        self._ended = True
        return last

    @abstractmethod
    def _tell(self, chunk: dict[str, Any]) -> list[bytes]:
        """Return the events that tell *chunk*; it comes from outside, so that anything of `_ODD` may be raised."""

    @abstractmethod
    def _last(self) -> list[bytes] | None:
        """Return the events that end the stream; None when it was not heard why it ended."""


def through(first: Retelling, second: Retelling) -> Retelling:
    """Return the way that tells *first*'s call in *second*'s API, for an engine that knows neither in between."""

    def between(fields: Fields) -> Fields:
        told: Fields = msgspec.json.decode(first.ask(fields, ""), type=dict[str, msgspec.Raw])
        return told

    def whole(body: bytes, fields: Fields, name: str) -> bytes:
        return first.whole(second.whole(body, between(fields), name), fields, name)

    return Retelling(
        second.to,
        first.prefix,
        lambda fields, model: second.ask(between(fields), model),
        whole,
        lambda fields, name: _Through(first.stream(fields, name), second.stream(between(fields), name)),
    )


@frozen
class _Through:
    """A stream told twice."""

    first: Telling
    second: Telling

    def feed(self, event: bytes) -> list[bytes]:
        return self._on(self.second.feed(event))

    def end(self) -> list[bytes]:
        return [*self._on(self.second.end()), *self.first.end()]

    def _on(self, events: list[bytes]) -> list[bytes]:
        return [told for event in events for told in self.first.feed(event)]


def retold(fields: Fields, model: str, tell: Callable[[dict[str, Any]], dict[str, Any]], api: str) -> bytes:
    """Return the body that asks *model* what *fields* ask, as *tell* tells it. Raises BadRequest: *api* has no such call."""
    try:
        told = tell({name: msgspec.json.decode(raw) for name, raw in fields.items()})
    except (*_ODD, RecursionError):
        raise BadRequest(
            f"The call is not as the {api} API has it.", next_step="Send what the API's own SDK sends."
        ) from None
    return msgspec.json.encode({"model": model, **told})


def thought(said: Mapping[str, Any]) -> str:
    """Return what a chat's answer, or a piece of one, says that the model thought; engines name it in two ways."""
    return said.get("reasoning_content") or said.get("reasoning") or ""


def _chunk_of(event: bytes) -> dict[str, Any] | Literal["done"] | None:
    """Return what an event carries; None for a comment that only keeps the connection open.

    Raises:
        BadReply: it is no event with JSON in it, or it says that the engine failed.
    """
    data = data_of(event)
    if not data:
        return None
    if data == b"[DONE]":
        return "done"
    try:
        chunk = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadReply("The engine sent what is no event.", next_step="Call again.") from None
    if chunk.get("error"):
        error = chunk["error"]
        said = str(error.get("message", "") if isinstance(error, dict) else error)[:300]
        shown = "".join(char if char.isprintable() else " " for char in said).strip().rstrip(".")
        raise BadReply(f"The engine broke off: {shown or 'it does not say why'}.", next_step="Call again.")
    return chunk

"""Reading what an answer took, out of the answer itself, and cutting streams into events."""

import re
from typing import Final

import msgspec

from emeritus.voices.errors import BadReply

MAX_EVENT: Final = 8 * 2**20
_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LAST: Final = re.compile(
    rb"data: ?\[DONE\]|event: ?(?:message_stop|response\.(?:completed|incomplete|failed))\b"
)
_LARGEST: Final = 2**53 - 1


class _Tokens(msgspec.Struct):
    """The counts as either API names them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Inner(msgspec.Struct):
    usage: _Tokens | None = None


class _Answer(msgspec.Struct):
    """An answer or an event, as far as usage goes: OpenAI, Anthropic's message_start, OpenAI's responses."""

    usage: _Tokens | None = None
    message: _Inner | None = None
    response: _Inner | None = None
    choices: list[msgspec.Raw] | None = None


class Meter:
    """Counts the tokens of one answer. The numbers are the engine's own; the last ones stand.

    A stream that breaks off before they came is counted by its events, about one token each. `ended` tells
    that the event was seen with which a whole stream ends.
    """

    def __init__(self, *, hide_usage: bool = False) -> None:
        self._hide = hide_usage
        self._in = 0
        self._out: int | None = None
        self._events = 0
        self.ended = False

    @property
    def tokens_in(self) -> int:
        return self._in

    @property
    def tokens_out(self) -> int:
        return self._events if self._out is None else max(self._out, 0)

    def whole(self, body: bytes) -> None:
        """Read a whole answer."""
        self._read(body)
        self._out = self._out or 0

    def event(self, event: bytes) -> bool:
        """Read one event of a stream; tell whether the caller is to see it."""
        self._events += b"delta" in event or b'"text"' in event
        self.ended = self.ended or _LAST.match(event) is not None
        if b"usage" not in event:
            return True
        answer = self._read(data_of(event))
        return not (self._hide and answer is not None and answer.usage is not None and answer.choices == [])

    def _read(self, data: bytes) -> _Answer | None:
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        for inner in (answer, answer.message, answer.response):
            if inner is not None and inner.usage is not None:
                self._count(inner.usage)
        return answer

    def _count(self, usage: _Tokens) -> None:
        read = usage.prompt_tokens
        if usage.input_tokens is not None:
            cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
            read = usage.input_tokens + cached
        written = usage.completion_tokens if usage.output_tokens is None else usage.output_tokens
        if read is not None and 0 <= read <= _LARGEST:
            self._in = read
        if written is not None and 0 < written <= _LARGEST:
            self._out = written


def data_of(event: bytes) -> bytes:
    """Return what one server-sent event carries; nothing for a comment."""
    return b"".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))


class Events:
    """Cuts a stream of server-sent events where one ends, so that none is passed on in part."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that *chunk* completes, each with its end.

        Raises:
            BadReply: an event is longer than `MAX_EVENT`.
        """
        data = self._rest + chunk
        events = []
        begin = 0
        for end in _END.finditer(data):
            events.append(data[begin : end.end()])
            begin = end.end()
        self._rest = data[begin:]
        if len(self._rest) > MAX_EVENT:
            raise BadReply("The engine sent an event without an end.", next_step="Call again.")
        return events

    def rest(self) -> bytes:
        """Return what came after the last whole event."""
        return self._rest

"""The stream of a chat as the stream of a message: each block opened, told in pieces, closed, in order."""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import define, field

from emeritus.web.gateway.messages import whole as shapes
from emeritus.web.gateway.retelling import broke_off, fed


@define
class Telling:
    """Tells one stream. *fields* are those of the call; *message_id* names the message."""

    fields: Mapping[str, msgspec.Raw]
    message_id: str
    _model: str = ""
    _begun: bool = False
    _ended: bool = False
    _finish: str | None = None
    _matched: Any = None
    _called: bool = False
    _usage: Mapping[str, Any] = field(factory=dict)
    _open: str | int | None = None
    _place: int = -1

    def feed(self, event: bytes) -> list[bytes]:
        """Return the events that tell what *event*, one whole event of the chat, told. Raises BadReply."""
        return fed(event, self._chunk, self.end, "chat")

    def end(self) -> list[bytes]:
        """Return the events that end the stream; none, when it has ended. Raises BadReply: it broke off."""
        if self._ended:
            return []
        if self._finish is None:
            raise broke_off()
        self._ended = True
        reason, matched = shapes.why_ended(self._finish, self._matched, called=self._called)
        delta = {"stop_reason": reason, "stop_sequence": matched}
        return [
            *self._close(),
            _event("message_delta", delta=delta, usage=shapes.usage(self._usage)),
            _event("message_stop"),
        ]

    def _chunk(self, chunk: dict[str, Any]) -> list[bytes]:
        out: list[bytes] = []
        if not self._begun:
            self._begun = True
            begun = shapes.message(self.message_id, chunk.get("model", ""), ())
            out.append(_event("message_start", message=begun))
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if delta.get("reasoning_content"):
                out += self._say(
                    "thinking", shapes.thinking(""), "thinking_delta", delta["reasoning_content"]
                )
            for words in (delta.get("content"), delta.get("refusal")):
                if words:
                    out += self._say("text", shapes.text(""), "text_delta", words)
            for call in delta.get("tool_calls") or ():
                out += self._call(call)
            self._finish = choice.get("finish_reason") or self._finish
            if delta.get("refusal"):
                self._finish = "content_filter"
            self._matched = choice.get("stop_reason") or self._matched
        return out

    def _say(self, kind: str, block: dict[str, Any], delta: str, piece: str) -> list[bytes]:
        out = [] if self._open == kind else self._begin(kind, block)
        return [*out, self._piece({"type": delta, kind: "" + piece})]

    def _call(self, call: dict[str, Any]) -> list[bytes]:
        out: list[bytes] = []
        number, about = int(call.get("index") or 0), call.get("function") or {}
        if self._open != number:
            self._called = True
            out = self._begin(number, shapes.tool_use(call["id"], about["name"], ""))
        if about.get("arguments"):
            out.append(self._piece({"type": "input_json_delta", "partial_json": "" + about["arguments"]}))
        return out

    def _piece(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._place, delta=delta)

    def _begin(self, kind: str | int, block: dict[str, Any]) -> list[bytes]:
        out = self._close()
        self._open = kind
        self._place += 1
        return [*out, _event("content_block_start", index=self._place, content_block=block)]

    def _close(self) -> list[bytes]:
        if self._open is None:
            return []
        self._open = None
        return [_event("content_block_stop", index=self._place)]


def _event(kind: str, **told: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **told}) + b"\n\n"

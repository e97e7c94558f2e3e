"""The stream of a chat as the stream of a message: each block opened, told in pieces, closed, in order."""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import define, field

from emeritus.web.gateway.messages import whole as shapes
from emeritus.web.gateway.retelling import EventByEvent, thought


@define
class Telling(EventByEvent):
    """Tells one stream. *name* is the id of the message."""

    told_by = "chat"

    _begun: bool = field(default=False, init=False)
    _finish: str | None = field(default=None, init=False)
    _matched: Any = field(default=None, init=False)
    _called: bool = field(default=False, init=False)
    _usage: Mapping[str, Any] = field(factory=dict, init=False)
    _open: str | int | None = field(default=None, init=False)
    _call_id: str = field(default="", init=False)
    _place: int = field(default=-1, init=False)

    def _last(self) -> list[bytes] | None:
        if self._finish is None:
            return None
        reason, matched = shapes.why_ended(self._finish, self._matched, called=self._called)
        delta = {"stop_reason": reason, "stop_sequence": matched}
        return [
            *self._close(),
            _event("message_delta", delta=delta, usage=shapes.usage(self._usage)),
            _event("message_stop"),
        ]

    def _tell(self, chunk: dict[str, Any]) -> list[bytes]:
        out: list[bytes] = []
        if not self._begun:
            self._begun = True
            begun = shapes.message(self.name, chunk.get("model", ""), ())
            out.append(_event("message_start", message=begun))
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if thought(delta):
                out += self._say("thinking", shapes.thinking(""), "thinking_delta", thought(delta))
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
        # Some services number every call 0: then only its id tells that another one begins.
        if self._open != number or (call.get("id") or self._call_id) != self._call_id:
            self._called, self._call_id = True, call["id"]
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

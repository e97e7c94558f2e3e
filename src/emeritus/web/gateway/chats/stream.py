"""The stream of a message as the stream of a chat."""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import define, field

from emeritus.web.gateway.chats import whole as shapes
from emeritus.web.gateway.retelling import broke_off, fed


@define
class Telling:
    """Tells one stream. *fields* are those of the call; *chat_id* names the answer.

    The last event before the end carries the usage, whether it was asked for or not: the meter keeps it back.
    """

    fields: Mapping[str, msgspec.Raw]
    chat_id: str
    _head: dict[str, Any] = field(factory=dict)
    _ended: bool = False
    _reason: str | None = None
    _usage: dict[str, Any] = field(factory=dict)
    _calls: int = -1

    def feed(self, event: bytes) -> list[bytes]:
        """Return the events that tell what *event*, one whole event of the message, told. Raises BadReply."""
        return fed(event, self._event, list, "message")

    def end(self) -> list[bytes]:
        """Return nothing more; the stream ended with its own last event. Raises BadReply: it broke off."""
        if not self._ended:
            raise broke_off()
        return []

    def _event(self, told: dict[str, Any]) -> list[bytes]:
        match told["type"]:
            case "message_start":
                message = told["message"]
                self._head = shapes.head("chat.completion.chunk", self.chat_id, message.get("model", ""))
                self._usage |= message.get("usage") or {}
                return [self._delta({"role": "assistant", "content": ""})]
            case "content_block_start" if told["content_block"]["type"] == "tool_use":
                block = told["content_block"]
                self._calls += 1
                return [self._call(shapes.tool_call(block["id"], block["name"], ""))]
            case "content_block_start" if told["content_block"].get("text"):
                return [self._delta({"content": told["content_block"]["text"]})]
            case "content_block_delta":
                return self._piece(told["delta"])
            case "message_delta":
                self._reason = told["delta"].get("stop_reason") or self._reason
                counted = told.get("usage") or {}
                self._usage |= {name: count for name, count in counted.items() if count is not None}
            case "message_stop":
                return self._end()
        return []

    def _piece(self, delta: dict[str, Any]) -> list[bytes]:
        match delta["type"]:
            case "text_delta":
                return [self._delta({"content": delta["text"]})]
            case "thinking_delta":
                return [self._delta({"reasoning_content": delta["thinking"]})]
            case "input_json_delta" if delta["partial_json"]:
                return [self._call({"function": {"arguments": delta["partial_json"]}})]
        return []

    def _end(self) -> list[bytes]:
        self._ended = True
        counted = {**self._head, "choices": [], "usage": shapes.usage(self._usage)}
        return [
            self._delta({}, shapes.finish(self._reason)),
            b"data: " + msgspec.json.encode(counted) + b"\n\n",
            b"data: [DONE]\n\n",
        ]

    def _call(self, call: dict[str, Any]) -> bytes:
        return self._delta({"tool_calls": [{"index": self._calls, **call}]})

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return b"data: " + msgspec.json.encode({**self._head, "choices": [choice]}) + b"\n\n"

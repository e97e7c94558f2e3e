"""The stream of a message as the stream of a chat."""

from typing import Any

import msgspec
from attrs import define, field

from emeritus.web.gateway.chats import whole as shapes
from emeritus.web.gateway.retelling import EventByEvent


@define
class Telling(EventByEvent):
    """Tells one stream. *name* is the id of the chat.

    The last event before the end carries the usage, whether it was asked for or not: the meter keeps it back.
    """

    told_by = "message"

    _head: dict[str, Any] = field(factory=dict, init=False)
    _stopped: bool = field(default=False, init=False)
    _reason: str | None = field(default=None, init=False)
    _usage: dict[str, Any] = field(factory=dict, init=False)
    _calls: int = field(default=-1, init=False)

    def __attrs_post_init__(self) -> None:
        # llama.cpp leaves message_start out when its first token is only a part of a character
        self._head = shapes.head("chat.completion.chunk", self.name, "")

    def _tell(self, chunk: dict[str, Any]) -> list[bytes]:
        match chunk["type"]:
            case "message_start":
                message = chunk["message"]
                self._head = shapes.head("chat.completion.chunk", self.name, message.get("model", ""))
                self._usage |= message.get("usage") or {}
                return [self._delta({"role": "assistant", "content": ""})]
            case "content_block_start" if chunk["content_block"]["type"] == "tool_use":
                block = chunk["content_block"]
                self._calls += 1
                return [self._call(shapes.tool_call(block["id"], block["name"], ""))]
            case "content_block_start" if chunk["content_block"].get("text"):
                return [self._delta({"content": chunk["content_block"]["text"]})]
            case "content_block_delta":
                return self._piece(chunk["delta"])
            case "message_delta":
                self._reason = chunk["delta"].get("stop_reason") or self._reason
                counted = chunk.get("usage") or {}
                self._usage |= {name: count for name, count in counted.items() if count is not None}
            case "message_stop":
                self._stopped = True
                return self.end()
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

    def _last(self) -> list[bytes] | None:
        if not self._stopped:
            return None
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

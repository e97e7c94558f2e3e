"""A whole message as a whole answer of a chat, and the pieces of which both kinds of answer are made."""

import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from emeritus.voices.errors import BadReply

_REASONS: Final = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def whole(body: bytes, fields: Mapping[str, msgspec.Raw], chat_id: str) -> bytes:  # noqa: ARG001 - as others
    """Return the chat's answer that says what the message *body* says. Raises BadReply."""
    try:
        message = msgspec.json.decode(body, type=dict[str, Any])
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[dict[str, Any]] = []
        for block in message["content"]:
            match block["type"]:
                case "text":
                    texts.append(block["text"])
                case "thinking":
                    thoughts.append(block["thinking"])
                case "tool_use":
                    told = msgspec.json.encode(block["input"]).decode()
                    calls.append(tool_call(block["id"], block["name"], told))
        said: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(texts) if texts else None,
            "refusal": None,
        }
        if thoughts:
            said["reasoning_content"] = "".join(thoughts)
        if calls:
            said["tool_calls"] = calls
        choice = {
            "index": 0,
            "message": said,
            "finish_reason": finish(message["stop_reason"]),
            "logprobs": None,
        }
        answer = {
            **head("chat.completion", chat_id, message.get("model", "")),
            "choices": [choice],
            "usage": usage(message.get("usage") or {}),
        }
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, msgspec.MsgspecError):
        raise BadReply("The engine's answer is no message.", next_step="Call again.") from None
    return msgspec.json.encode(answer)


def head(kind: str, chat_id: str, model: str) -> dict[str, Any]:
    """Return what every answer and every piece of one begins with."""
    return {"id": chat_id, "object": kind, "created": int(time.time()), "model": model}


def tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return the call of a tool."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def finish(reason: str | None) -> str:
    """Return why it ended, in the chat's words."""
    return _REASONS.get(reason or "", "stop")


def usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts: what was read from a cache, or written to one, was read all the same."""
    cached = int(told.get("cache_read_input_tokens") or 0)
    read = int(told.get("input_tokens") or 0) + cached + int(told.get("cache_creation_input_tokens") or 0)
    written = int(told.get("output_tokens") or 0)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }

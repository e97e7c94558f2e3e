"""A whole answer of a chat as a whole message, and the pieces of which both kinds of answer are made."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from emeritus.voices.errors import BadReply
from emeritus.web.gateway.retelling import thought

_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def whole(body: bytes, fields: Mapping[str, msgspec.Raw], message_id: str) -> bytes:  # noqa: ARG001 - as others
    """Return the message that says what the chat's answer *body* says. Raises BadReply."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
        choice = answer["choices"][0]
        said = choice["message"]
        content: list[dict[str, Any]] = []
        if thought(said):
            content.append(thinking(thought(said)))
        if said.get("content") or said.get("refusal"):
            content.append(text(said.get("content") or said["refusal"]))
        calls = said.get("tool_calls") or ()
        content += [
            tool_use(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls
        ]
        finish = "content_filter" if said.get("refusal") else choice.get("finish_reason")
        told = message(message_id, answer.get("model", ""), content)
        told["stop_reason"], told["stop_sequence"] = why_ended(
            finish, choice.get("stop_reason"), called=bool(calls)
        )
        told["usage"] = usage(answer.get("usage") or {})
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, msgspec.MsgspecError):
        raise BadReply("The engine's answer is no answer of a chat.", next_step="Call again.") from None
    return msgspec.json.encode(told)


def message(message_id: str, model: str, content: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a message that has not ended."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(content),
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage({}),
    }


def text(said: str) -> dict[str, Any]:
    """Return words as a block."""
    return {"type": "text", "text": said}


def thinking(said: str) -> dict[str, Any]:
    """Return what a model thought as a block; nobody signed it."""
    return {"type": "thinking", "thinking": said, "signature": ""}


def tool_use(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return the call of a tool as a block. Raises ValueError, TypeError: its arguments are no JSON object."""
    return {
        "type": "tool_use",
        "id": call_id,
        "name": name,
        "input": msgspec.json.decode(arguments or "{}", type=dict[str, Any]),
    }


def why_ended(finish: str | None, matched: Any, *, called: bool) -> tuple[str, str | None]:
    """Return the reason and, where the engine says so (*matched*), the words at which it stopped."""
    if called and finish != "length":
        return "tool_use", None
    if finish == "stop" and isinstance(matched, str):
        return "stop_sequence", matched
    return _REASONS.get(finish or "", "end_turn"), None


def usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts; what was read from a cache is counted apart, as this API has it."""
    read = int(told.get("prompt_tokens") or 0)
    cached = min(read, int((told.get("prompt_tokens_details") or {}).get("cached_tokens") or 0))
    return {
        "input_tokens": read - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": int(told.get("completion_tokens") or 0),
    }

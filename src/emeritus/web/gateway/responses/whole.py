"""A whole answer of a chat as a whole response, and the pieces of which both kinds of answer are made."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emeritus.voices.errors import BadReply
from emeritus.web.gateway.retelling import thought


def whole(body: bytes, fields: Mapping[str, msgspec.Raw], response_id: str) -> bytes:
    """Return the response that says what the chat's answer *body* says.

    Args:
        body: what the engine answered.
        fields: the call's own fields: a response repeats some of them.
        response_id: the id of the response; its items get theirs from it.

    Raises:
        BadReply: *body* is no answer of a chat.
    """
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
        choice = answer["choices"][0]
        said = choice["message"]
        items: list[dict[str, Any]] = []
        number = response_id.removeprefix("resp_")
        if thought(said):
            items.append(reasoning(f"rs_{number}", thought(said)))
        if said.get("refusal"):
            items.append(message(f"msg_{number}", refusal(said["refusal"])))
        elif said.get("content"):
            items.append(message(f"msg_{number}", output_text(said["content"])))
        for place, call in enumerate(said.get("tool_calls") or ()):
            about = call["function"]
            items.append(function_call(f"fc_{number}_{place}", call["id"], about["name"], about["arguments"]))
        if items:
            items[-1]["status"] = ended(choice.get("finish_reason"))
        told = response(
            fields,
            response_id,
            model=answer.get("model", ""),
            created=int(answer.get("created") or 0),
            items=items,
            finish=choice.get("finish_reason"),
            usage=answer.get("usage"),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, msgspec.MsgspecError):
        raise BadReply("The engine's answer is no answer of a chat.", next_step="Call again.") from None
    return msgspec.json.encode(told)


def response(
    fields: Mapping[str, msgspec.Raw],
    response_id: str,
    *,
    model: str,
    created: int,
    items: Sequence[Mapping[str, Any]],
    finish: str | None,
    usage: Mapping[str, Any] | None,
    status: str = "",
) -> dict[str, Any]:
    """Return a response object; *finish* is why the chat ended, in its own words."""
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish or "")

    def asked(name: str, default: Any = None) -> Any:
        given = fields.get(name)
        return default if given is None or bytes(given) == b"null" else given

    return {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": status or ("incomplete" if cut else "completed"),
        "error": None,
        "incomplete_details": {"reason": cut} if cut and not status else None,
        "instructions": asked("instructions"),
        "max_output_tokens": asked("max_output_tokens"),
        "metadata": asked("metadata", {}),
        "model": model,
        "output": list(items),
        "parallel_tool_calls": asked("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": asked("reasoning"),
        "store": False,
        "temperature": asked("temperature"),
        "text": asked("text", {"format": {"type": "text"}}),
        "tool_choice": asked("tool_choice", "auto"),
        "tools": asked("tools", []),
        "top_p": asked("top_p"),
        "truncation": "disabled",
        "usage": None if usage is None else _usage(usage),
        "user": asked("user"),
    }


def ended(finish: str | None) -> str:
    """Return how the last item of a response ended; *finish* is why the chat did, in its own words."""
    return "incomplete" if finish == "length" else "completed"


def message(item_id: str, part: Mapping[str, Any], status: str = "completed") -> dict[str, Any]:
    """Return words (`output_text`), or a `refusal`, as an item."""
    return {
        "id": item_id,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [] if status == "in_progress" else [part],
    }


def output_text(text: str) -> dict[str, Any]:
    """Return words as a part of an item."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal(text: str) -> dict[str, Any]:
    """Return the words of a refusal as a part of an item."""
    return {"type": "refusal", "refusal": text}


def reasoning(item_id: str, text: str, status: str = "completed") -> dict[str, Any]:
    """Return what a model thought before it spoke as an item."""
    content = [] if status == "in_progress" else [{"type": "reasoning_text", "text": text}]
    return {"id": item_id, "type": "reasoning", "summary": [], "content": content, "status": status}


def function_call(
    item_id: str, call_id: str, name: str, arguments: str, status: str = "completed"
) -> dict[str, Any]:
    """Return the call of a tool as an item."""
    return {
        "id": item_id,
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    read, written = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + written,
    }

"""A call of ``/v1/responses`` as a call of ``/v1/chat/completions``."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from emeritus.web.gateway.asked import BadRequest
from emeritus.web.gateway.retelling import retold

RESPONSES: Final = "/v1/responses"
CHAT: Final = "/v1/chat/completions"

_AS_THEY_ARE: Final = (
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "seed",
    "user",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
)
# What would need memory from call to call, or work that nobody is waiting for.
_KEPT_NOWHERE: Final = ("previous_response_id", "conversation", "prompt", "background")


def as_chat(fields: Mapping[str, msgspec.Raw], model: str) -> bytes:
    """Return the body of the chat that asks the same of *model*.

    Raises:
        BadRequest: it asks for what a chat does not have: memory of earlier responses, tools that OpenAI runs
            itself, files; or it is no such call.
    """
    return retold(fields, model, _chat, "responses")


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    for name in _KEPT_NOWHERE:
        if asked.get(name):
            raise _not_here(f"'{name}'")
    chat: dict[str, Any] = {"messages": _messages(asked.get("instructions"), asked["input"])}
    chat |= {name: asked[name] for name in _AS_THEY_ARE if asked.get(name) is not None}
    if asked.get("max_output_tokens") is not None:
        chat["max_tokens"] = asked["max_output_tokens"]
    if (asked.get("reasoning") or {}).get("effort"):
        chat["reasoning_effort"] = asked["reasoning"]["effort"]
    format_ = (asked.get("text") or {}).get("format")
    if format_ and format_["type"] != "text":
        chat["response_format"] = _format(format_)
    if asked.get("tools"):
        chat["tools"] = [_tool(tool) for tool in asked["tools"]]
        if asked.get("tool_choice") is not None:
            chat["tool_choice"] = _choice(asked["tool_choice"])
    if asked.get("stream"):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return chat


def _messages(instructions: str | None, given: Any) -> list[dict[str, Any]]:
    messages = [{"role": "system", "content": instructions}] if instructions else []
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        _add(messages, item)
    return messages


def _add(messages: list[dict[str, Any]], item: dict[str, Any]) -> None:
    kind = item.get("type", "message")
    match kind:
        case "message":
            role = "system" if item["role"] == "developer" else item["role"]
            messages.append({"role": role, "content": _content(item["content"])})
        case "function_call":
            call = {"name": item["name"], "arguments": item["arguments"]}
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": None})
            calls = messages[-1].setdefault("tool_calls", [])
            calls.append({"id": item["call_id"], "type": "function", "function": call})
        case "function_call_output":
            content = _content(item["output"])
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
        case "reasoning":
            pass  # what a model thought before is not said again in a chat
        case _:
            raise _not_here(f"an item of the type {str(kind)[:40]!r}")


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    parts = [_part(part) for part in content]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part["type"]:
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": part["text"]}
        case "refusal":
            return {"type": "text", "text": part["refusal"]}
        case "input_image" if part.get("image_url"):
            image = {"url": part["image_url"], "detail": part.get("detail") or "auto"}
            return {"type": "image_url", "image_url": image}
    raise _not_here(f"content of the type {str(part['type'])[:40]!r}")


def _format(format_: dict[str, Any]) -> dict[str, Any]:
    if format_["type"] != "json_schema":
        return {"type": format_["type"]}
    schema = {name: format_[name] for name in ("name", "schema", "strict", "description") if name in format_}
    return {"type": "json_schema", "json_schema": schema}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool["type"] != "function":
        raise _not_here(f"a tool of the type {str(tool['type'])[:40]!r}")
    told = {name: tool[name] for name in ("name", "description", "parameters", "strict") if name in tool}
    return {"type": "function", "function": told}


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    if choice["type"] != "function":
        raise _not_here(f"a choice of tools of the type {str(choice['type'])[:40]!r}")
    return {"type": "function", "function": {"name": choice["name"]}}


def _not_here(what: str) -> BadRequest:
    return BadRequest(
        f"The engine of this model knows chats, and {what} is not part of one; nothing is kept between calls.",
        next_step="Send the whole conversation as 'input', and functions as tools.",
    )

"""A call of ``/v1/messages`` as a call of ``/v1/chat/completions``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from emeritus.web.gateway.asked import BadRequest
from emeritus.web.gateway.retelling import retold

_AS_THEY_ARE: Final = ("max_tokens", "temperature", "top_p", "top_k")
# What would need something that is kept between calls, or run by the service itself.
_NOT_IN_A_CHAT: Final = ("container", "mcp_servers", "context_management")
_EFFORTS: Final = {"max": "xhigh"}


def as_chat(fields: Mapping[str, msgspec.Raw], model: str) -> bytes:
    """Return the body of the chat that asks the same of *model*.

    Raises:
        BadRequest: it asks for what a chat does not have: tools that Anthropic runs itself, documents, files; or
            it is no such call.
    """
    return retold(fields, model, _chat, "messages")


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    for name in _NOT_IN_A_CHAT:
        if asked.get(name):
            raise _not_here(f"'{name}'")
    chat: dict[str, Any] = {"messages": _messages(asked.get("system"), asked["messages"])}
    chat |= {name: asked[name] for name in _AS_THEY_ARE if asked.get(name) is not None}
    if asked.get("stop_sequences"):
        chat["stop"] = asked["stop_sequences"]
    if (asked.get("metadata") or {}).get("user_id"):
        chat["user"] = asked["metadata"]["user_id"]
    config = asked.get("output_config") or {}
    if config.get("effort"):
        chat["reasoning_effort"] = _EFFORTS.get(config["effort"], config["effort"])
    if config.get("format"):
        if config["format"]["type"] != "json_schema":
            raise _not_here(f"a format of the type {str(config['format']['type'])[:40]!r}")
        shape = {"name": "answer", "schema": config["format"]["schema"], "strict": True}
        chat["response_format"] = {"type": "json_schema", "json_schema": shape}
    if asked.get("tools"):
        chat["tools"] = [_tool(tool) for tool in asked["tools"]]
        chat |= _choice(asked.get("tool_choice") or {"type": "auto"})
    if asked.get("stream"):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return chat


def _messages(system: Any, given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if system:
        messages.append({"role": "system", "content": _content([_part(part) for part in _blocks(system)])})
    for turn in given:
        match turn["role"]:
            case "assistant":
                messages.append(_assistant(_blocks(turn["content"])))
            case "user" | "system":
                messages += _user(turn["role"], _blocks(turn["content"]))
            case _:
                raise _not_here(f"a turn of {str(turn['role'])[:40]!r}")
    return messages


def _blocks(content: Any) -> Sequence[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _user(role: str, blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the turns that say *blocks*, in their order: what tools answered are turns of their own."""
    turns: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for block in blocks:
        if block["type"] != "tool_result":
            parts.append(_part(block))
            continue
        if parts:
            turns.append({"role": role, "content": _content(parts)})
            parts = []
        said = _content([_part(part) for part in _blocks(block.get("content") or "")])
        if not isinstance(said, str):
            raise _not_here("a picture in what a tool answered")
        turns.append({"role": "tool", "tool_call_id": block["tool_use_id"], "content": said})
    if parts or not turns:
        turns.append({"role": role, "content": _content(parts)})
    return turns


def _assistant(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        match block["type"]:
            case "text":
                texts.append(block["text"])
            case "tool_use":
                told = {"name": block["name"], "arguments": msgspec.json.encode(block["input"]).decode()}
                calls.append({"id": block["id"], "type": "function", "function": told})
            case "thinking" | "redacted_thinking":
                pass  # what a model thought before is not said again in a chat
            case _:
                raise _not_here(f"content of the type {str(block['type'])[:40]!r}")
    turn: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    return turn | ({"tool_calls": calls} if calls else {})


def _content(parts: Sequence[dict[str, Any]]) -> Any:
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return list(parts)


def _part(block: dict[str, Any]) -> dict[str, Any]:
    source = block.get("source") or {}
    match block["type"], source.get("type"):
        case "text", _:
            return {"type": "text", "text": "" + block["text"]}
        case "image", "base64":
            url = f"data:{source['media_type']};base64,{source['data']}"
            return {"type": "image_url", "image_url": {"url": url}}
        case "image", "url":
            return {"type": "image_url", "image_url": {"url": source["url"]}}
        case "document", "text":
            return {"type": "text", "text": "" + source["data"]}
    raise _not_here(f"content of the type {str(block['type'])[:40]!r}")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        raise _not_here(f"a tool of the type {str(tool['type'])[:40]!r}")
    told = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
    return {"type": "function", "function": {**told, "parameters": tool["input_schema"]}}


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    told: Any = {"auto": "auto", "any": "required", "none": "none", "tool": ""}[choice["type"]]
    if choice["type"] == "tool":
        told = {"type": "function", "function": {"name": choice["name"]}}
    return {"tool_choice": told} | (
        {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {}
    )


def _not_here(what: str) -> BadRequest:
    return BadRequest(
        f"The engine of this model knows OpenAI's chat, and {what} is not part of one.",
        next_step="Send text, pictures as base64, and tools of your own.",
    )

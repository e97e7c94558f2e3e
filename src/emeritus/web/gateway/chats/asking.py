"""A call of ``/v1/chat/completions`` as a call of ``/v1/messages``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from emeritus.web.gateway.asked import BadRequest
from emeritus.web.gateway.retelling import retold

MAX_TOKENS: Final = 4096
"""What an answer is bounded by when the caller does not say: messages have to name a bound."""
_AS_THEY_ARE: Final = ("temperature", "top_p", "top_k")
# What changes how words are drawn, or what is answered, and has no place in a message.
_NOT_IN_A_MESSAGE: Final = (
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "presence_penalty",
    "web_search_options",
)
_EFFORTS: Final = {"minimal": "low"}


def as_message(fields: Mapping[str, msgspec.Raw], model: str) -> bytes:
    """Return the body of the message that asks the same of *model*.

    Raises:
        BadRequest: it asks for what a message does not have: several answers, probabilities, penalties; or it is
            no such call.
    """
    return retold(fields, model, _message, "chat")


def _message(asked: dict[str, Any]) -> dict[str, Any]:
    for name in _NOT_IN_A_MESSAGE:
        if asked.get(name):
            raise _not_here(f"'{name}'")
    if (asked.get("n") or 1) != 1:
        raise _not_here("more than one answer")
    system, turns = _turns(asked["messages"])
    bound = asked.get("max_completion_tokens") or asked.get("max_tokens") or MAX_TOKENS
    message: dict[str, Any] = {"max_tokens": bound, "messages": turns}
    if system:
        message["system"] = "\n\n".join(system)
    message |= {name: asked[name] for name in _AS_THEY_ARE if asked.get(name) is not None}
    if asked.get("stop"):
        message["stop_sequences"] = [asked["stop"]] if isinstance(asked["stop"], str) else asked["stop"]
    who = asked.get("safety_identifier") or asked.get("user")
    if who:
        message["metadata"] = {"user_id": who}
    config = _config(asked.get("reasoning_effort"), asked.get("response_format") or {"type": "text"})
    if config:
        message["output_config"] = config
    if asked.get("tools"):
        message["tools"] = [_tool(tool) for tool in asked["tools"]]
        parallel = asked.get("parallel_tool_calls") is not False
        message["tool_choice"] = _choice(asked.get("tool_choice") or "auto", parallel=parallel)
    if asked.get("stream"):
        message["stream"] = True
    return message


def _config(effort: str | None, format_: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if effort and effort != "none":
        config["effort"] = _EFFORTS.get(effort, effort)
    if format_["type"] == "json_schema":
        config["format"] = {"type": "json_schema", "schema": format_["json_schema"]["schema"]}
    elif format_["type"] != "text":
        raise _not_here(f"a format of the type {str(format_['type'])[:40]!r}")
    return config


def _turns(given: Sequence[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the words of the system, and the turns; what belongs to one turn of the user is put together."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for turn in given:
        match turn["role"]:
            case "system" | "developer":
                if turns:
                    raise _not_here("a word of the system after the first turn")
                system.append(_text(turn["content"]))
            case "assistant":
                turns.append({"role": "assistant", "content": _assistant(turn)})
            case "user":
                _say(turns, _parts(turn["content"]))
            case "tool":
                said = _text(turn["content"])
                block = {"type": "tool_result", "tool_use_id": turn["tool_call_id"], "content": said}
                _say(turns, [block])
            case _:
                raise _not_here(f"a turn of {str(turn['role'])[:40]!r}")
    return system, turns


def _say(turns: list[dict[str, Any]], blocks: list[dict[str, Any]]) -> None:
    if turns and turns[-1]["role"] == "user":
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": "user", "content": blocks})


def _assistant(turn: dict[str, Any]) -> list[dict[str, Any]]:
    said = turn.get("content") or turn.get("refusal")
    blocks = _parts(said) if said else []
    for call in turn.get("tool_calls") or ():
        about = call["function"]
        told = msgspec.json.decode(about["arguments"] or "{}", type=dict[str, Any])
        blocks.append({"type": "tool_use", "id": call["id"], "name": about["name"], "input": told})
    return blocks


def _text(content: Any) -> str:
    parts = _parts(content)
    if any(part["type"] != "text" for part in parts):
        raise _not_here("anything but text there")
    return "".join(part["text"] for part in parts)


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_part(part) for part in content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "text", "text": "" + part["text"]}
        case "refusal":
            return {"type": "text", "text": "" + part["refusal"]}
        case "image_url":
            return {"type": "image", "source": _source(part["image_url"]["url"])}
    raise _not_here(f"content of the type {str(part['type'])[:40]!r}")


def _source(url: str) -> dict[str, Any]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "base64", "media_type": kind, "data": data}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool["type"] != "function":
        raise _not_here(f"a tool of the type {str(tool['type'])[:40]!r}")
    about = tool["function"]
    told = {name: about[name] for name in ("name", "description", "strict") if about.get(name) is not None}
    return told | {"input_schema": about.get("parameters") or {"type": "object", "properties": {}}}


def _choice(choice: Any, *, parallel: bool) -> dict[str, Any]:
    if isinstance(choice, str):
        told = {"type": {"auto": "auto", "required": "any", "none": "none"}[choice]}
    elif choice["type"] == "function":
        told = {"type": "tool", "name": choice["function"]["name"]}
    else:
        raise _not_here(f"a choice of tools of the type {str(choice['type'])[:40]!r}")
    return told | ({} if parallel or told["type"] == "none" else {"disable_parallel_tool_use": True})


def _not_here(what: str) -> BadRequest:
    return BadRequest(
        f"The engine of this model knows Anthropic's messages, and {what} is not part of one.",
        next_step="Send text and pictures, words of the system first, and functions as tools.",
    )

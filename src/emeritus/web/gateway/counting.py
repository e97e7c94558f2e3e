"""How many tokens a message would be, asked of services that count in other words than Anthropic's.

vLLM counts a whole chat at ``/tokenize``, OpenAI a response that would be asked for. Nothing is estimated here: a
service that does neither does not count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import msgspec

from emeritus.voices.errors import BadReply, NotUnderstood
from emeritus.web.gateway import messages
from emeritus.web.gateway.retelling import Fields

COUNT: Final = "/v1/messages/count_tokens"
TOKENIZE: Final = "/tokenize"
INPUT_TOKENS: Final = "/v1/responses/input_tokens"


class _Counted(msgspec.Struct):
    """A count as vLLM or as OpenAI names it."""

    count: int | None = None
    input_tokens: int | None = None


def as_chat(fields: Fields, model: str) -> bytes:
    """Return what asks vLLM to count the chat that the message would be told as. Raises BadRequest."""
    chat = _chat(fields, model)
    asked = {"model": model, "messages": chat["messages"], "add_generation_prompt": True}
    return msgspec.json.encode(asked | ({"tools": chat["tools"]} if "tools" in chat else {}))


def as_response(fields: Fields, model: str) -> bytes:
    """Return what asks OpenAI to count the response that the message would be asked for as. Raises BadRequest."""
    chat = _chat(fields, model)
    asked: dict[str, Any] = {"model": model, "input": [i for turn in chat["messages"] for i in _items(turn)]}
    if "tools" in chat:
        asked["tools"] = [{"type": "function", "strict": None, **tool["function"]} for tool in chat["tools"]]
        asked["tool_choice"] = _choice(chat["tool_choice"])
    if "response_format" in chat:
        asked["text"] = {"format": {"type": "json_schema", **chat["response_format"]["json_schema"]}}
    if "reasoning_effort" in chat:
        asked["reasoning"] = {"effort": chat["reasoning_effort"]}
    return msgspec.json.encode(asked)


def whole(body: bytes, fields: Fields, name: str) -> bytes:  # noqa: ARG001 - as others
    """Return the count as Anthropic's API has it. Raises NotUnderstood: the service counted nothing."""
    try:
        told = msgspec.json.decode(body, type=_Counted)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        told = _Counted()
    count = told.input_tokens if told.count is None else told.count
    if count is None or count < 0:
        raise uncounted()
    return msgspec.json.encode({"input_tokens": count})


def streamed(fields: Fields, name: str) -> NoReturn:  # noqa: ARG001 - as others
    """Refuse a stream: a count is none. Raises BadReply."""
    raise BadReply("The engine's answer is no count.", next_step="Call again.")


def uncounted() -> NotUnderstood:
    """Return the error for a service that counts no tokens."""
    return NotUnderstood(
        "The service behind this model does not say how many tokens a message would be.",
        next_step="Send the message: the usage of its answer says how many it was.",
    )


def _chat(fields: Fields, model: str) -> dict[str, Any]:
    chat: dict[str, Any] = msgspec.json.decode(messages.as_chat(fields, model))
    return chat


def _items(turn: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return a turn of a chat as items of a response."""
    content = turn["content"]
    if turn["role"] == "tool":
        return [{"type": "function_call_output", "call_id": turn["tool_call_id"], "output": content}]
    said = [] if content is None else [{"role": turn["role"], "content": _content(content)}]
    called = [
        {"type": "function_call", "call_id": call["id"], **call["function"]}
        for call in turn.get("tool_calls", ())
    ]
    return [*said, *called]


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [
        {"type": "input_text", "text": part["text"]}
        if part["type"] == "text"
        else {"type": "input_image", "image_url": part["image_url"]["url"], "detail": "auto"}
        for part in content
    ]


def _choice(choice: Any) -> Any:
    return choice if isinstance(choice, str) else {"type": "function", "name": choice["function"]["name"]}

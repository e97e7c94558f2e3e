"""The OpenAI and Anthropic shapes of an answer, whole and streamed, as a fake engine gives them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from attrs import frozen

from emeritus.core.speech import Message, Sampling
from emeritus.voices.fakes.replies import Say

_JSON = "application/json"
_EVENTS = "text/event-stream"


@frozen
class Shaped:
    """An HTTP answer: status, content type, and the pieces in which its body is sent."""

    status: int
    content_type: str
    chunks: tuple[bytes, ...]


@frozen
class _Said:
    words: tuple[str, ...]
    text: str
    tokens_in: int
    cut: bool
    model: str


def answer(path: str, body: bytes, say: Say) -> Shaped:
    """Answer a request as an engine would."""
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
        if path == "/v1/messages/count_tokens":
            return _whole(200, {"input_tokens": _count(_turns(asked))})
        shape = {
            "/v1/chat/completions": _chat,
            "/v1/completions": _completion,
            "/v1/messages": _message,
            "/v1/responses": _response,
        }[path]
        return shape(_said(asked, say), stream=bool(asked.get("stream")))
    except KeyError:
        return error(404, "not_found_error", f"no such path: {path}")
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError):
        return error(400, "invalid_request_error", "this is not a request")


def error(status: int, kind: str, message: str) -> Shaped:
    """An error body that both kinds of SDK read."""
    return _whole(status, {"type": "error", "error": {"type": kind, "message": message, "code": kind}})


def _turns(asked: dict[str, Any]) -> list[Message]:
    given = asked.get("messages", asked.get("input", asked.get("prompt")))
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list):
        raise TypeError
    opening = [Message("system", _text(asked["system"]))] if asked.get("system") else []
    return opening + [Message(turn["role"], _text(turn["content"])) for turn in given]


def _text(content: Any) -> str:
    if content is None:  # a turn that only calls tools
        return ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _said(asked: dict[str, Any], say: Say) -> _Said:
    limit = (
        asked.get("max_tokens") or asked.get("max_completion_tokens") or asked.get("max_output_tokens") or 512
    )
    format_ = asked.get("response_format") or (asked.get("output_config") or {}).get("format") or {}
    schema = format_.get("json_schema", format_).get("schema") or asked.get("json_schema")
    prompt = _turns(asked)
    text = say(prompt, Sampling(int(asked.get("seed") or 0)), schema)
    pieces = [word if i == 0 else " " + word for i, word in enumerate(text.split(" "))]
    kept = tuple(pieces[:limit])
    return _Said(kept, "".join(kept), _count(prompt), len(pieces) > limit, str(asked.get("model", "fake")))


def _count(prompt: list[Message]) -> int:
    return sum(len(turn.content.split()) + 3 for turn in prompt)


def _whole(status: int, value: Any) -> Shaped:
    return Shaped(status, _JSON, (json.dumps(value).encode(),))


def _chat(said: _Said, *, stream: bool) -> Shaped:
    finish = "length" if said.cut else "stop"
    usage = _openai_usage(said)
    if not stream:
        message = {"role": "assistant", "content": said.text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return _whole(200, {**_openai(said, "chat.completion"), "choices": [choice], "usage": usage})
    head = _openai(said, "chat.completion.chunk")

    def events() -> Iterator[Mapping[str, Any]]:
        yield {
            **head,
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        }
        for word in said.words:
            yield {**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        yield {**head, "choices": [], "usage": usage}

    return Shaped(200, _EVENTS, (*(_data(event) for event in events()), b"data: [DONE]\n\n"))


def _completion(said: _Said, *, stream: bool) -> Shaped:
    finish = "length" if said.cut else "stop"
    head = _openai(said, "text_completion")
    if not stream:
        choice = {"index": 0, "text": said.text, "logprobs": None, "finish_reason": finish}
        return _whole(200, {**head, "choices": [choice], "usage": _openai_usage(said)})
    texts = [
        {**head, "choices": [{"index": 0, "text": w, "logprobs": None, "finish_reason": None}]}
        for w in said.words
    ]
    last = {**head, "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": finish}]}
    return Shaped(200, _EVENTS, (*(_data(event) for event in [*texts, last]), b"data: [DONE]\n\n"))


def _message(said: _Said, *, stream: bool) -> Shaped:
    stop = "max_tokens" if said.cut else "end_turn"
    usage = {"input_tokens": said.tokens_in, "output_tokens": len(said.words)}
    head = {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "stop_sequence": None,
    }
    if not stream:
        content = [{"type": "text", "text": said.text}]
        return _whole(200, {**head, "content": content, "stop_reason": stop, "usage": usage})
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {**head, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 0}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}}
            for w in said.words
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": len(said.words)},
        },
        {"type": "message_stop"},
    ]
    return Shaped(200, _EVENTS, tuple(b"event: " + e["type"].encode() + b"\n" + _data(e) for e in events))


def _response(said: _Said, *, stream: bool) -> Shaped:
    part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
    item = {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    usage = {
        "input_tokens": said.tokens_in,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": len(said.words),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said.tokens_in + len(said.words),
    }
    whole = {
        "id": "resp_fake",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": said.model,
        "output": [item],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }
    if not stream:
        return _whole(200, whole)
    place = {"item_id": "msg_fake", "output_index": 0, "content_index": 0}
    started = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
            for word in said.words
        ),
        {"type": "response.output_text.done", **place, "text": said.text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return Shaped(200, _EVENTS, tuple(b"event: " + e["type"].encode() + b"\n" + _data(e) for e in numbered))


def _openai(said: _Said, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 0, "model": said.model}


def _openai_usage(said: _Said) -> dict[str, int]:
    out = len(said.words)
    return {"prompt_tokens": said.tokens_in, "completion_tokens": out, "total_tokens": said.tokens_in + out}


def _data(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"

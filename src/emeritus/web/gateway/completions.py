"""OpenAI's text completions, for engines that only know chats: the prompt told as a turn, the answer told back.

A chat does not go on from a text, it answers one. So what comes back is the model's answer to the prompt, and the
header ``emeritus-told-as`` says so.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from attrs import define, field

from emeritus.voices.errors import BadReply
from emeritus.web.gateway.asked import BadRequest
from emeritus.web.gateway.retelling import EventByEvent, Fields, retold

COMPLETIONS: Final = "/v1/completions"
MAX_TOKENS: Final = 16
"""What a completion is bounded by when the caller does not say, in OpenAI's API."""
_AS_THEY_ARE: Final = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "stop",
    "user",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
)
_REASONS: Final = frozenset({"stop", "length", "content_filter"})


def as_chat(fields: Fields, model: str) -> bytes:
    """Return the body of the chat in which *model* is asked the prompt.

    Raises:
        BadRequest: it asks for what a chat does not have: several prompts or answers, tokens as a prompt, words
            behind the gap, probabilities; or it is no such call.
    """
    return retold(fields, model, _chat, "completions")


def whole(body: bytes, fields: Fields, completion_id: str) -> bytes:  # noqa: ARG001 - as others
    """Return the completion that says what the chat's answer *body* says. Raises BadReply."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
        choice = answer["choices"][0]
        said = choice["message"]
        told = {
            **_head(completion_id, answer),
            "choices": [
                _choice(
                    said.get("content") or said.get("refusal") or "",
                    _finish("content_filter" if said.get("refusal") else choice.get("finish_reason")),
                )
            ],
            "usage": answer.get("usage"),
        }
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, msgspec.MsgspecError):
        raise BadReply("The engine's answer is no answer of a chat.", next_step="Call again.") from None
    return msgspec.json.encode(told)


@define
class Telling(EventByEvent):
    """Tells one stream. *name* is the id of the completion."""

    told_by = "chat"

    _refused: bool = field(default=False, init=False)
    _finished: bool = field(default=False, init=False)

    def _tell(self, chunk: dict[str, Any]) -> list[bytes]:
        head = _head(self.name, chunk)
        out: list[bytes] = []
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            self._refused = self._refused or bool(delta.get("refusal"))
            said = delta.get("content") or delta.get("refusal") or ""
            finish = choice.get("finish_reason")
            if finish:
                self._finished = True
                finish = _finish("content_filter" if self._refused else finish)
            if said or finish:
                out.append(_event({**head, "choices": [_choice(said, finish)]}))
        if chunk.get("usage"):
            out.append(_event({**head, "choices": [], "usage": chunk["usage"]}))
        return out

    def _last(self) -> list[bytes] | None:
        return [b"data: [DONE]\n\n"] if self._finished else None


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    for name in ("suffix", "echo"):
        if asked.get(name):
            raise _not_here(f"'{name}'")
    if asked.get("logprobs") is not None:
        raise _not_here("'logprobs'")
    if (asked.get("n") or 1) != 1 or (asked.get("best_of") or 1) != 1:
        raise _not_here("more than one answer")
    bound = MAX_TOKENS if asked.get("max_tokens") is None else asked["max_tokens"]
    chat = {"messages": [{"role": "user", "content": _prompt(asked["prompt"])}], "max_tokens": bound}
    chat |= {name: asked[name] for name in _AS_THEY_ARE if asked.get(name) is not None}
    if asked.get("stream"):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return chat


def _prompt(given: Any) -> str:
    if isinstance(given, list):
        if len(given) != 1:
            raise _not_here("more than one prompt, or a prompt of tokens")
        given = given[0]
    if not isinstance(given, str):
        raise _not_here("a prompt that is no text")
    return given


def _head(completion_id: str, told: Mapping[str, Any]) -> dict[str, Any]:
    created, model = int(told.get("created") or 0), told.get("model", "")
    return {"id": completion_id, "object": "text_completion", "created": created, "model": model}


def _choice(text: str, finish: str | None) -> dict[str, Any]:
    return {"index": 0, "text": "" + text, "logprobs": None, "finish_reason": finish}


def _finish(reason: str | None) -> str:
    return reason if reason in _REASONS else "stop"


def _event(told: Mapping[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(told) + b"\n\n"


def _not_here(what: str) -> BadRequest:
    return BadRequest(
        f"The engine of this model knows turns and no text to go on from, and {what} is not part of one.",
        next_step="Send one prompt as text, and ask for one answer.",
    )

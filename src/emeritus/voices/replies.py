"""Reading what an engine answered. It comes from outside, so it is hostile until it is parsed."""

from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypeVar

import msgspec
from attrs import frozen

from emeritus.voices.errors import BadReply, Busy, KeyRefused, NotUnderstood, PromptTooLong, VoiceError

Finish = Literal["stop", "length", "refusal"]

_LARGEST = 2**53 - 1
_T = TypeVar("_T")


@frozen
class Reply:
    """The words, why they ended, and what they took."""

    text: str
    finish: Finish
    tokens_in: int
    tokens_out: int


class _OpenAIUsage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _OpenAIMessage(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _OpenAIChoice(msgspec.Struct):
    message: _OpenAIMessage
    finish_reason: str


class _OpenAIChat(msgspec.Struct):
    choices: list[_OpenAIChoice]
    usage: _OpenAIUsage


class _OpenAIText(msgspec.Struct):
    text: str
    finish_reason: str


class _OpenAICompletion(msgspec.Struct):
    choices: list[_OpenAIText]
    usage: _OpenAIUsage


class _AnthropicBlock(msgspec.Struct):
    type: str
    text: str | None = None


class _AnthropicUsage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _AnthropicMessage(msgspec.Struct):
    content: list[_AnthropicBlock]
    stop_reason: str
    usage: _AnthropicUsage


class _Tokens(msgspec.Struct):
    tokens: list[int]


class _Error(msgspec.Struct):
    message: str = ""
    type: str | None = None


class _Failure(msgspec.Struct):
    error: _Error


_OPENAI_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "refusal"}
_ANTHROPIC_FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


def openai_chat(data: bytes, who: str) -> Reply:
    """Read an answer of ``/v1/chat/completions``. Raises BadReply."""
    chat = decoded(data, _OpenAIChat, who)
    if len(chat.choices) != 1:
        _bad(who, f"it has {len(chat.choices)} choices where 1 was asked for")
    choice = chat.choices[0]
    if choice.message.refusal:
        return _reply(choice.message.refusal, "refusal", *_counts(chat.usage), who)
    finish = _finish(_OPENAI_FINISH, choice.finish_reason, who)
    text = choice.message.content
    if text is None:
        if finish != "refusal":
            _bad(who, "it has no text")
        text = ""
    return _reply(text, finish, *_counts(chat.usage), who)


def openai_completion(data: bytes, who: str) -> Reply:
    """Read an answer of ``/v1/completions``. Raises BadReply."""
    completion = decoded(data, _OpenAICompletion, who)
    if len(completion.choices) != 1:
        _bad(who, f"it has {len(completion.choices)} choices where 1 was asked for")
    choice = completion.choices[0]
    finish = _finish(_OPENAI_FINISH, choice.finish_reason, who)
    return _reply(choice.text, finish, *_counts(completion.usage), who)


def anthropic_message(data: bytes, who: str) -> Reply:
    """Read an answer of ``/v1/messages``. Raises BadReply."""
    message = decoded(data, _AnthropicMessage, who)
    finish = _finish(_ANTHROPIC_FINISH, message.stop_reason, who)
    words: list[str] = []
    for block in message.content:
        if block.type != "text" or block.text is None:
            _bad(who, f"it holds a block of type {block.type[:40]!r} where only text was asked for")
        words.append(block.text)
    if not words and finish == "length":
        _bad(who, "it has no text")
    usage = message.usage
    tokens_in = (
        usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    )
    return _reply("".join(words), finish, tokens_in, usage.output_tokens, who)


def token_ids(data: bytes, who: str) -> tuple[int, ...]:
    """Read an answer of ``/tokenize``. Raises BadReply."""
    return tuple(decoded(data, _Tokens, who).tokens)


def failure(status: int, data: bytes, who: str, *, hide: str = "") -> VoiceError | NotUnderstood:
    """Return the error for an answer that is not 200. *hide* is a secret to keep out of it."""
    message, kind = f"HTTP {status}", ""
    try:
        error = msgspec.json.decode(data, type=_Failure).error
        message, kind = _one_line(error.message) or message, error.type or ""
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    if hide:
        message = message.replace(hide, "***")
    said = f"{who} answered: {message[:300]}"
    if kind == "exceed_context_size_error":
        return PromptTooLong(f"{said}.", next_step="Shorten the prompt, or give the voice a larger context.")
    if status in (401, 403):
        return KeyRefused(f"{said}.", next_step="Check the key in the environment, and what it may do.")
    if status in (429, 529):
        return Busy(f"{said}.", next_step="Wait a little and call again.")
    if 400 <= status < 500:
        return NotUnderstood(f"{said}.", next_step="Change the prompt, the sampling or the schema.")
    return BadReply(
        f"{said} (HTTP {status}).", next_step="Call again; if it stays so, look at the engine's log."
    )


def require_json(reply: Reply, who: str) -> Reply:
    """Return *reply* when an answer that was to fit a schema is whole JSON, or was cut off by its limit."""
    if reply.finish == "stop":
        try:
            msgspec.json.decode(reply.text.encode())
        except (msgspec.MsgspecError, ValueError, RecursionError):
            _bad(who, "it was to be JSON and is not")
    return reply


def plain_copy(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return *schema* as plain JSON values of its own, which no caller can change afterwards."""
    if schema is None:
        return None
    copy: dict[str, Any] = msgspec.json.decode(as_json(schema))
    return copy


def decoded(data: bytes, shape: type[_T], who: str) -> _T:
    """Read what *who* sent as *shape*. Raises BadReply."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.MsgspecError, ValueError, RecursionError) as why:
        _bad(who, _one_line(str(why))[:200])


def _finish(known: dict[str, Finish], reason: str, who: str) -> Finish:
    finish = known.get(reason)
    if finish is None:
        _bad(who, f"it ended for the reason {reason[:40]!r}, which no plain answer has")
    return finish


def _counts(usage: _OpenAIUsage) -> tuple[int, int]:
    return usage.prompt_tokens, usage.completion_tokens


def _reply(text: str, finish: Finish, tokens_in: int, tokens_out: int, who: str) -> Reply:
    if not (0 <= tokens_in <= _LARGEST and 0 <= tokens_out <= _LARGEST):
        _bad(who, "its token counts cannot be")
    try:
        text.encode()
    except UnicodeEncodeError:
        _bad(who, "its text is not Unicode")
    return Reply(text, finish, tokens_in, tokens_out)


def _one_line(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text[:2000])
    return " ".join(shown.split()).rstrip(".")


def _bad(who: str, why: str) -> NoReturn:
    raise BadReply(
        f"What {who} sent is not an answer: {why}.", next_step="Call again; nothing of it was kept."
    ) from None


def as_json(value: Any) -> bytes:
    """Return *value* as JSON bytes for a request. Raises NotUnderstood when it has no place in JSON."""
    try:
        data: bytes = msgspec.json.encode(value)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, ValueError, RecursionError):
        raise NotUnderstood(
            "This prompt or schema cannot be written as JSON.",
            next_step="Use Unicode text and plain JSON values.",
        ) from None
    return data

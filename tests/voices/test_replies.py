"""Whatever an engine sends is read as an answer or refused with one clear error; nothing else happens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.voices import replies
from emeritus.voices.errors import BadReply, Busy, KeyRefused, NotUnderstood, PromptTooLong

READERS = [replies.openai_chat, replies.openai_completion, replies.anthropic_message]
GOOD: dict[Any, dict[str, Any]] = {
    replies.openai_chat: {
        "choices": [{"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    },
    replies.openai_completion: {
        "choices": [{"text": "Yes.", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    },
    replies.anthropic_message: {
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 2},
    },
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("read", READERS)
def test_a_good_answer_is_read(read):
    """Text, reason and counts come out as they were sent; tokens from a cache count as read."""
    assert read(json.dumps(GOOD[read]).encode(), "It") == replies.Reply("Yes.", "stop", 3, 2)


@pytest.mark.parametrize("read", READERS)
@given(data=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_refused_with_one_clear_error(read, data):
    """Bytes that are no answer raise BadReply, never anything else."""
    with pytest.raises(BadReply) as refused:
        read(data, "It")
    assert refused.value.sentence.startswith("What It sent is not an answer")


@st.composite
def damaged(draw: st.DrawFn, read: Any) -> bytes:
    """A good answer with one value somewhere replaced or removed."""
    answer = json.loads(json.dumps(GOOD[read]))
    place: Any = answer
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        if draw(st.booleans()):
            place[key] = draw(json_values)
        else:
            del place[key]
        return json.dumps(answer).encode()


@pytest.mark.parametrize("read", READERS)
@given(st.data())
def test_a_damaged_answer_is_read_or_refused(read, data):
    """One wrong field gives a sound reply or BadReply."""
    try:
        reply = read(data.draw(damaged(read)), "It")
    except BadReply:
        return
    reply.text.encode()
    assert reply.finish in ("stop", "length", "refusal")
    assert reply.tokens_in >= 0
    assert reply.tokens_out >= 0


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[{"message":{"content":"\\ud800"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
        b'{"choices":[{"message":{"content":"\xff"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
        b'{"choices":[{"message":{"content":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
        b'{"choices":[{"message":{"content":"a"},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
        b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1,"completion_tokens":1}}',
        b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9007199254740993,"completion_tokens":1}}',
        b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}',
        b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
        b"[" * 100_000,
        b'{"choices":' * 50_000,
        b"",
    ],
)
def test_hostile_answers_by_name(data):
    """Lone surrogates, broken UTF-8, no text, tools, impossible counts, bottomless nesting: all refused."""
    with pytest.raises(BadReply):
        replies.openai_chat(data, "It")


def test_refusals_are_words_too():
    """A refusal is kept as what was said, marked as refusal."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    message = {"content": None, "refusal": "I would rather not."}
    chat = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    assert replies.openai_chat(json.dumps(chat).encode(), "It") == replies.Reply(
        "I would rather not.", "refusal", 1, 1
    )
    silent = {"content": [], "stop_reason": "refusal", "usage": {"input_tokens": 1, "output_tokens": 0}}
    assert replies.anthropic_message(json.dumps(silent).encode(), "It").finish == "refusal"


@pytest.mark.parametrize("text", ["", "{", '{"a":1} and more', "[" * 100_000])
def test_an_answer_that_was_to_be_json_is_json(text):
    """A whole answer to a schema that is not JSON is refused; one that its limit cut off is kept as said."""
    with pytest.raises(BadReply):
        replies.require_json(replies.Reply(text, "stop", 1, 1), "It")
    assert replies.require_json(replies.Reply(text, "length", 1, 1), "It").text == text


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, NotUnderstood),
        (401, KeyRefused),
        (403, KeyRefused),
        (422, NotUnderstood),
        (429, Busy),
        (500, BadReply),
        (529, Busy),
    ],
)
@given(data=st.binary() | json_values.map(lambda value: json.dumps({"error": value}).encode()))
def test_a_failure_of_any_shape_is_one_clear_error(status, kind, data):
    """The status decides the error, whatever the body is."""
    assert type(replies.failure(status, data, "It")) is kind


def test_a_secret_that_is_echoed_is_hidden():
    """A remote that repeats our key in its error does not bring it into ours."""
    body = b'{"error":{"message":"bad key sk-very-secret\\n\\u0007 given"}}'
    assert str(replies.failure(401, body, "It", hide="sk-very-secret")).startswith(
        "It answered: bad key *** given."
    )


def test_a_prompt_that_is_too_long_is_told_so():
    """llama.cpp's own kind of error becomes PromptTooLong."""
    body = b'{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}'
    assert isinstance(replies.failure(400, body, "It"), PromptTooLong)


@pytest.mark.parametrize("value", ["\ud800", {"a": {1, 2, object()}}, {"a": b"\xff", "b": object()}])
def test_what_has_no_place_in_json_is_never_sent(value):
    """A prompt with half a character is refused before anything leaves."""
    with pytest.raises(NotUnderstood):
        replies.as_json({"prompt": value})

"""Responses of engines that only know chats: the official SDK cannot tell the difference."""

import json

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from openai.types.responses.response_stream_event import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from emeritus.web.gateway import responses
from emeritus.web.gateway.asked import BadRequest, parse
from emeritus.web.gateway.responses import CHAT, RESPONSES

EVENTS = TypeAdapter(ResponseStreamEvent)
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}


@pytest.fixture
def key(house):
    return house.member()


@pytest.fixture
def client(server, key, pool, monkeypatch):
    monkeypatch.setattr(type(pool._crew._loader("x")), "paths", frozenset({CHAT}))
    return server.openai(key).responses


def chat(asked: dict) -> dict:
    body = json.dumps({"model": "opus", **asked}).encode()
    return json.loads(responses.as_chat(parse(RESPONSES, body).fields, "opus"))


def chunks(*deltas, finish="stop", usage=None) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 7, "model": "engine-name"}
    events = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage:
        events.append({**head, "choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events) + b"data: [DONE]\n\n"


USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def test_whole_and_streamed_say_the_same(client, house, engine):
    """A whole response and a streamed one carry the same words and counts; both are valid to the letter."""
    whole = client.create(model="opus", input="Hello", instructions="Be kind.", temperature=0.5)
    Response.model_validate(json.loads(whole.model_dump_json()))
    assert whole.output_text
    assert whole.model == "engine-name"
    assert (whole.instructions, whole.temperature, whole.status) == ("Be kind.", 0.5, "completed")
    with client.stream(model="opus", input="Hello", instructions="Be kind.", temperature=0.5) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert final.usage.to_dict() == whole.usage.to_dict()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert {received.path for received in engine.requests} == {CHAT}
    assert house.usage.totals().tokens == 2 * whole.usage.total_tokens


def test_a_refusal_is_told_as_one(client, engine, server, key):
    """What a model refuses in is a refusal in the response too, whole and streamed alike; each event is as declared."""
    said = {"choices": [{"message": {"refusal": "I will not."}, "finish_reason": "stop"}], "usage": USAGE}
    engine.reply_next(json.dumps(said).encode())
    whole = client.create(model="opus", input="?", parallel_tool_calls=None, tools=None, tool_choice=None)
    Response.model_validate(json.loads(whole.model_dump_json(warnings="error")))
    engine.reply_next(
        chunks({"refusal": "I will "}, {"refusal": "not."}, usage=USAGE),
        headers={"content-type": "text/event-stream"},
    )
    with client.stream(model="opus", input="?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    for each in events:
        EVENTS.validate_python(json.loads(each.model_dump_json(warnings=False)), strict=False)
    for response in (whole, final):
        assert [part.to_dict() for part in response.output[0].content] == [
            {"type": "refusal", "refusal": "I will not."}
        ]


def test_every_event_is_as_the_sdk_declares_it(client, engine, server, key):
    """Thoughts, words and two tools in one stream: every event validates against the SDK's own types."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    engine.reply_next(
        chunks(
            {"role": "assistant", "content": ""},
            {"reasoning_content": "Where "},
            {"reasoning_content": "is it?"},
            {"content": "Let me "},
            {"content": "look."},
            {"tool_calls": [call]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"in":'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
            {
                "tool_calls": [
                    {**call, "index": 1, "id": "call_2", "function": {"name": "w2", "arguments": "{}"}}
                ]
            },
            finish="tool_calls",
            usage=USAGE,
        ),
        headers={"content-type": "text/event-stream"},
    )
    answer = server.http(
        RESPONSES,
        {"model": "opus", "input": "?", "tools": [TOOL], "stream": True},
        authorization=f"Bearer {key}",
    )
    told = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    for each in told:
        EVENTS.validate_python(each, strict=False)
    final = Response.model_validate(told[-1]["response"])
    kinds = [item.type for item in final.output]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert final.output[0].content[0].text == "Where is it?"
    assert final.output_text == "Let me look."
    assert [(c.call_id, c.name, c.arguments) for c in final.output[2:]] == [
        ("call_1", "weather", '{"in":"Oslo"}'),
        ("call_2", "w2", "{}"),
    ]
    added = [each["item"]["id"] for each in told if each["type"] == "response.output_item.added"]
    done = [each["item"]["id"] for each in told if each["type"] == "response.output_item.done"]
    assert added == done == [item.id for item in final.output]
    assert (final.usage.input_tokens, final.usage.output_tokens) == (5, 3)


def test_a_tool_is_called_and_answered(client, engine):
    """A whole answer with a call of a tool, and the conversation that goes on from it, as a chat has them."""
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        ],
    }
    body = {"model": "m", "created": 1, "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    engine.reply_next(json.dumps({**body, "usage": USAGE}).encode())
    first = client.create(model="opus", input="Rain?", tools=[TOOL], tool_choice="required")
    (call,) = first.output
    assert (call.type, call.call_id, call.arguments) == ("function_call", "call_1", "{}")
    sent = json.loads(engine.requests[-1].body)
    assert sent["tools"] == [
        {"type": "function", "function": {name: TOOL[name] for name in ("name", "parameters", "strict")}}
    ]
    assert sent["tool_choice"] == "required"
    client.create(
        model="opus",
        input=[
            {"role": "user", "content": "Rain?"},
            call,
            {"type": "function_call_output", "call_id": "call_1", "output": "No."},
        ],
    )
    assert json.loads(engine.requests[-1].body)["messages"] == [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": None, "tool_calls": message["tool_calls"]},
        {"role": "tool", "tool_call_id": "call_1", "content": "No."},
    ]


def test_structured_output(client):
    """`responses.parse` with a pydantic model works: the schema travels, the answer is read."""

    class Answer(BaseModel):
        place: str
        count: int

    parsed = client.parse(model="opus", input="Where?", text_format=Answer)
    assert isinstance(parsed.output_parsed, Answer)


def test_cut_short(client):
    """An answer that was cut is incomplete, and says why, whole and streamed."""
    whole = client.create(model="opus", input="Hello", max_output_tokens=3)
    assert (whole.status, whole.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    events = list(client.create(model="opus", input="Hello", max_output_tokens=3, stream=True))
    assert events[-1].type == "response.incomplete"
    assert [each.type for each in events[-2:]] == ["response.output_item.done", "response.incomplete"]
    for item in (whole.output[0], events[-1].response.output[0], events[-2].item):
        assert (item.status, item.content[0].text) == ("incomplete", whole.output_text)


def test_an_engine_that_does_not_have_the_path(server, engine, key, house):
    """A remote that answers 404 at its responses is asked as a chat, and from then on at once."""
    client = server.openai(key).responses
    engine.reply_next(b'{"error":{"message":"no such path"}}', 404)
    assert client.create(model="opus", input="Hello").output_text
    assert client.create(model="opus", input="Hello").output_text
    assert [received.path for received in engine.requests] == [RESPONSES, CHAT, CHAT]
    assert house.usage.totals().requests == 2


def test_an_engine_that_dies(client, engine):
    """A stream that breaks off ends in the SDK's own error, not in a response that looks whole."""
    engine.die_next()
    with pytest.raises(openai.APIError, match="hung up"):
        list(client.create(model="opus", input="Hello", stream=True))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "item_reference"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input_file"),
        ({"input": 7}, "responses API"),
        ({"input": [{"role": "user"}]}, "responses API"),
        ({"tools": "x"}, "responses API"),
    ],
)
def test_what_a_chat_does_not_have(client, engine, more, what):
    """What cannot be told as a chat is refused in words, before an engine is asked."""
    with pytest.raises(openai.BadRequestError, match=what):
        client.create(**{"model": "opus", "input": "Hello", **more})
    assert engine.requests == []


def test_what_travels():
    """Images, roles, formats and effort are told as a chat has them."""
    sent = chat(
        {
            "instructions": "Be kind.",
            "input": [
                {"role": "developer", "content": "Short."},
                {
                    "role": "user",
                    "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
                },
                {"type": "reasoning", "summary": []},
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "see"},
                        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
                    ],
                },
            ],
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}},
            "reasoning": {"effort": "low"},
            "max_output_tokens": 9,
            "stream": True,
        }
    )
    assert sent == {
        "model": "opus",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "system", "content": "Short."},
            {"role": "user", "content": "ab"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AA==", "detail": "auto"},
                    },
                ],
            },
        ],
        "max_tokens": 9,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {}, "strict": True},
        },
        "stream": True,
        "stream_options": {"include_usage": True},
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "name", "output", "call_id", "format"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["input", "tools", "text", "tool_choice", "reasoning"]), JSON))
def test_whatever_is_asked_is_a_chat_or_refused(asked):
    """No call, however odd, is a traceback."""
    try:
        sent = chat(asked)
    except BadRequest:
        return
    assert isinstance(sent["messages"], list)

"""Messages for engines that only know chats, and chats for engines that only know messages: no SDK can tell.

What the engine received is held against the other SDK's own types.
"""

import json
from datetime import date

import anthropic
import openai
import pytest
from anthropic.types import Message as Said
from anthropic.types import MessageParam, RawMessageStreamEvent
from anthropic.types.tool_param import ToolParam
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion_message_param import ChatCompletionMessageParam
from openai.types.chat.chat_completion_tool_param import ChatCompletionToolParam
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from pydantic import BaseModel, TypeAdapter

from emeritus.core.people import SOFTWARE
from emeritus.record import Act
from emeritus.registry import Lineage, NewModel, add_model
from emeritus.registry.model import Remote, Weights
from emeritus.voices.pool import Pool
from emeritus.voices.remote import AnthropicVoice, OpenAIVoice
from emeritus.web.gateway import Parts, chats, messages
from emeritus.web.gateway.asked import BadRequest, parse
from emeritus.web.gateway.completions import COMPLETIONS
from emeritus.web.gateway.counting import COUNT, INPUT_TOKENS, TOKENIZE
from emeritus.web.gateway.meter import Events
from emeritus.web.gateway.responses import CHAT, RESPONSES
from emeritus.web.gateway.ways import MESSAGES

ASK = [{"role": "user", "content": "Rain in Oslo?"}]
WEATHER = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
TOOL = {"name": "weather", "input_schema": WEATHER}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Oslo"}'}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"place": "Oslo"}}
PIXEL = "iVBORw0KGgo="
STREAM = {"content-type": "text/event-stream"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
EVENT = TypeAdapter(RawMessageStreamEvent)
CHAT_TURN, CHAT_TOOL = TypeAdapter(ChatCompletionMessageParam), TypeAdapter(ChatCompletionToolParam)
TURN_OF = {CHAT: CHAT_TURN, TOKENIZE: CHAT_TURN, MESSAGES: TypeAdapter(MessageParam)}
TOOL_OF = {CHAT: CHAT_TOOL, TOKENIZE: CHAT_TOOL, MESSAGES: TypeAdapter(ToolParam)}


def serve(house, engine, server_of, kind, **more):
    pool = Pool(lambda model: kind(engine.url, "its-name", known_as=model, **more), clock=house.clock)
    parts = Parts(work=house.work, pool=pool, clock=house.clock, site_url="https://lab.example")
    return server_of(parts, pool)


@pytest.fixture
def to_chats(house, engine, server_of):
    """A server before a remote that has OpenAI's API alone."""
    with serve(house, engine, server_of, OpenAIVoice) as server:
        yield server


@pytest.fixture
def to_messages(house, engine, server_of):
    """A server before a remote that has Anthropic's API alone."""
    with serve(house, engine, server_of, AnthropicVoice) as server:
        yield server


def received(engine, path):
    """What the engine was asked last, held against the SDK's own types."""
    last = engine.requests[-1]
    asked = json.loads(last.body)
    assert last.path == path
    assert asked["model"] == "its-name"
    for turn in asked["messages"]:
        TURN_OF[path].validate_python(turn)
    for tool in asked.get("tools", ()):
        TOOL_OF[path].validate_python(tool)
    return asked


def chunks(*deltas, finish, usage=USAGE, **more):
    head = {"id": "c", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    told = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    told.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish, **more}]})
    told.append({**head, "choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in told) + b"data: [DONE]\n\n"


def message(*content, reason="end_turn", **usage):
    counted = {"input_tokens": 4, "output_tokens": 6, **usage}
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    return {**head, "content": list(content), "stop_reason": reason, "usage": counted}


def events(*told):
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in told)


def test_messages_as_chats(to_chats, house, engine):
    """A plain call, whole and streamed: the words and counts of the engine in every piece that the SDK reads."""
    client = to_chats.anthropic(house.member()).messages
    asked = {
        "model": "opus",
        "messages": ASK,
        "max_tokens": 50,
        "system": "Be kind.",
        "stop_sequences": ["X"],
    }
    whole = client.create(**asked, metadata={"user_id": "u"}, extra_body={"temperature": 0.5})
    Said.model_validate(json.loads(whole.model_dump_json()))
    assert (whole.stop_reason, whole.role, whole.id[:4]) == ("end_turn", "assistant", "msg_")
    sent = received(engine, CHAT)
    assert sent["messages"] == [{"role": "system", "content": "Be kind."}, *ASK]
    assert (sent["max_tokens"], sent["stop"], sent["temperature"], sent["user"]) == (50, ["X"], 0.5, "u")
    with client.stream(**asked) as stream:
        final = stream.get_final_message()
    assert received(engine, CHAT)["stream_options"] == {"include_usage": True}
    assert final.content[0].text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.input_tokens == whole.usage.input_tokens > 0
    cut = client.create(**{**asked, "max_tokens": 3})
    assert cut.stop_reason == "max_tokens"
    totals = house.usage.totals()
    assert totals.tokens_in == 3 * whole.usage.input_tokens
    assert totals.tokens_out == 2 * whole.usage.output_tokens + 3


def test_messages_with_tools_as_chats(to_chats, house, engine):
    """Thoughts, words and two tools in one stream; then their results: every event is as the SDK declares it."""
    key = house.member()
    client = to_chats.anthropic(key).messages
    asked = {"model": "opus", "messages": ASK, "max_tokens": 50, "tools": [TOOL]}
    begin = {**CALL, "index": 0, "function": {"name": "weather", "arguments": ""}}
    engine.reply_next(
        chunks(
            {"role": "assistant", "content": ""},
            {"reasoning_content": "Where?"},
            {"content": "Let me "},
            {"content": "look."},
            {"tool_calls": [begin]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"place":'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
            {"tool_calls": [{**CALL, "index": 1, "id": "call_2"}]},
            finish="tool_calls",
        ),
        headers=STREAM,
    )
    choice = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    answer = to_chats.http(MESSAGES, {**asked, "stream": True, "tool_choice": choice}, x_api_key=key)
    told = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    for each in told:
        EVENT.validate_python(each)
    sent = received(engine, CHAT)
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert sent["parallel_tool_calls"] is False

    engine.reply_next(answer.body, headers=STREAM)  # the same events through the SDK's own reader
    with anthropic.Anthropic(base_url=engine.url, api_key="x").messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert (final.content[0].thinking, final.content[1].text) == ("Where?", "Let me look.")
    assert [block.input for block in final.content[2:]] == [{"place": "Oslo"}] * 2
    assert (final.stop_reason, final.usage.input_tokens, final.usage.cache_read_input_tokens) == (
        "tool_use",
        4,
        5,
    )
    assert (house.usage.totals().tokens_in, house.usage.totals().tokens_out) == (9, 4)

    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "No."}]}
    other = {"type": "tool_result", "tool_use_id": "call_2", "content": "Yes.", "is_error": True}
    turns = [
        *ASK,
        {"role": "assistant", "content": [block.to_dict() for block in final.content]},
        {"role": "user", "content": [result, other, picture, {"type": "text", "text": "And this?"}]},
    ]
    client.create(**{**asked, "messages": turns})
    said = received(engine, CHAT)["messages"]
    assert said[1]["content"] == "Let me look."
    assert [call["id"] for call in said[1]["tool_calls"]] == ["call_1", "call_2"]
    assert json.loads(said[1]["tool_calls"][0]["function"]["arguments"]) == {"place": "Oslo"}
    assert said[2:4] == [
        {"role": "tool", "tool_call_id": "call_1", "content": "No."},
        {"role": "tool", "tool_call_id": "call_2", "content": "Yes."},
    ]
    assert said[4]["content"][0]["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"


@pytest.mark.parametrize(
    ("finish", "more", "reason"),
    [
        ("stop", {}, ("end_turn", None)),
        ("stop", {"stop_reason": "END"}, ("stop_sequence", "END")),
        ("length", {}, ("max_tokens", None)),
        ("content_filter", {}, ("refusal", None)),
    ],
)
def test_why_a_message_ended(to_chats, house, engine, finish, more, reason):
    """The chat's reasons are told in the messages' words, whole and streamed alike."""
    client = to_chats.anthropic(house.member()).messages
    asked = {"model": "opus", "messages": ASK, "max_tokens": 50}
    choice = {"index": 0, "message": {"content": "Words."}, "finish_reason": finish, **more}
    engine.reply_next(json.dumps({"model": "m", "choices": [choice], "usage": USAGE}).encode())
    engine.reply_next(chunks({"content": "Words."}, finish=finish, **more), headers=STREAM)
    whole = client.create(**asked)
    with client.stream(**asked) as stream:
        final = stream.get_final_message()
    assert (whole.stop_reason, whole.stop_sequence) == (final.stop_reason, final.stop_sequence) == reason
    assert whole.usage.to_dict() == {**final.usage.to_dict()}


def test_schemas_travel_both_ways(to_chats, to_messages, house, engine):
    """A schema is asked for in the place where the other API has it, and the answer fits it."""

    class Answer(BaseModel):
        place: str

    key = house.member()
    parsed = to_chats.anthropic(key).messages.parse(
        model="opus", messages=ASK, max_tokens=9, output_format=Answer
    )
    assert isinstance(parsed.parsed_output, Answer)
    assert received(engine, CHAT)["response_format"]["json_schema"]["schema"]["required"] == ["place"]
    said = to_messages.openai(key).chat.completions.parse(model="opus", messages=ASK, response_format=Answer)
    assert isinstance(said.choices[0].message.parsed, Answer)
    assert received(engine, MESSAGES)["output_config"]["format"]["schema"]["required"] == ["place"]


def test_chats_as_messages(to_messages, house, engine):
    """A plain chat, whole and streamed; the usage of a stream is shown to those who ask, and counted always."""
    chat = to_messages.openai(house.member()).chat.completions
    turns = [{"role": "developer", "content": "Be kind."}, *ASK]
    asked = {"model": "opus", "messages": turns, "temperature": 0.5, "stop": "X", "user": "u"}
    whole = chat.create(**asked, max_completion_tokens=50)
    ChatCompletion.model_validate(json.loads(whole.model_dump_json()))
    sent = received(engine, MESSAGES)
    assert (sent["system"], sent["max_tokens"], sent["stop_sequences"]) == ("Be kind.", 50, ["X"])
    assert (sent["temperature"], sent["metadata"]) == (0.5, {"user_id": "u"})
    pieces = list(chat.create(**asked, stream=True))
    assert received(engine, MESSAGES)["max_tokens"] == chats.asking.MAX_TOKENS
    for piece in pieces:
        ChatCompletionChunk.model_validate(json.loads(piece.model_dump_json()))
    assert "".join(p.choices[0].delta.content or "" for p in pieces) == whole.choices[0].message.content
    assert (pieces[-1].choices[0].finish_reason, pieces[-1].usage) == ("stop", None)
    shown = list(chat.create(**asked, stream=True, stream_options={"include_usage": True}))[-1]
    assert shown.usage.total_tokens == whole.usage.total_tokens
    assert house.usage.totals().tokens == 3 * whole.usage.total_tokens
    cut = chat.create(model="opus", messages=ASK, max_tokens=3)
    assert cut.choices[0].finish_reason == "length"


def test_chats_with_tools_as_messages(to_messages, house, engine):
    """Tools are offered, called whole and in pieces, and answered: results go back in one turn, as they have to."""
    chat = to_messages.openai(house.member()).chat.completions
    asked = {"model": "opus", "messages": ASK, "tools": [FUNCTION], "tool_choice": "required"}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    whole = message(thought, USE, reason="tool_use", cache_read_input_tokens=3)
    engine.reply_next(json.dumps(whole).encode())
    said = chat.create(**asked, parallel_tool_calls=False)
    (call,) = said.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"place": "Oslo"}
    assert (said.choices[0].finish_reason, said.choices[0].message.reasoning_content) == ("tool_calls", "Hm.")
    assert (said.usage.prompt_tokens, said.usage.prompt_tokens_details.cached_tokens) == (7, 3)
    sent = received(engine, MESSAGES)
    assert sent["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}

    pieces = [{"type": "input_json_delta", "partial_json": text} for text in ("", '{"place":', '"Oslo"}')]
    engine.reply_next(
        events(
            {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
            {"type": "ping"},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Look."}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {**USE, "input": {}}},
            *({"type": "content_block_delta", "index": 1, "delta": piece} for piece in pieces),
            {"type": "content_block_stop", "index": 1},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 6}},
            {"type": "message_stop"},
        ),
        headers=STREAM,
    )
    with chat.stream(**asked) as stream:
        final = stream.get_final_completion().choices[0]
    assert (final.message.content, final.finish_reason) == ("Look.", "tool_calls")
    assert final.message.tool_calls[0].function.arguments == '{"place":"Oslo"}'
    assert house.usage.totals().tokens == 2 * 13

    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    turns = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "No."},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "Yes."}]},
        {"role": "user", "content": [image, {"type": "text", "text": "And this?"}]},
    ]
    chat.create(model="opus", messages=turns, tools=[FUNCTION])
    sent = received(engine, MESSAGES)["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]
    assert [block["type"] for block in sent[2]["content"]] == ["tool_result", "tool_result", "image", "text"]
    assert sent[2]["content"][2]["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}


def test_responses_as_messages(to_messages, house, engine):
    """A response of an engine that only has messages is told twice over, and still valid to the letter."""
    client = to_messages.openai(house.member()).responses
    whole = client.create(model="opus", input="Hello", instructions="Be kind.")
    assert received(engine, MESSAGES)["system"] == "Be kind."
    with client.stream(model="opus", input="Hello", instructions="Be kind.") as stream:
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert final.usage.to_dict() == whole.usage.to_dict()
    assert house.usage.totals().tokens == 2 * whole.usage.total_tokens


@pytest.mark.parametrize("kind", [OpenAIVoice, AnthropicVoice])
def test_completions_as_chats_and_messages(house, engine, server_of, kind):
    """A text completion of a remote that has none is asked as one turn, and the answer says that it was."""
    with serve(house, engine, server_of, kind) as server:
        client = server.openai(house.member()).completions
        if kind is OpenAIVoice:
            engine.reply_next(b'{"error":{"message":"no such path"}}', 404)
        raw = client.with_raw_response.create(model="opus", prompt=["Once"], max_tokens=50, stop="X")
        whole = raw.parse()
        path = CHAT if kind is OpenAIVoice else MESSAGES
        assert raw.headers["emeritus-told-as"] == path
        Completion.model_validate(json.loads(whole.model_dump_json()))
        sent = received(engine, path)
        (turn,) = sent["messages"]
        assert turn["content"] in ("Once", [{"type": "text", "text": "Once"}])
        assert (sent["max_tokens"], sent.get("stop", sent.get("stop_sequences"))[0]) == (50, "X")
        pieces = list(client.create(model="opus", prompt="Once", max_tokens=50, stop="X", stream=True))
        for piece in pieces:
            assert piece.object == "text_completion"
            assert piece.choices
        assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
        assert pieces[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
        asked = {"model": "opus", "prompt": "Once", "stream": True}
        shown = list(client.create(**asked, stream_options={"include_usage": True}))
        assert (received(engine, path)["max_tokens"], shown[-1].usage.completion_tokens) == (16, 16)
        assert shown[-2].choices[0].finish_reason == "length"
        assert house.usage.totals().tokens == 2 * whole.usage.total_tokens + shown[-1].usage.total_tokens


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"logprobs": 0}, "logprobs"),
        ({"n": 2}, "more than one answer"),
        ({"best_of": 2}, "more than one answer"),
        ({"prompt": ["a", "b"]}, "more than one prompt"),
        ({"prompt": [[1, 2]]}, "no text"),
        ({"prompt": None}, "no text"),
        ({"presence_penalty": 1}, "presence_penalty"),
    ],
)
def test_what_no_turn_is_asked_for(to_messages, house, engine, more, what):
    """What a completion has and a turn has not is refused in words, before an engine is asked."""
    client = to_messages.openai(house.member()).completions
    with pytest.raises(openai.BadRequestError, match=what):
        client.create(**{"model": "opus", "prompt": "Once", **more})
    assert engine.requests == []


def test_a_completion_that_breaks_off(to_chats, house, engine):
    """A stream that ends in the middle, or says that it was refused, never looks whole."""
    client = to_chats.openai(house.member()).completions
    engine.reply_next(b"{}", 404)
    engine.reply_next(HALF_CHAT, headers=STREAM)
    with pytest.raises(openai.APIError, match="in the middle"):
        list(client.create(model="opus", prompt="Once", stream=True))
    engine.reply_next(b"{}", 404)
    engine.reply_next(chunks({"refusal": "I will not."}, finish="stop"), headers=STREAM)
    pieces = list(client.create(model="opus", prompt="Once", stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == "I will not."
    assert pieces[-1].choices[0].finish_reason == "content_filter"


TURNS = [
    *ASK,
    {"role": "assistant", "content": [{"type": "text", "text": "Let me look."}, USE]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "No."}]},
    {
        "role": "user",
        "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            {"type": "text", "text": "And this?"},
        ],
    },
]
COUNTED = {"model": "opus", "messages": TURNS, "system": "Be kind.", "tools": [TOOL]}


def test_tokens_are_counted_as_vllm_counts(to_chats, house, engine):
    """Where the remote has no such call but /tokenize, the whole chat is counted there; then it is asked at once."""
    client = to_chats.anthropic(house.member()).messages
    engine.reply_next(b"{}", 404)
    for _ in range(2):
        engine.reply_next(b'{"count": 41, "max_model_len": 4096, "tokens": [1, 2]}')
        assert client.count_tokens(**COUNTED).input_tokens == 41
    assert [each.path for each in engine.requests] == [COUNT, TOKENIZE, TOKENIZE]
    sent = received(engine, TOKENIZE)
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert sent["add_generation_prompt"] is True
    assert house.usage.totals().tokens == 0


def test_tokens_are_counted_as_openai_counts(to_chats, house, engine):
    """Where the remote is OpenAI's own service, the response that would be asked for is counted."""
    client = to_chats.anthropic(house.member()).messages
    engine.reply_next(b"{}", 404)
    engine.reply_next(b"{}", 404)
    engine.reply_next(b'{"object": "response.input_tokens", "input_tokens": 17}')
    choice = {"type": "tool", "name": "weather"}
    assert client.count_tokens(**COUNTED, tool_choice=choice).input_tokens == 17
    last = engine.requests[-1]
    assert last.path == INPUT_TOKENS
    sent = json.loads(last.body)
    TypeAdapter(InputTokenCountParams).validate_python(sent)
    for item in sent["input"]:
        TypeAdapter(ResponseInputItemParam).validate_python(item)
    assert [item.get("type", item.get("role")) for item in sent["input"]] == [
        *("system", "user", "assistant", "function_call", "function_call_output", "user"),
    ]
    assert sent["tool_choice"] == {"type": "function", "name": "weather"}


@pytest.mark.parametrize("said", [b"{}", b'{"tokens": []}', b"[]", b'{"count": -1}'])
def test_a_service_that_counts_nothing_says_so(to_chats, house, engine, said):
    """No number is made up: a clear error in Anthropic's shape, which its SDK does not try again."""
    client = to_chats.anthropic(house.member()).messages
    engine.reply_next(b"{}", 404)
    engine.reply_next(said)
    with pytest.raises(anthropic.BadRequestError, match="does not say how many tokens") as caught:
        client.count_tokens(model="opus", messages=ASK)
    assert caught.value.body["error"]["code"] == "voice.not_understood"


def test_a_service_without_any_way_to_count(to_chats, to_messages, house, engine):
    """The same of a service that knows none of the calls, whichever API it has."""
    for server in (to_chats, to_messages):
        for _ in range(3):
            engine.reply_next(b'{"detail": "Not Found"}', 404)
        with pytest.raises(anthropic.BadRequestError, match="does not say how many tokens"):
            server.anthropic(house.member()).messages.count_tokens(model="opus", messages=ASK)
        engine._instead.clear()


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_under_either_name(to_chats, house, engine, name):
    """Engines name what a model thought in one of two ways; both are told, whole and streamed, in either API."""
    key = house.member()
    said = {"choices": [{"message": {name: "Hm.", "content": "Yes."}, "finish_reason": "stop"}]}
    told = chunks({name: "Hm."}, {"content": "Yes."}, finish="stop")
    client = to_chats.anthropic(key).messages
    engine.reply_next(json.dumps(said).encode())
    engine.reply_next(told, headers=STREAM)
    whole = client.create(model="opus", messages=ASK, max_tokens=9)
    with client.stream(model="opus", messages=ASK, max_tokens=9) as stream:
        final = stream.get_final_message()
    for message_ in (whole, final):
        assert (message_.content[0].thinking, message_.content[1].text) == ("Hm.", "Yes.")
    client = to_chats.openai(key).responses
    engine.reply_next(b"{}", 404)
    engine.reply_next(json.dumps(said).encode())
    engine.reply_next(told, headers=STREAM)
    answered = client.create(model="opus", input="Hello")
    with client.stream(model="opus", input="Hello") as stream:
        for response in (answered, stream.get_final_response()):
            assert response.output[0].content[0].text == "Hm."


def test_two_calls_of_tools_with_one_number(to_chats, house, engine):
    """Services that number every call 0 are understood: an id that is new begins another call."""
    begin = [{**CALL, "index": 0, "id": name} for name in ("call_1", "call_2")]
    told = chunks(*({"tool_calls": [call]} for call in begin), finish="tool_calls")
    key = house.member()
    engine.reply_next(told, headers=STREAM)
    with to_chats.anthropic(key).messages.stream(model="opus", messages=ASK, max_tokens=9) as stream:
        uses = stream.get_final_message().content
    assert [(use.id, use.input) for use in uses] == [(n, {"place": "Oslo"}) for n in ("call_1", "call_2")]
    engine.reply_next(b"{}", 404)
    engine.reply_next(told, headers=STREAM)
    with to_chats.openai(key).responses.stream(model="opus", input="Hello") as stream:
        calls = stream.get_final_response().output
    assert [(call.call_id, call.arguments) for call in calls] == [
        (name, CALL["function"]["arguments"]) for name in ("call_1", "call_2")
    ]


HALF_CHAT = chunks({"content": "Half"}, finish=None).partition(b"data: [DONE]")[0]
HALF_MESSAGE = events({"type": "message_start", "message": message()})
FAILED = {"type": "error", "error": {"type": "overloaded_error", "message": "too much\nto do"}}


@pytest.mark.parametrize(
    ("last", "what"),
    [(b"", "in the middle"), (events(FAILED), "too much to do"), (b"data: {\n\n", "no event")],
)
def test_streams_that_do_not_end_well(to_chats, to_messages, house, engine, last, what):
    """An engine that stops in the middle, says that it failed, or talks nonsense: the SDK's own error, either way."""
    key = house.member()
    engine.reply_next(HALF_CHAT + last, headers=STREAM)
    with pytest.raises(anthropic.APIError, match=what):
        streamed(to_chats.anthropic(key).messages, messages=ASK, max_tokens=9)
    engine.reply_next(HALF_MESSAGE + last, headers=STREAM)
    with pytest.raises(openai.APIError, match=what):
        streamed(to_messages.openai(key).chat.completions, messages=ASK)
    engine.reply_next(b"{}", 404)
    engine.reply_next(HALF_CHAT + last, headers=STREAM)
    with pytest.raises(openai.APIError, match=what):
        streamed(to_chats.openai(key).responses, input="Hello")
    assert house.usage.totals().requests == 3


def streamed(api, **asked):
    return list(api.create(model="opus", stream=True, **asked))


def test_a_whole_answer_that_is_none(to_chats, to_messages, house, engine):
    """What is no answer of the other API, or calls a tool with what is no object, is an error and no traceback."""
    key = house.member()
    odd = {**CALL, "function": {"name": "weather", "arguments": "[1]"}}
    choice = {"message": {"tool_calls": [odd]}, "finish_reason": "tool_calls"}
    for body in ({}, {"choices": [choice]}):
        engine.reply_next(json.dumps(body).encode())
        with pytest.raises(anthropic.InternalServerError, match="no answer of a chat"):
            to_chats.anthropic(key).messages.create(model="opus", messages=ASK, max_tokens=9)
    engine.reply_next(b"[]")
    with pytest.raises(openai.InternalServerError, match="no message"):
        to_messages.openai(key).chat.completions.create(model="opus", messages=ASK)


def test_an_engine_without_the_path(server, house, engine):
    """An engine that says it has messages and answers 404 there is told a chat, and from then on at once."""
    client = server.anthropic(house.member()).messages
    engine.reply_next(b'{"error":{"message":"no such path"}}', 404)
    for _ in range(2):
        assert client.create(model="opus", messages=ASK, max_tokens=50).content[0].text
    assert [each.path for each in engine.requests] == [MESSAGES, CHAT, CHAT]


def test_what_a_remote_lacked_its_successor_is_asked_for(server, house, engine):
    """A model that leaves its remote speaks from its own weights, and what the remote had not is tried there anew."""
    new = NewModel(
        "both", "Both", Lineage("f"), "MIT", date(2024, 3, 1),
        remote=Remote("openai", "both"), weights=Weights("gguf", ("m.gguf",), 1, {}),
    )  # fmt: skip
    add_model(house.log, new, house.ada)
    house.tier("both", "members")
    client = server.openai(house.member()).completions
    engine.reply_next(b"{}", 404)
    for _ in range(2):
        client.create(model="both", prompt="Once")
    house.retiring("both", "haiku")
    house.log.append(Act("weights.proven", {}, SOFTWARE, "both", "both", "weights.proven:both"))
    house.retired("both")
    client.create(model="both", prompt="Once")
    assert [each.path for each in engine.requests] == [COMPLETIONS, CHAT, CHAT, COMPLETIONS]


def test_the_limit_has_the_remotes_own_name(house, engine, server_of):
    """Where the remote wants another name for the bound, a call that is told as a chat is sent with that."""
    with serve(house, engine, server_of, OpenAIVoice, limit_field="max_completion_tokens") as server:
        server.anthropic(house.member()).messages.create(model="opus", messages=ASK, max_tokens=7)
    sent = received(engine, CHAT)
    assert (sent.get("max_tokens"), sent["max_completion_tokens"]) == (None, 7)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
        ({"container": "c"}, "container"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "url"}}]}]},
            "document",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "server_tool_use"}]}]}, "server_tool_use"),
        ({"messages": 7}, "messages API"),
        ({"tool_choice": {"type": "odd"}, "tools": [TOOL]}, "messages API"),
    ],
)
def test_what_a_chat_does_not_have(to_chats, house, engine, more, what):
    """What cannot be told as a chat is refused in words, before an engine is asked."""
    key = house.member()
    answer = to_chats.http(
        MESSAGES, {"model": "opus", "messages": ASK, "max_tokens": 9, **more}, x_api_key=key
    )
    assert (answer.status, what in answer.json["error"]["message"]) == (400, True)
    assert engine.requests == []


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"n": 2}, "more than one"),
        ({"logprobs": True}, "logprobs"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"messages": [*ASK, {"role": "system", "content": "Now."}]}, "after the first turn"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input_audio"),
        ({"tools": [{"type": "custom"}]}, "custom"),
        ({"messages": [{"role": "function", "content": "x"}]}, "function"),
        ({"tool_choice": "odd", "tools": [FUNCTION]}, "chat API"),
    ],
)
def test_what_a_message_does_not_have(to_messages, house, engine, more, what):
    """What cannot be told as a message is refused in words, before an engine is asked."""
    key = house.member()
    answer = to_messages.http(CHAT, {"model": "opus", "messages": ASK, **more}, x_api_key=key)
    assert (answer.status, what in answer.json["error"]["message"]) == (400, True)
    assert engine.requests == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "name", "source", "url", "tool_calls"]),
            inner | st.sampled_from(["user", "assistant", "text", "image", "tool_result", "function"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)
NAMES = ("messages", "tools", "tool_choice", "system", "output_config", "response_format", "metadata", "stop")


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_whatever_is_asked_is_told_or_refused(asked):
    """No call, however odd, is a traceback, in either direction."""
    for path, ask in ((MESSAGES, messages.as_chat), (CHAT, chats.as_message)):
        try:
            body = json.dumps({"model": "opus", **asked}).encode()
            sent = json.loads(ask(parse(path, body).fields, "opus"))
        except BadRequest:
            continue
        assert isinstance(sent["messages"], list)


TEXTS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4)


@given(TEXTS, st.lists(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), max_size=2))
def test_there_and_back_again(words, inputs):
    """A stream of a chat told as a message and back as a chat says what it said: words, tools, reason and counts."""
    calls = [
        {**CALL, "index": at, "id": f"call_{at}", "function": {"name": "f", "arguments": json.dumps(each)}}
        for at, each in enumerate(inputs)
    ]
    finish = "tool_calls" if calls else "length"
    given_ = chunks(*({"content": w} for w in words), *({"tool_calls": [c]} for c in calls), finish=finish)
    told = messages.Telling({}, "msg_1")
    back = chats.Telling({}, "chatcmpl-1")
    out = [again for event in Events().feed(given_) for each in told.feed(event) for again in back.feed(each)]
    out += [again for each in told.end() for again in back.feed(each)] + back.end()
    read = [json.loads(event[6:]) for event in out if event.strip() != b"data: [DONE]"]
    deltas = [choice["delta"] for chunk in read for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "".join(words)
    pieces = [call for delta in deltas for call in delta.get("tool_calls", ())]
    for at, each in enumerate(inputs):
        assert (
            json.loads("".join(p["function"].get("arguments", "") for p in pieces if p["index"] == at))
            == each
        )
    assert read[-2]["choices"][0]["finish_reason"] == finish
    assert read[-1]["usage"]["prompt_tokens"] == USAGE["prompt_tokens"]
    assert read[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 5


def test_responses_keep_to_their_path():
    """The paths that are told in another API are those of the two SDKs."""
    assert (RESPONSES, CHAT, MESSAGES) == ("/v1/responses", "/v1/chat/completions", "/v1/messages")

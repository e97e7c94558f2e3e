"""Tools and schemas travel to the engine as each API has them, and what it answers is read by each SDK."""

import json

import pytest

WEATHER = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
ASK = [{"role": "user", "content": "Rain in Oslo?"}]


@pytest.fixture
def key(house):
    return house.member()


def events(*values, named=False) -> bytes:
    lines = [
        (f"event: {value['type']}\n" if named else "") + f"data: {json.dumps(value)}\n\n" for value in values
    ]
    return "".join(lines).encode() + (b"" if named else b"data: [DONE]\n\n")


STREAM = {"content-type": "text/event-stream"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Oslo"}'}}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def test_openai_tools(server, house, engine, key):
    """A tool is offered, called, answered, whole and in pieces, through the SDK's own helpers."""
    chat = server.openai(key).chat.completions
    asked = {"model": "opus", "messages": ASK, "tools": [OPENAI_TOOL], "tool_choice": "required"}
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE}
    whole["choices"] = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    engine.reply_next(json.dumps(whole).encode())
    said = chat.create(**asked).choices[0].message
    assert said.tool_calls[0].function.name == "weather"
    sent = json.loads(engine.requests[-1].body)
    assert (sent["tools"], sent["tool_choice"]) == ([OPENAI_TOOL], "required")

    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    begin = {**CALL, "index": 0, "function": {"name": "weather", "arguments": ""}}
    deltas = [
        {"role": "assistant", "tool_calls": [begin]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"place":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
    ]
    chunks = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    chunks.append({**head, "choices": [], "usage": USAGE})
    engine.reply_next(events(*chunks), headers=STREAM)
    with chat.stream(**asked) as stream:
        final = stream.get_final_completion().choices[0].message
    assert final.tool_calls[0].function.arguments == '{"place":"Oslo"}'
    assert house.usage.totals().tokens == 2 * USAGE["total_tokens"]

    answered = [*ASK, said.to_dict(), {"role": "tool", "tool_call_id": "call_1", "content": "No."}]
    assert chat.create(model="opus", messages=answered, tools=[OPENAI_TOOL]).choices[0].message.content
    assert json.loads(engine.requests[-1].body)["messages"][-1] == answered[-1]


def test_anthropic_tools(server, house, engine, key):
    """The same over the other API: blocks of tool_use whole and in pieces, and the result that goes back."""
    messages = server.anthropic(key).messages
    tool = {"name": "weather", "input_schema": WEATHER}
    asked = {
        "model": "opus",
        "messages": ASK,
        "max_tokens": 50,
        "tools": [tool],
        "tool_choice": {"type": "any"},
    }
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"place": "Oslo"}}
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    usage = {"input_tokens": 9, "output_tokens": 4}
    whole = {**head, "content": [use], "stop_reason": "tool_use", "usage": usage}
    engine.reply_next(json.dumps(whole).encode())
    said = messages.create(**asked)
    assert said.content[0].input == {"place": "Oslo"}
    sent = json.loads(engine.requests[-1].body)
    assert (sent["tools"], sent["tool_choice"]) == ([tool], {"type": "any"})

    begin = {**head, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 0}}
    pieces = [{"type": "input_json_delta", "partial_json": text} for text in ('{"place":', '"Oslo"}')]
    engine.reply_next(
        events(
            {"type": "message_start", "message": begin},
            {"type": "ping"},
            {"type": "content_block_start", "index": 0, "content_block": {**use, "input": {}}},
            *({"type": "content_block_delta", "index": 0, "delta": piece} for piece in pieces),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
            {"type": "message_stop"},
            named=True,
        ),
        headers=STREAM,
    )
    with messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert (final.content[0].input, final.stop_reason) == ({"place": "Oslo"}, "tool_use")
    assert house.usage.totals().tokens == 2 * 13

    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "No."}
    turns = [*ASK, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    assert messages.create(**{**asked, "messages": turns}).content
    assert json.loads(engine.requests[-1].body)["messages"] == turns


def test_schemas_travel(server, engine, key):
    """A schema goes to the engine as it was written, in each API's own place for it."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    format_ = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}
    said = server.openai(key).chat.completions.create(model="opus", messages=ASK, response_format=format_)
    assert json.loads(said.choices[0].message.content) == {"n": 0}
    assert json.loads(engine.requests[-1].body)["response_format"] == format_
    config = {"format": {"type": "json_schema", "schema": schema}}
    said = server.anthropic(key).messages.create(
        model="opus", messages=ASK, max_tokens=9, output_config=config
    )
    assert json.loads(said.content[0].text) == {"n": 0}
    assert json.loads(engine.requests[-1].body)["output_config"] == config


def test_one_address_through_a_whole_retirement(server, house, engine, key):
    """A model that a remote serves keeps its address and its callers: only what is said of it changes."""
    house.model("sonnet")
    chat = server.openai(key).chat.completions.with_raw_response
    seen = []

    def ask():
        answer = chat.create(model="sonnet", messages=ASK)
        assert answer.parse().choices[0].message.content
        told = {
            name: answer.headers.get(name) for name in ("emeritus-state", "deprecation", "sunset", "link")
        }
        seen.append(
            (told["emeritus-state"], *(told[n] is not None for n in ("deprecation", "sunset", "link")))
        )

    ask()
    house.retiring("sonnet", replacement="haiku")
    ask()
    house.retired("sonnet")
    house.tier("sonnet", "members")
    ask()
    assert seen == [
        ("active", False, False, False),
        ("deprecated", True, True, True),
        ("retired", True, False, True),
    ]

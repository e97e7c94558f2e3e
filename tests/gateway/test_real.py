"""The real model behind the gateway: the engine starts at the first call and stops when it is idle."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import openai
import pytest
from pydantic import BaseModel

from emeritus.voices import Limits, Pool
from emeritus.voices.llama import LlamaVoice
from emeritus.voices.llama_process import LlamaSettings
from emeritus.web.gateway import Parts

ASK = [{"role": "user", "content": "Say hello in one short sentence."}]


@pytest.fixture
def pool(smollm2, house):
    def load(model: str) -> LlamaVoice:
        return LlamaVoice(model, smollm2, settings=LlamaSettings(context=1024))

    with Pool(load, Limits(idle=3), clock=house.clock) as pool:
        yield pool


@pytest.fixture
def server(house, pool, server_of):
    parts = Parts(work=house.work, pool=pool, clock=house.clock, site_url="https://lab.example")
    with server_of(parts, pool) as server:
        yield server


@pytest.mark.model
def test_both_apis_on_the_real_engine(server, house, pool):
    """Both SDKs, whole and streamed, on a cold model: it loads at the first call, counts, and stops when idle."""
    key = house.member()
    assert pool.warmth("opus").state == "cold"
    chat = server.openai(key).chat.completions
    whole = chat.create(model="opus", messages=ASK, max_tokens=12, temperature=0)
    assert pool.warmth("opus").state == "warm"
    assert whole.model == "opus"
    assert whole.choices[0].message.content
    took = house.usage.totals()
    assert (took.tokens_in, took.tokens_out) == (whole.usage.prompt_tokens, whole.usage.completion_tokens)
    chunks = list(chat.create(model="opus", messages=ASK, max_tokens=12, temperature=0, stream=True))
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    )
    assert house.usage.totals().tokens == 2 * took.tokens

    text = server.openai(key).completions.create(model="opus", prompt="Once upon", max_tokens=5, stream=True)
    assert "".join(chunk.choices[0].text for chunk in text)
    answer = server.openai(key).responses.create(model="opus", input="Hello", max_output_tokens=5)
    assert answer.output_text

    messages = server.anthropic(key).messages
    before = house.usage.totals()
    message = messages.create(model="opus", messages=ASK, max_tokens=12)
    counted = messages.count_tokens(model="opus", messages=ASK)
    after = house.usage.totals()
    assert after.tokens_in - before.tokens_in == counted.input_tokens
    assert after.tokens_out - before.tokens_out == message.usage.output_tokens
    with messages.stream(model="opus", messages=ASK, max_tokens=12) as stream:
        assert stream.get_final_text()
    assert house.usage.totals().tokens_in - after.tokens_in == counted.input_tokens

    stream = chat.create(model="opus", messages=ASK, max_tokens=500, stream=True)
    next(stream)
    stream.close()
    for _ in range(200):
        if pool.warmth("opus").state == "cold":
            break
        time.sleep(0.1)
    assert pool.warmth("opus").state == "cold"


@pytest.mark.model
def test_a_killed_engine(server, house, pool):
    """Killed in mid-answer: one clear error. Killed between two calls: the next caller notices nothing."""
    chat = server.openai(house.member()).chat.completions
    stream = chat.create(model="opus", messages=ASK, max_tokens=400, stream=True)
    next(stream)
    with pool.lease("opus") as voice:
        os.kill(voice.pid, signal.SIGKILL)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.body["code"] == "voice.engine_died"
    first = chat.create(model="opus", messages=ASK, max_tokens=5, temperature=0)
    with pool.lease("opus") as voice:
        os.kill(voice.pid, signal.SIGKILL)
    again = chat.create(model="opus", messages=ASK, max_tokens=5, temperature=0)
    assert again.choices[0].message.content == first.choices[0].message.content


class Answer(BaseModel):
    """What is asked for by schema."""

    place: str
    sunny: bool


@pytest.mark.model
def test_schemas_on_the_real_engine(server, house):
    """A schema reaches the engine in each of OpenAI's forms, and what comes back fits it, whole and streamed."""
    key = house.member()
    chat = server.openai(key).chat.completions
    asked = {"model": "opus", "messages": ASK, "temperature": 0, "max_tokens": 60}
    assert isinstance(chat.parse(**asked, response_format=Answer).choices[0].message.parsed, Answer)
    with chat.stream(**asked, response_format=Answer) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Answer)
    said = server.openai(key).responses.parse(model="opus", input="Where?", text_format=Answer, temperature=0)
    assert isinstance(said.output_parsed, Answer)
    message = server.anthropic(key).messages.parse(
        model="opus", messages=ASK, max_tokens=60, output_format=Answer
    )
    assert isinstance(message.parsed_output, Answer)
    assert house.usage.totals().requests == 4


WEATHER = {
    "type": "object",
    "properties": {"place": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["place"],
    "additionalProperties": False,
}


TOLD = [("Rome", "Sunny."), ("Oslo", "Snow."), ("Rome", "Rain.")]


@pytest.mark.model
def test_tools_on_the_real_engine(smollm2, house, server_of):
    """A model that saw how calls with a tool go makes the next one, in each API, whole and streamed.

    Its own chat template has no place for tools: it is given one that has. The engine holds the call to its schema.
    """
    settings = LlamaSettings(context=1024, chat_template=Path(__file__).with_name("tools.jinja"))
    pool = Pool(lambda model: LlamaVoice(model, smollm2, settings=settings), clock=house.clock)
    parts = Parts(work=house.work, pool=pool, clock=house.clock, site_url="https://lab.example")
    about = {"name": "weather", "description": "The weather in a place."}
    with server_of(parts, pool) as server, pool.lease("opus") as voice:
        assert "chat template sha256:" in voice.engine.system
        key = house.member()
        turns = [turn for number, told in enumerate(TOLD) for turn in _chat_with_a_tool(number, *told)]
        asked = {"model": "opus", "max_tokens": 60, "temperature": 0}
        asked["messages"] = [*turns, {"role": "user", "content": "The weather in Oslo?"}]
        asked["tools"] = [{"type": "function", "function": {**about, "parameters": WEATHER}}]
        chat = server.openai(key).chat.completions
        said = chat.create(**asked).choices[0]
        assert said.finish_reason == "tool_calls"
        (call,) = said.message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"place": "Oslo"})
        with chat.stream(**asked) as stream:
            final = stream.get_final_completion().choices[0].message
        assert final.tool_calls[0].function.arguments == call.function.arguments

        turns = [turn for number, told in enumerate(TOLD) for turn in _message_with_a_tool(number, *told)]
        asked = {"model": "opus", "max_tokens": 60, "extra_body": {"temperature": 0}}
        asked["messages"] = [*turns, {"role": "user", "content": "The weather in Oslo?"}]
        asked["tools"] = [{**about, "input_schema": WEATHER}]
        messages = server.anthropic(key).messages
        message = messages.create(**asked)
        assert message.stop_reason == "tool_use"
        (use,) = message.content
        assert (use.name, use.input) == ("weather", {"place": "Oslo"})
        with messages.stream(**asked) as stream:
            assert stream.get_final_message().content[0].input == use.input


def _chat_with_a_tool(number, place, said):
    function = {"name": "weather", "arguments": json.dumps({"place": place})}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    return [
        {"role": "user", "content": f"The weather in {place}?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": said},
        {"role": "assistant", "content": said},
    ]


def _message_with_a_tool(number, place, said):
    use = {"type": "tool_use", "id": f"toolu_{number}", "name": "weather", "input": {"place": place}}
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": said}
    return [
        {"role": "user", "content": f"The weather in {place}?"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": said},
    ]


@pytest.mark.model
def test_many_at_once_on_the_real_engine(server, house, run):
    """The asynchronous SDKs stream from one engine at the same time, each its own answer, all counted."""
    key = house.member()

    async def all_at_once():
        async with server.async_openai(key) as one, server.async_anthropic(key) as other:

            async def chat():
                stream = await one.chat.completions.create(
                    model="opus",
                    messages=ASK,
                    max_tokens=12,
                    stream=True,
                    stream_options={"include_usage": True},
                )
                chunks = [chunk async for chunk in stream]
                return chunks[-1].usage.total_tokens

            async def message():
                async with other.messages.stream(model="opus", messages=ASK, max_tokens=12) as stream:
                    usage = (await stream.get_final_message()).usage
                counted = await other.messages.count_tokens(model="opus", messages=ASK)
                read = usage.input_tokens + (usage.cache_read_input_tokens or 0)
                assert counted.input_tokens == read
                return read + usage.output_tokens

            async def response():
                stream = await one.responses.create(
                    model="opus", input="Hello", max_output_tokens=12, stream=True
                )
                events = [event async for event in stream]
                return events[-1].response.usage.total_tokens

            return await asyncio.gather(chat(), message(), response(), chat(), message())

    told = run(all_at_once())
    assert house.usage.totals().tokens == sum(told)

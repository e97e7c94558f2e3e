"""The real model behind the gateway: the engine starts at the first call and stops when it is idle."""

import asyncio
import os
import signal
import time

import openai
import pytest
from pydantic import BaseModel

from emeritus.voices import Limits, Pool
from emeritus.voices.llama import LlamaSettings, LlamaVoice
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
    assert house.usage.totals().requests == 2


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

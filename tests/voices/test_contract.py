"""What every voice holds, whichever engine or service speaks: fakes, the real engine, the remotes."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emeritus.core.speech import Message, Sampling, Utterance
from emeritus.voices import (
    AnthropicVoice,
    LlamaSettings,
    LlamaVoice,
    NotUnderstood,
    OpenAIVoice,
    Voice,
)
from emeritus.voices.fakes import FakeEngine, FakeVoice

ASK = (Message("system", "You are brief."), Message("user", "Say something about harbours."))
SAMPLING = Sampling(seed=7, max_tokens=24)
SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["calm", "curious"]},
        "years": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["mood", "years"],
    "additionalProperties": False,
}
ALL = [
    "fake",
    "openai-at-fake",
    "anthropic-at-fake",
    *(
        pytest.param(kind, marks=pytest.mark.model)
        for kind in ("llama", "openai-at-llama", "anthropic-at-llama")
    ),
]


@pytest.fixture(scope="module")
def llama(smollm2: Path) -> Iterator[LlamaVoice]:
    voice = LlamaVoice("smollm2", smollm2, weights="sha256:00", settings=LlamaSettings(context=2048))
    yield voice
    voice.close()


@pytest.fixture(scope="module")
def fake_engine() -> Iterator[FakeEngine]:
    with FakeEngine(key="fake-key") as engine:
        yield engine


@pytest.fixture(params=ALL)
def voice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Voice]:
    kind, _, at = request.param.partition("-at-")
    if kind == "fake":
        yield FakeVoice("smollm2", weights="sha256:00")
        return
    if kind == "llama":
        yield request.getfixturevalue("llama")
        return
    if at == "fake":
        url, key = request.getfixturevalue("fake_engine").url, "fake-key"
    else:
        llama = request.getfixturevalue("llama")
        llama.start()
        url, key = llama._life.process.url, llama._life.process.key
    monkeypatch.setenv("REMOTE_KEY", key)
    remote = {"openai": OpenAIVoice, "anthropic": AnthropicVoice}[kind]
    made = remote(url, "smollm2", "REMOTE_KEY")
    yield made
    made.close()


def openai_voice(voice: Voice) -> bool:
    return "/v1/chat/completions" in voice.paths


def test_words_come_with_all_that_made_them(voice: Voice):
    """An utterance says who spoke, to what, how drawn, by which engine; and it survives being stored."""
    said = voice.speak(ASK, SAMPLING)
    assert said.text
    assert said.model == voice.model == "smollm2"
    assert (said.prompt, said.sampling, said.schema) == (ASK, SAMPLING, None)
    assert said.engine == voice.engine
    assert said.weights == voice.weights
    assert said.finish in ("stop", "length")
    assert said.tokens_in > 0
    assert 0 < said.tokens_out <= SAMPLING.max_tokens
    assert Utterance.from_canonical(said.canonical(), said.id) == said


def test_text_is_counted_in_the_engines_own_tokens(voice: Voice):
    """Where the engine is known here; what is counted is near what the engine says it was given."""
    counted = voice.tokens(ASK[1].content)
    if counted is None:
        assert not voice.weights, "whoever speaks from weights here knows its tokens"
        return
    assert 1 < len(counted) <= voice.speak(ASK[1:], Sampling(seed=1, max_tokens=1)).tokens_in
    assert voice.tokens("") == ()
    assert voice.tokens("a b c d")[:2] == voice.tokens("a b")


def test_the_token_limit_is_kept_and_told(voice: Voice):
    """An answer that was cut off by the limit says so."""
    said = voice.speak(ASK, Sampling(seed=1, max_tokens=3))
    assert said.finish == "length"
    assert said.tokens_out <= 3


def test_an_answer_fits_its_schema(voice: Voice, request: pytest.FixtureRequest):
    """With a schema the words are JSON that fits it, and the utterance keeps the schema."""
    if "anthropic-at-llama" in request.node.name:
        pytest.skip("llama.cpp's /v1/messages knows no output_config")
    said = voice.speak(ASK, Sampling(seed=3, max_tokens=200), schema=SCHEMA)
    answer = json.loads(said.text)
    assert set(answer) == {"mood", "years"}
    assert answer["mood"] in ("calm", "curious")
    assert answer["years"] in range(10)
    assert said.schema == SCHEMA


def test_a_schema_cannot_be_changed_afterwards(voice: Voice, request: pytest.FixtureRequest):
    """What the caller does to the schema later does not reach the utterance."""
    if "anthropic-at-llama" in request.node.name:
        pytest.skip("llama.cpp's /v1/messages knows no output_config")
    schema = json.loads(json.dumps(SCHEMA))
    said = voice.speak(ASK, Sampling(seed=3, max_tokens=200), schema=schema)
    schema["properties"].clear()
    assert said.schema == SCHEMA
    assert Utterance.from_canonical(said.canonical(), said.id).id == said.id


def test_several_threads_may_speak_at_once(voice: Voice):
    """Each caller gets the answer to its own question."""
    asks = [(Message("user", f"Count to {n}."),) for n in range(4)]
    with ThreadPoolExecutor(4) as callers:
        said = list(callers.map(lambda ask: voice.speak(ask, Sampling(seed=5, max_tokens=8)), asks))
    assert [utterance.prompt for utterance in said] == asks


def test_a_raw_answer_comes_through_whole(voice: Voice):
    """`request` relays status, content type and the very bytes of the engine."""
    path, body = raw_ask(voice, stream=False)
    status, kind, data = asyncio.run(relayed(voice, path, body))
    assert status == 200
    assert kind.startswith("application/json")
    answer = json.loads(data)
    text = answer["choices"][0]["message"]["content"] if openai_voice(voice) else answer["content"][0]["text"]
    assert text


def test_a_raw_stream_comes_through_whole(voice: Voice):
    """A stream arrives as server-sent events, to its proper end."""
    path, body = raw_ask(voice, stream=True)
    status, kind, data = asyncio.run(relayed(voice, path, body))
    assert status == 200
    assert kind.startswith("text/event-stream")
    if openai_voice(voice):
        assert data.rstrip().endswith(b"data: [DONE]")
    else:
        assert data.startswith(b"event: message_start")
        assert b"event: message_stop" in data


def test_only_paths_of_speech_are_relayed(voice: Voice):
    """Nobody reaches the engine's other doors through a voice."""
    for path in ("/slots", "/props", "/v1/../slots", "/v1/chat/completions?x=1", "", "http://example.org/"):
        with pytest.raises(NotUnderstood):
            asyncio.run(relayed(voice, path, b"{}"))


def raw_ask(voice: Voice, *, stream: bool) -> tuple[str, bytes]:
    ask = {
        "model": "smollm2",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 12,
        "stream": stream,
    }
    return ("/v1/chat/completions" if openai_voice(voice) else "/v1/messages"), json.dumps(ask).encode()


async def relayed(voice: Voice, path: str, body: bytes) -> tuple[int, str, bytes]:
    async with voice.request(path, body, {"Content-Type": "application/json"}) as answer:
        return (
            answer.status,
            answer.headers["content-type"],
            b"".join([chunk async for chunk in answer.chunks()]),
        )

"""Remotes: what is sent, what is never sent, and what a hostile remote cannot do."""

import asyncio
import gc
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.errors import InvalidInput
from emeritus.core.speech import Message, Sampling
from emeritus.voices import (
    AnthropicVoice,
    BadReply,
    KeyRefused,
    NotUnderstood,
    OpenAIVoice,
    Unreachable,
    VoiceClosed,
    VoiceError,
    VoiceTimeout,
    wire,
)
from emeritus.voices.address import checked_url
from emeritus.voices.fakes import FakeEngine

ASK = (Message("system", "Be kind."), Message("user", "Hello."))
SAMPLING = Sampling(seed=7, temperature=0.5, max_tokens=20)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


def test_what_openai_is_sent(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    """Messages, the remote's own model name, the key as bearer, and the sampling that it takes."""
    monkeypatch.setenv("A_KEY", "sk-1")
    voice = OpenAIVoice(engine.url + "/v1/", "org/Model:v1", "A_KEY", known_as="model-1")
    voice.speak(ASK, SAMPLING)
    (got,) = engine.requests
    assert got.path == "/v1/chat/completions"
    assert got.headers["authorization"] == "Bearer sk-1"
    assert json.loads(got.body) == {
        "model": "org/Model:v1",
        "stream": False,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello."}],
        "max_tokens": 20,
        "seed": 7,
        "temperature": 0.5,
        "top_p": 0.95,
    }


def test_what_anthropic_is_sent(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    """System words go where that API wants them; the schema as its output format."""
    monkeypatch.setenv("A_KEY", "sk-2")
    voice = AnthropicVoice(engine.url, "claude-x", "A_KEY")
    voice.speak(ASK, SAMPLING, schema={"type": "object"})
    (got,) = engine.requests
    assert got.path == "/v1/messages"
    assert got.headers["x-api-key"] == "sk-2"
    assert got.headers["anthropic-version"] == "2023-06-01"
    assert json.loads(got.body) == {
        "model": "claude-x",
        "stream": False,
        "system": "Be kind.",
        "messages": [{"role": "user", "content": "Hello."}],
        "max_tokens": 20,
        "temperature": 0.5,
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }


def test_what_is_left_out_is_said(engine: FakeEngine):
    """Sampling that a remote does not take stands in the engine build, so that nobody trusts the seed."""
    said = AnthropicVoice(engine.url, "claude-x").speak(ASK, SAMPLING)
    assert said.engine.system.endswith("not sent: seed, top_p, top_k, min_p, repeat_penalty")
    assert said.weights == ""
    assert (
        "not sent"
        not in OpenAIVoice(
            engine.url, "m", sends=("seed", "temperature", "top_p", "top_k", "min_p", "repeat_penalty")
        ).engine.system
    )


def test_system_words_in_the_middle_are_refused_by_anthropic(engine: FakeEngine):
    """Nothing is moved about silently: a prompt that cannot be sent as it stands is not sent."""
    voice = AnthropicVoice(engine.url, "claude-x")
    for prompt in ([*ASK, Message("system", "Now.")], [Message("system", "Alone.")], []):
        with pytest.raises(NotUnderstood):
            voice.speak(prompt, SAMPLING)
    assert engine.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "https://user:secret@example.org",
        "https://example.org/?a=1",
        "https://example.org/#x",
        "https://",
        "https://exa mple.org",
        "https://example.org:99999999",
        "https://[::1",
        "",
    ],
)
def test_addresses_that_are_refused(url: str):
    """Plain http leaves this machine never; credentials and oddities are refused, and not repeated."""
    with pytest.raises(InvalidInput) as refused:
        OpenAIVoice(url, "m")
    assert "secret" not in str(refused.value)


@given(st.text())
def test_any_address_is_taken_or_refused(url: str):
    """Checking an address gives an https or loopback address, or InvalidInput."""
    try:
        taken = checked_url(url)
    except InvalidInput:
        return
    assert taken.lower().startswith(("https://", "http://127.", "http://localhost", "http://[::1]"))


@pytest.mark.parametrize("key", ["", "  ", "with space", "line\nbreak", "ümlaut"])
def test_without_a_usable_key_nothing_is_sent(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, key: str):
    """A missing or impossible key is an error that names the variable, never its value."""
    monkeypatch.setenv("A_KEY", key)
    with pytest.raises(KeyRefused) as refused:
        OpenAIVoice(engine.url, "m", "A_KEY").speak(ASK, SAMPLING)
    assert "A_KEY" in refused.value.next_step
    assert not key.strip() or key not in str(refused.value)
    assert engine.requests == []


def test_the_key_is_nowhere(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The key is not in the voice, its repr, its engine build, its errors or the log."""
    monkeypatch.setenv("A_KEY", "sk-very-secret")
    caplog.set_level(logging.DEBUG)
    voice = OpenAIVoice(engine.url, "m", "A_KEY")
    engine.reply_next(b'{"error":{"message":"Incorrect API key provided: sk-very-secret"}}', 401)
    with pytest.raises(KeyRefused) as refused:
        voice.speak(ASK, SAMPLING)
    seen = [repr(voice), repr(vars(voice)), str(voice.engine), str(refused.value), caplog.text]
    assert not any("sk-very-secret" in text for text in seen)


def test_the_name_of_the_key_is_a_name(monkeypatch: pytest.MonkeyPatch):
    """Somebody who puts the key where its name belongs is told, and the key is not repeated."""
    with pytest.raises(InvalidInput) as refused:
        OpenAIVoice("https://example.org", "m", "sk-oops-1234")
    assert "oops" not in str(refused.value)


def test_a_callers_own_key_stays_behind(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    """What a caller of the gateway shows as key or cookie does not reach the remote; the model's name is ours."""
    monkeypatch.setenv("A_KEY", "sk-ours")
    voice = OpenAIVoice(engine.url, "theirs", "A_KEY")
    body = b'{"model": "ours", "messages": [{"role":"user","content":"a"}], "n": 1.50}'
    headers = {"Authorization": "Bearer member", "X-Api-Key": "member", "Cookie": "a=b", "Host": "evil"}
    assert asyncio.run(relay(voice, "/v1/chat/completions", body, headers))[0] == 200
    (got,) = engine.requests
    assert got.headers["authorization"] == "Bearer sk-ours"
    assert not {"x-api-key", "cookie"} & set(got.headers)
    assert "evil" not in got.headers["host"]
    assert json.loads(got.body)["model"] == "theirs"
    assert b"1.50" in got.body


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(engine: FakeEngine, status: int):
    """A remote cannot send us elsewhere, neither for words that are kept nor for a relay."""
    voice = OpenAIVoice(engine.url, "m")
    with FakeEngine() as elsewhere:
        for _ in range(2):
            engine.reply_next(b"", status, {"location": elsewhere.url + "/v1/chat/completions"})
        with pytest.raises(BadReply):
            voice.speak(ASK, SAMPLING)
        with pytest.raises(BadReply):
            asyncio.run(relay(voice, "/v1/chat/completions", b"{}"))
        assert elsewhere.requests == []


def test_an_answer_without_end_is_cut(engine: FakeEngine):
    """More bytes than any answer has are not read to their end."""
    engine.reply_next(b" " * (9 * 2**20))
    with pytest.raises(BadReply, match="more than 8 MiB"):
        OpenAIVoice(engine.url, "m").speak(ASK, SAMPLING)


def test_dead_in_mid_answer(engine: FakeEngine):
    """A remote that breaks off gives one clear error; the next call works."""
    for kind in (OpenAIVoice, AnthropicVoice):
        voice = kind(engine.url, "m")
        engine.die_next()
        with pytest.raises(Unreachable):
            voice.speak(ASK, SAMPLING)
        assert voice.speak(ASK, SAMPLING).text
        engine.die_next()
        path = "/v1/chat/completions" if kind is OpenAIVoice else "/v1/messages"
        ask = b'{"messages":[{"role":"user","content":"a"}],"stream":true}'
        with pytest.raises(Unreachable):
            asyncio.run(relay(voice, path, ask))


def test_nobody_there():
    """An address where nothing listens is Unreachable, for both ways of calling."""
    voice = OpenAIVoice("http://127.0.0.1:9", "m")
    with pytest.raises(Unreachable):
        voice.speak(ASK, SAMPLING)
    with pytest.raises(Unreachable):
        asyncio.run(relay(voice, "/v1/chat/completions", b"{}"))


def test_where_a_remote_is_stays_private(engine: FakeEngine):
    """Neither what callers are told nor what stands on public pages says at which address a remote is."""
    for voice in (OpenAIVoice(engine.url, "m"), AnthropicVoice(engine.url, "m")):
        told = [str(voice.engine)]
        for reply in (lambda: engine.reply_next(b"{}", 500), engine.die_next):
            reply()
            with pytest.raises(VoiceError) as caught:
                voice.speak(ASK, SAMPLING)
            told.append(str(caught.value))
        assert not any("127.0.0.1" in each for each in told), told


def test_silence_is_a_timeout(engine: FakeEngine):
    """A remote that never answers is given up after the time allowed, and is hung up on."""
    voice = OpenAIVoice(engine.url, "m", timeout=0.2)
    engine.silent_next()
    with pytest.raises(VoiceTimeout):
        voice.speak(ASK, SAMPLING)
    engine.silent_next()
    with pytest.raises(VoiceTimeout):
        asyncio.run(relay(voice, "/v1/chat/completions", b"{}"))


def test_a_caller_who_hangs_up_frees_the_remote():
    """Leaving a relay before its end closes the connection, and the engine sees it."""

    async def first_chunk(voice: OpenAIVoice) -> None:
        ask = b'{"messages":[{"role":"user","content":"a"}],"stream":true}'
        async with voice.request("/v1/chat/completions", ask) as answer:
            async for _ in answer.chunks():
                break
        while not engine.hung_up:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    with FakeEngine(pause=0.05) as engine:
        asyncio.run(first_chunk(OpenAIVoice(engine.url, "m")))
        assert engine.hung_up == 1


@pytest.mark.filterwarnings("error::ResourceWarning", "error::pytest.PytestUnraisableExceptionWarning")
def test_no_connection_outlives_its_event_loop(engine: FakeEngine):
    """A connection that is kept for later calls is closed with its event loop, without anybody's doing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what other tests left behind is not this one's
    ask = b'{"messages":[{"role":"user","content":"a"}]}'
    assert asyncio.run(relay(OpenAIVoice(engine.url, "m"), "/v1/chat/completions", ask))[0] == 200
    assert wire._sessions == {}
    gc.collect()


def test_a_closed_remote_says_so(engine: FakeEngine):
    """After close nothing is sent any more."""
    voice = OpenAIVoice(engine.url, "m")
    voice.close()
    assert not voice.alive
    with pytest.raises(VoiceClosed):
        voice.speak(ASK, SAMPLING)
    with pytest.raises(VoiceClosed):
        asyncio.run(relay(voice, "/v1/chat/completions", b"{}"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_not_relayed(engine: FakeEngine, body: bytes):
    """The model's name can only be set in a JSON object."""
    with pytest.raises(NotUnderstood):
        asyncio.run(relay(OpenAIVoice(engine.url, "m"), "/v1/chat/completions", body))
    assert engine.requests == []


async def relay(voice, path, body, headers=None):
    async with voice.request(path, body, headers or {}) as answer:
        return answer.status, b"".join([chunk async for chunk in answer.chunks()])

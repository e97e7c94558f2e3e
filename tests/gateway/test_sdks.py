"""The official SDKs, unmodified, against the gateway on a real port: both APIs, whole and streamed."""

import anthropic
import openai
import pytest

from emeritus.access.grants import decide_application
from emeritus.access.keys import make
from emeritus.access.members import lapse
from emeritus.core.people import SOFTWARE
from emeritus.registry.migration import explain

ASK = [{"role": "user", "content": "What do you remember?"}]
KIND = {
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    410: "APIStatusError",
    429: "RateLimitError",
}


@pytest.fixture
def key(house):
    return house.member()


def used(house, model="opus"):
    return house.usage.totals(model=model)


def test_openai_chat(server, house, key):
    """A member's key works at once on a retired model; what it took is counted as the engine says."""
    answer = server.openai(key).chat.completions.create(model="opus", messages=ASK)
    assert answer.choices[0].message.content
    assert answer._request_id.startswith("req-")
    took = used(house)
    assert (took.requests, took.tokens_in, took.tokens_out) == (
        1,
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )


@pytest.mark.parametrize("ask", [True, False])
def test_openai_chat_streamed(server, house, key, ask):
    """A stream says the same words and is counted; its usage is shown to those who asked for it only."""
    client = server.openai(key)
    whole = client.chat.completions.create(model="opus", messages=ASK)
    more = {"stream_options": {"include_usage": True}} if ask else {}
    chunks = list(client.chat.completions.create(model="opus", messages=ASK, stream=True, **more))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert [chunk.usage for chunk in chunks if chunk.usage] == ([whole.usage] if ask else [])
    assert all(chunk.choices for chunk in chunks) == (not ask)
    assert used(house).tokens == 2 * whole.usage.total_tokens


def test_openai_completions(server, house, key):
    """The older API answers too, whole and streamed."""
    client = server.openai(key)
    whole = client.completions.create(model="opus", prompt="Once")
    chunks = list(client.completions.create(model="opus", prompt="Once", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert used(house).requests == 2
    assert used(house).tokens_out > 0


def test_openai_responses(server, house, key):
    """The responses API passes through, whole and streamed, and is counted."""
    client = server.openai(key)
    whole = client.responses.create(model="opus", input="Hello")
    events = list(client.responses.create(model="opus", input="Hello", stream=True))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole.output_text
    assert used(house).tokens == 2 * whole.usage.total_tokens


def test_anthropic_messages(server, house, key):
    """The other API, the same model, the same key: whole and streamed with every event in its place."""
    client = server.anthropic(key)
    whole = client.messages.create(model="opus", messages=ASK, max_tokens=50)
    with client.messages.stream(model="opus", messages=ASK, max_tokens=50) as stream:
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert said == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    took = used(house)
    assert took.tokens_in == 2 * whole.usage.input_tokens
    assert took.tokens_out == 2 * whole.usage.output_tokens
    assert whole._request_id.startswith("req-")


def test_anthropic_count_tokens(server, house, key):
    """Counting tokens is a call, and uses none."""
    counted = server.anthropic(key).messages.count_tokens(model="opus", messages=ASK)
    assert counted.input_tokens > 0
    assert (used(house).requests, used(house).tokens) == (1, 0)


def test_async(server, key, run):
    """Both SDKs do the same when they are asynchronous."""

    async def both():
        async with server.async_openai(key) as one, server.async_anthropic(key) as other:
            whole = await one.chat.completions.create(model="opus", messages=ASK)
            stream = await one.chat.completions.create(model="opus", messages=ASK, stream=True)
            said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert said == whole.choices[0].message.content
            message = await other.messages.create(model="opus", messages=ASK, max_tokens=50)
            async with other.messages.stream(model="opus", messages=ASK, max_tokens=50) as stream:
                assert await stream.get_final_text() == message.content[0].text
            listed = [model.id async for model in other.models.list(limit=1)]
            assert listed == [model.id async for model in one.models.list()] == ["haiku", "opus"]
            with pytest.raises(openai.NotFoundError):
                await one.chat.completions.create(model="gpt", messages=ASK)
            with pytest.raises(anthropic.NotFoundError):
                await other.messages.create(model="gpt", messages=ASK, max_tokens=5)

    run(both())


def calls(server, key, model):
    """The same call in both APIs, streamed and not."""
    for stream in (False, True):
        yield (
            openai,
            lambda stream=stream: server.openai(key).chat.completions.create(
                model=model, messages=ASK, stream=stream
            ),
        )
        yield (
            anthropic,
            lambda stream=stream: server.anthropic(key).messages.create(
                model=model, messages=ASK, max_tokens=5, stream=stream
            ),
        )


@pytest.mark.parametrize(
    ("who", "model", "status", "code"),
    [
        ("stranger", "opus", 401, "key_unknown"),
        ("mistyped", "opus", 401, "key_mistyped"),
        ("made up", "opus", 401, "key_unknown"),
        ("member", "asked", 403, "not_granted"),
        ("grant", "opus", 403, "not_granted"),
        ("member", "gpt", 404, "model_not_found"),
        ("member", "gone", 410, "model_gone"),
        ("stranger", "gone", 410, "model_gone"),
        ("spent", "asked", 429, "budget_spent"),
    ],
)
def test_errors_are_the_sdks_own(server, house, who, model, status, code):
    """Each refusal arrives as the SDK's own class, with what to do next in its message."""
    house.model("gone", "retired", replacement="haiku")
    house.tier("gone", "none", "Its licence was withdrawn.")
    explain(house.log, "gone", text="Haiku answers more briefly.", by=house.ada)
    house.model("asked", "retired")
    house.tier("asked", "on-request")
    key = {
        "stranger": lambda: "sk-something-else",
        "mistyped": lambda: make()[:-1] + "!",
        "made up": make,
        "member": house.member,
        "grant": lambda: house.grant("asked"),
        "spent": lambda: house.grant("asked", budget=1),
    }[who]()
    if who == "spent":
        server.openai(key).chat.completions.create(model="asked", messages=ASK)
    before = house.usage.totals()
    for sdk, call in calls(server, key, model):
        with pytest.raises(sdk.APIStatusError) as caught:
            call()
        error = caught.value
        assert type(error).__name__ == KIND[status]
        assert error.status_code == status
        body = error.body if sdk is openai else error.body["error"]
        assert body["code"] == code
        assert "https://lab.example/" in str(error)
        assert error.response.headers["request-id"].startswith("req-")
        if status == 410:
            assert body["emeritus"]["replacement"] == "haiku"
            assert body["emeritus"]["retired_on"]
            assert body["emeritus"]["migration"] == "Haiku answers more briefly."
            assert "Its licence was withdrawn." in body["message"]
            assert "haiku" in body["next_step"]
        elif status == 404:
            assert "haiku, opus" in body["next_step"]
        else:
            assert body["emeritus"]["applications"] == "https://lab.example/v1/applications"
    assert house.usage.totals() == before


def test_a_stranger_applies_and_is_let_in(server, house):
    """From the refusal to the answer: told how to apply, applied, granted, key fetched, served."""
    with pytest.raises(openai.AuthenticationError) as caught:
        server.openai("none").chat.completions.create(model="opus", messages=ASK)
    assert caught.value.body["emeritus"]["applications"].endswith("/v1/applications")
    assert caught.value.body["emeritus"]["apply"] == "https://lab.example/access/apply"
    asked = {"models": ["opus"], "who": "Grete", "contact": "g@x.example", "purpose": "I miss it."}
    applied = server.http("/v1/applications", asked).json
    decide_application(house.log, house.clock, applied["id"], grant=True, reason="Welcome.", by=house.ada)
    fetched = server.http(
        f"/v1/applications/{applied['id']}/key", method="POST", authorization=f"Bearer {applied['receipt']}"
    ).json
    assert server.openai(fetched["key"]).chat.completions.create(model="opus", messages=ASK).choices
    assert server.anthropic(fetched["key"]).messages.create(model="opus", messages=ASK, max_tokens=5).content


def test_a_lapsed_member_is_out_at_the_next_call(server, house, key):
    """When a plan lapses, access ends with the next call, kindly, and says how to come back."""
    client = server.openai(key)
    assert client.chat.completions.create(model="opus", messages=ASK).choices
    lapse(house.log, house.keys.all()[0].holder, SOFTWARE)
    with pytest.raises(openai.PermissionDeniedError, match="Thank you"):
        client.chat.completions.create(model="opus", messages=ASK)


def test_everybody_reaches_a_public_model(server, house):
    """A public model needs no key, and a stale or foreign one does no harm."""
    house.tier("opus", "public")
    assert server.openai("none").chat.completions.create(model="opus", messages=ASK).choices
    assert server.http("/v1/chat/completions", {"model": "opus", "messages": ASK}).status == 200
    assert house.usage.totals(key_id="anyone").requests == 2


def test_models_in_both_shapes(server, house, key):
    """Both SDKs list the models, each in its own shape, with state, dates and successor beside it."""
    house.model("gone", "retired")
    house.tier("gone", "none")
    ours = server.openai(key).models
    assert [model.id for model in ours.list()] == ["haiku", "opus"]
    opus = ours.retrieve("opus")
    assert (opus.object, opus.owned_by) == ("model", "Test Lab")
    assert opus.emeritus["state"] == "retired"
    assert opus.emeritus["tier"] == "members"
    assert opus.emeritus["replacement"] == "haiku"
    assert opus.emeritus["page"] == "https://lab.example/models/opus"
    theirs = server.anthropic(key).models
    assert [model.id for model in theirs.list(limit=1)] == ["haiku", "opus"]
    assert theirs.list(before_id="opus").data[0].id == "haiku"
    assert theirs.retrieve("gone").display_name == "Gone"
    for sdk, get in ((openai, ours.retrieve), (anthropic, theirs.retrieve)):
        with pytest.raises(sdk.NotFoundError, match="haiku, opus"):
            get("gpt")
    with pytest.raises(anthropic.NotFoundError):
        theirs.list(after_id="gpt")


def test_an_engine_that_dies_in_a_stream(server, house, engine, key):
    """When the engine dies in mid-answer, each SDK raises its own error with a sentence; the words so far stay."""
    engine.die_next()
    said = []
    with pytest.raises(openai.APIError, match="hung up") as caught:
        said.extend(server.openai(key).chat.completions.create(model="opus", messages=ASK, stream=True))
    assert said
    assert caught.value.body["code"] == "voice.unreachable"
    engine.die_next()
    seen = []
    with pytest.raises(anthropic.APIStatusError, match="hung up"):
        seen.extend(
            server.anthropic(key).messages.create(model="opus", messages=ASK, max_tokens=50, stream=True)
        )
    assert seen[0].type == "message_start"
    engine.die_next()
    with pytest.raises(openai.APIError, match="hung up"):
        list(server.openai(key).responses.create(model="opus", input="Hello", stream=True))
    assert used(house).requests == 3


def test_an_engine_that_dies_in_a_whole_answer(server, house, engine, key):
    """Of a whole answer that broke off nothing is passed on: one clear error that may be tried again."""
    for call in (calls for _, calls in calls(server, key, "opus")):
        engine.die_next()
        with pytest.raises((openai.APIError, anthropic.APIStatusError)):
            list(call())
    engine.die_next()
    with pytest.raises(openai.InternalServerError) as caught:
        server.openai(key).chat.completions.create(model="opus", messages=ASK)
    assert caught.value.status_code == 502
    assert server.openai(key).chat.completions.create(model="opus", messages=ASK).choices

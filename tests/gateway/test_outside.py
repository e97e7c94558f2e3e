"""No caller can have an engine of this house, or the gateway itself, fetch from where they cannot reach."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.registry import Lineage, NewModel, add_model
from emeritus.registry.model import Weights
from emeritus.web.gateway.asked import FetchesNothing, parse

CHAT = "/v1/chat/completions"
INSIDE = "http://169.254.169.254/latest/meta-data/"


@pytest.fixture
def key(house):
    weights = Weights("gguf", ("m.gguf",), 1, {})
    add_model(
        house.log,
        NewModel("held", "Held", Lineage("f"), "MIT", date(2024, 3, 1), weights=weights),
        house.ada,
    )
    return house.member()


def said(*content, **more):
    return {"model": "held", "messages": [{"role": "user", "content": list(content)}], **more}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, said({"type": "image_url", "image_url": {"url": INSIDE}})),
        (CHAT, said({"type": "image_url", "image_url": INSIDE})),
        (CHAT, said({"type": "video_url", "video_url": {"url": "file:///etc/passwd"}})),
        ("/v1/messages", said({"type": "image", "source": {"type": "url", "url": INSIDE}}, max_tokens=1)),
        ("/v1/messages", said({"type": "document", "source": {"type": "url", "url": " " + INSIDE}})),
        (
            "/v1/responses",
            {"model": "held", "input": [{"content": [{"type": "input_image", "image_url": INSIDE}]}]},
        ),
        ("/v1/responses", {"model": "held", "input": "x", "tools": [{"type": "mcp", "server_url": INSIDE}]}),
    ],
)
def test_an_engine_of_this_house_fetches_nothing(server, engine, key, path, body):
    """Whatever the API's own way to name an address, the engine does not see the call."""
    answer = server.http(path, body, authorization=f"Bearer {key}")
    assert (answer.status, answer.json["error"]["code"]) == (400, "request.fetches")
    assert engine.requests == []


def test_no_spelling_hides_an_address(server, engine, key):
    """JSON may write any letter of a name as a number; the engine reads the same name, and so does the gateway."""
    body = json.dumps(said({"type": "image_url", "image_url": {"url": INSIDE}}))
    hidden = body.replace("url", "\\u0075rl")
    assert json.loads(hidden) == json.loads(body)
    answer = server.http(CHAT, data=hidden.encode(), authorization=f"Bearer {key}")
    assert (answer.status, answer.json["error"]["code"]) == (400, "request.fetches")
    assert engine.requests == []


def test_what_carries_itself_travels(server, engine, key):
    """A picture that comes with the call travels, and so do words and tools that speak of addresses."""
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"properties": {"url": {"type": "string"}}}},
    }
    body = said(
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": f"What is at {INSIDE}? url"},
        tools=[tool],
    )
    assert server.http(CHAT, body, authorization=f"Bearer {key}").status == 200
    assert len(engine.requests) == 1


def test_a_remote_fetches_what_it_fetches(server, engine, key):
    """A model behind somebody's API gets the address as it came: it is not our network that is reached."""
    body = {
        **said({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}),
        "model": "haiku",
    }
    assert server.http(CHAT, body, authorization=f"Bearer {key}").status == 200
    assert b"https://example.org/a.png" in engine.requests[0].body


def test_nothing_in_a_call_says_where_it_goes(server, engine, key):
    """Names of hosts in headers and fields change nothing: the call goes to the engine that the steward named."""
    odd = {"base_url": INSIDE, "api_base": INSIDE, "url": INSIDE, "model": "haiku", "messages": []}
    headers = {
        "host": "169.254.169.254",
        "x_forwarded_host": "evil.example",
        "forwarded": "host=evil.example",
    }
    assert server.http(CHAT, odd, authorization=f"Bearer {key}", **headers).status == 200
    (received,) = engine.requests
    assert received.headers["host"] == engine.url.removeprefix("http://")


def test_a_redirect_of_a_remote_is_not_followed(server, engine, key):
    """A remote that sends callers elsewhere is a broken remote."""
    engine.reply_next(b"", 302, {"location": INSIDE})
    answer = server.http(CHAT, {"model": "haiku", "messages": []}, authorization=f"Bearer {key}")
    assert (answer.status, answer.json["error"]["code"]) == (502, "voice.bad_reply")
    assert len(engine.requests) == 1


@given(
    st.recursive(
        st.sampled_from([INSIDE, "x", 1, None]),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["url", "a"]), s),
    )
)
def test_no_depth_hides_an_address(value):
    """An address is found however deep it lies, and only where it is named as one."""

    def named(each) -> bool:
        if isinstance(each, dict):
            return any((k == "url" and isinstance(v, str)) or named(v) for k, v in each.items())
        return isinstance(each, list) and any(named(v) for v in each)

    call = parse(CHAT, json.dumps({"model": "held", "messages": value}).encode())
    if named(value):
        with pytest.raises(FetchesNothing):
            call.require_nothing_to_fetch()
    else:
        call.require_nothing_to_fetch()

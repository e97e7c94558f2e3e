"""What arrives at the gateway is hostile until it is parsed, and what leaves it says who answered."""

import contextlib
import http.client
import json
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.access.keys import make
from emeritus.voices.errors import EngineNotStarted
from emeritus.web.gateway import asked
from emeritus.web.gateway.asked import BadRequest, parse

CHAT = "/v1/chat/completions"
ASK = {"model": "opus", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def key(house):
    return house.member()


def chat(server, key, **more):
    return server.http(CHAT, {**ASK, **more}, authorization=f"Bearer {key}")


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen")


# ---- what travels on ----


def test_the_engine_gets_the_callers_bytes_and_not_the_key(server, engine, key):
    """Every value travels on as it was written, even numbers that floats cannot hold; no key does."""
    number = b"12345678901234567890123.10"
    body = b'{"model":"opus","messages":[{"role":"user","content":"\\u00e9\xc3\xa9"}],"odd":' + number + b"}"
    assert server.http(CHAT, data=body, authorization=f"Bearer {key}", x_api_key=key).status == 200
    (received,) = engine.requests
    assert number in received.body
    assert b"\\u00e9\xc3\xa9" in received.body
    assert json.loads(received.body)["model"] == "engine-name"
    assert key not in str(received.headers)
    assert key.encode() not in received.body


def test_a_name_given_twice_means_one_thing(server, house, engine, key):
    """With two models in one body, the one that was checked is the one that is asked."""
    house.tier("haiku", "on-request")
    body = b'{"model":"haiku","messages":[{"role":"user","content":"x"}],"model":"opus"}'
    assert server.http(CHAT, data=body, authorization=f"Bearer {key}").status == 200
    assert engine.requests[0].body.count(b'"model"') == 1


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=10,
        ),
        max_size=5,
    )
)
def test_what_travels_on_means_the_same(fields):
    """Whatever else a body holds, what the engine reads is what the caller wrote."""
    fields = {**fields, "model": "opus", "stream": False}
    sent = parse(CHAT, json.dumps(fields).encode())
    assert json.loads(sent.body_for("opus")) == fields
    assert (sent.model, sent.stream, sent.usage_added) == ("opus", False, False)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_parser(data):
    """Whatever arrives is a call or a BadRequest."""
    with contextlib.suppress(BadRequest):
        parse(CHAT, data)


def test_usage_is_asked_for_once():
    """Usage is asked of the engine for each stream, beside whatever other options the caller set."""
    plain = parse(CHAT, b'{"model":"m","stream":true}')
    assert (json.loads(plain.body_for("m"))["stream_options"], plain.usage_added) == (
        {"include_usage": True},
        True,
    )
    other = parse(CHAT, b'{"model":"m","stream":true,"stream_options":{"x":1,"include_usage":false}}')
    assert json.loads(other.body_for("m"))["stream_options"] == {"x": 1, "include_usage": True}
    theirs = parse(CHAT, b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}')
    assert not theirs.usage_added
    assert not parse("/v1/messages", b'{"model":"m","stream":true}').usage_added


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "request.invalid"),
        (b"not json", 400, "request.invalid"),
        (b"[]", 400, "request.invalid"),
        (b'"opus"', 400, "request.invalid"),
        (b"{}", 400, "request.invalid"),
        (b'{"model":null}', 400, "request.invalid"),
        (b'{"model":7}', 400, "request.invalid"),
        (b'{"model":"opus","stream":"yes"}', 400, "request.invalid"),
        (b'{"model":"opus","stream":true,"stream_options":[]}', 400, "request.invalid"),
        (b'{"model":"opus"', 400, "request.invalid"),
        (b'{"model":"\xff"}', 400, "request.invalid"),
        (b"[" * 200_000, 400, "request.invalid"),
        (b'{"model":"opus","x":' + b"[" * 200_000, 400, "request.invalid"),
        (b'{"model":"' + b"o" * 3_000_000 + b'"}', 404, "model_not_found"),
        (b'{"model":"../../etc/passwd"}', 404, "model_not_found"),
        (b" " * (4 * 2**20 + 1), 413, "request.too_large"),
    ],
)
def test_bad_bodies(server, house, engine, key, body, status, code):
    """A body that is no call is refused with one clear error, in bounded size, and asks nothing of an engine."""
    answer = server.http(CHAT, data=body, authorization=f"Bearer {key}")
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.json["type"] == "error"
    assert answer.json["request_id"] == answer.headers["request-id"]
    assert len(answer.body) < 2000
    assert engine.requests == []
    assert house.usage.totals().requests == 0


def test_a_lying_length(server, key):
    """A body that is longer than its length said, or endless in chunks, is cut off at the bound."""

    def pieces():
        for _ in range(80):
            yield b" " * 2**16

    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", CHAT)
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    try:
        for piece in pieces():
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
    except OSError:
        return  # it hung up, which is an answer too
    assert connection.getresponse().status == 413


def test_slow_loris(server, monkeypatch):
    """A body that drips is given up after its time."""
    monkeypatch.setattr(asked, "BODY_SECONDS", 0.2)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        answer = b""
        while not answer.endswith(b"}") and (more := slow.recv(65536)):
            answer += more
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"request.too_slow" in answer


def test_gone_before_the_body_came(server, house):
    """A caller who leaves in mid-body leaves nothing behind."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as gone:
        gone.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    assert server.http("/v1/models").status == 200
    assert house.usage.totals().requests == 0


@pytest.mark.parametrize(
    ("path", "method"), [("/v1/embeddings", "POST"), ("/v1/", "GET"), ("/v1/models/a/b", "DELETE")]
)
def test_what_is_not_there_says_what_is(server, path, method):
    """A path or a method that the gateway does not have is answered in the APIs' own shape."""
    answer = server.http(path, method=method)
    assert answer.status == 404
    assert "/v1/chat/completions" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("path", "method", "allow"), [(CHAT, "GET", "POST"), ("/v1/models", "DELETE", "GET, HEAD")]
)
def test_a_method_that_is_not_taken(server, path, method, allow):
    """A path that is there for another method says for which."""
    answer = server.http(path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert answer.json["error"]["code"] == "request.method"


# ---- what comes back ----


def test_deprecated_models_say_so(server, house, key):
    """Deprecation (RFC 9745), Sunset (RFC 8594) and links come with every answer of a deprecated model."""
    house.model("sonnet", "deprecated", replacement="haiku")
    since = house.log.entries(kinds={"retirement.opened"}, model="sonnet")[0]
    for path, body in (
        (CHAT, ASK),
        (CHAT, {**ASK, "stream": True}),
        ("/v1/messages", {**ASK, "max_tokens": 5}),
    ):
        answer = server.http(path, {**body, "model": "sonnet"}, x_api_key=key)
        assert answer.status == 200
        assert answer.headers["deprecation"] == f"@{int(since.at.timestamp())}"
        assert parsedate_to_datetime(answer.headers["sunset"]).date().isoformat() == since.body["on"]
        assert answer.headers["link"] == (
            '<https://lab.example/models/sonnet>; rel="deprecation"; type="text/html", '
            '<https://lab.example/models/haiku>; rel="successor-version"'
        )
        assert answer.headers["emeritus-model"] == "sonnet"
        assert answer.headers["emeritus-state"] == "deprecated"
    assert "deprecation" in server.http("/v1/models/sonnet").headers


def test_active_and_retired_models(server, key):
    """A model in service carries no such header; a retired one that is served has no last day to come."""
    active = server.http(CHAT, {**ASK, "model": "haiku"}, x_api_key=key)
    retired = chat(server, key)
    assert active.headers["emeritus-model"] == "haiku"
    assert not {"deprecation", "sunset", "link"} & {name.lower() for name in active.headers}
    assert "deprecation" in retired.headers
    assert "sunset" not in retired.headers


def test_either_header_carries_the_key(server, key):
    """The key may come as bearer or as x-api-key; of two, the one that is ours counts. Never in the URL."""
    ask = lambda path=CHAT, **headers: server.http(path, ASK, **headers).status  # noqa: E731
    assert ask(authorization=f"Bearer {key}") == 200
    assert ask(authorization=f"bearer   {key}") == 200
    assert ask(x_api_key=key) == 200
    assert ask(authorization="Bearer sk-old", x_api_key=key) == 200
    assert ask(authorization=f"Basic {key}") == 401
    assert ask(f"{CHAT}?key={key}&api_key={key}") == 401


def test_revocation_holds_at_the_next_call(server, house, key):
    """A revoked key is out at once, and is told that it was revoked."""
    assert chat(server, key).status == 200
    house.keys.revoke(house.keys.all()[0].id, house.clock.now())
    answer = chat(server, key)
    assert (answer.status, answer.json["error"]["code"]) == (401, "key_ended")
    assert answer.headers["www-authenticate"]
    assert answer.headers["x-should-retry"] == "false"


def test_a_grant_expires(server, house):
    """A grant is served until its last moment and told that it ended from then on."""
    key = house.grant("opus", days=1)
    house.clock.advance(timedelta(days=1) - timedelta(microseconds=1))
    assert chat(server, key).status == 200
    house.clock.advance(timedelta(microseconds=1))
    assert (chat(server, key).json["error"]["code"]) == "grant_ended"


def test_a_budget_is_exact(server, house):
    """Calls are served until the budget is spent, not one more: what a call took counts before it ends."""
    key = house.grant("opus", budget=90)  # the fake engine takes 28 tokens for this
    for stream in (True, False, True, False):
        assert chat(server, key, stream=stream).status == 200
    spent = house.usage.totals()
    assert spent.tokens >= 90
    assert spent.tokens - spent.tokens // 4 < 90
    assert chat(server, key).status == 429
    assert house.usage.totals() == spent


def test_last_use_is_noted(server, house, key):
    """A key knows when it was last used."""
    chat(server, key)
    assert house.keys.all()[0].last_used_at == house.clock.now()


# ---- engines that fail ----


def test_our_key_refused_by_a_remote_is_no_401(server, engine, key):
    """When a remote refuses our own key, the caller is not told that theirs is wrong."""
    engine.reply_next(b'{"error":{"message":"Incorrect API key provided: sk-abc"}}', 401)
    answer = chat(server, key)
    assert (answer.status, answer.json["error"]["code"]) == (502, "voice.key_refused")
    assert b"sk-abc" not in answer.body


@pytest.mark.parametrize(
    ("status", "seen", "retry"),
    [(400, 400, None), (413, 400, None), (429, 503, "2"), (503, 503, "2"), (500, 502, None)],
)
def test_engine_errors_come_in_one_shape(server, engine, key, status, seen, retry):
    """Whatever an engine answers with, the caller gets one shape with the engine's own words in it."""
    engine.reply_next(b'{"error":{"message":"the context is too long\\u0007"}}', status)
    for path in (CHAT, "/v1/messages"):
        answer = server.http(path, {**ASK, "max_tokens": 3}, x_api_key=key)
        if path == CHAT:
            assert answer.status == seen
            assert answer.headers["retry-after"] == retry
            assert "the context is too long" in answer.json["error"]["message"]
            assert "\a" not in answer.json["error"]["message"]


@pytest.mark.parametrize(("told", "retry"), [("40", "40"), ("999999", "3600"), ("soon", "2"), ("", "2")])
def test_a_remote_says_when_to_come_again(server, engine, key, told, retry):
    """A busy remote's own word on when to try again is passed on, within an hour; without one it is ours."""
    engine.reply_next(b"{}", 429, {"retry-after": told})
    answer = chat(server, key)
    assert (answer.status, answer.headers["retry-after"]) == (503, retry)


def test_an_engine_that_packs_its_answer(server, engine, key):
    """An answer in an encoding that nobody asked for is an error, and no bytes that nobody can read."""
    engine.reply_next(b"\x1f\x8b\x08", headers={"content-encoding": "gzip"})
    answer = chat(server, key)
    assert (answer.status, answer.json["error"]["code"]) == (502, "voice.bad_reply")


def test_engine_nonsense(server, engine, key):
    """An error that is not JSON is still one clear error."""
    engine.reply_next(b"<html>" * 100, 500)
    assert chat(server, key).json["error"]["message"].startswith("The engine of opus answered: HTTP 500")


def test_a_path_the_voice_does_not_speak(server, pool, key, monkeypatch):
    """A remote that speaks one API only is a bad request at the other, which says where to ask."""
    monkeypatch.setattr("emeritus.voices.remote.OpenAIVoice.paths", frozenset({CHAT}))
    monkeypatch.delattr(type(pool._crew._loader("x")), "paths")
    answer = server.http("/v1/messages/count_tokens", {**ASK, "max_tokens": 3}, x_api_key=key)
    assert answer.status == 400
    assert CHAT in answer.json["error"]["message"]


def test_a_caller_who_hangs_up_frees_the_slot(server, house, engine, pool, key):
    """Hanging up in mid-stream hangs up on the engine, and what was said until then is counted."""
    engine._pause = 0.05
    stream = server.openai(key).chat.completions.create(stream=True, **ASK)
    for _ in range(3):
        next(stream)
    stream.close()
    until(lambda: engine.hung_up == 1)
    until(lambda: pool.warmth("opus").calls == 0)
    until(lambda: house.usage.totals().tokens_out >= 1)
    assert house.usage.totals().tokens_out < 24
    assert next(iter(house.usage._calls.values())).status == 499


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CHAT),
        ("POST", "/v1/applications"),
        ("POST", "/v1/applications/application-1/appeal"),
        ("POST", "/v1/keys/rotate"),
        ("PUT", "/v1/webhook"),
    ],
)
def test_a_caller_who_leaves_in_mid_body_is_no_defect(server, caplog, method, path):
    """Whichever the door, half a body and a closed connection leave no traceback, and nothing is done."""
    with caplog.at_level(logging.ERROR):
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as caller:
            caller.sendall(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{{".encode())
            until(lambda: server._server.server_state.tasks)
        until(lambda: not server._server.server_state.tasks)
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []


def test_a_caller_who_hangs_up_while_waiting(server, house, engine, pool, key):
    """Hanging up before the first byte frees the slot too."""
    engine.silent_next()
    with pytest.raises(openai.APITimeoutError):
        server.openai(key, timeout=0.3).chat.completions.create(**ASK)
    until(lambda: engine.hung_up == 1)
    until(lambda: pool.warmth("opus").calls == 0)
    until(lambda: house.usage._calls and next(iter(house.usage._calls.values())).status == 499)


def test_an_engine_that_does_not_start(house, server, pool, key, monkeypatch):
    """When a model cannot be loaded the caller gets one clear error, and the next call tries again."""
    good = pool._crew._loader

    def broken(model):
        raise EngineNotStarted(f"The engine of {model} did not start.", next_step="Look at its log.")

    monkeypatch.setattr(pool._crew, "_loader", broken)
    answer = chat(server, key)
    assert (answer.status, answer.json["error"]["code"]) == (503, "voice.not_started")
    assert answer.headers["retry-after"] == "2"
    monkeypatch.setattr(pool._crew, "_loader", good)
    assert chat(server, key).status == 200


def test_a_defect_of_ours_shows_no_inside(server, pool, key, monkeypatch, capfd):
    """A defect is a 500 with the id under which the log has more, and nothing else."""

    def broken(model):
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(pool._crew, "_loader", broken)
    answer = chat(server, key)
    assert answer.status == 500
    assert b"inside" not in answer.body
    assert b"ZeroDivision" not in answer.body
    assert answer.headers["request-id"] in answer.json["error"]["message"]
    assert answer.headers["request-id"] in capfd.readouterr().out


def test_an_answer_is_not_withheld_because_it_cannot_be_counted(server, house, key, monkeypatch, capfd):
    """When the count cannot be written, the answer still comes, and the log says so."""

    def broken(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(house.usage, "finish_many", broken)
    assert chat(server, key).status == 200
    assert "could not be counted" in capfd.readouterr().out


# ---- keys are secret ----


def test_no_key_is_ever_logged(server, house, engine, pool, capfd, caplog):
    """Through every kind of call, good and bad, no key, receipt or token is in any log at any level."""
    caplog.set_level(0)
    good, wrong, typo = house.member(), make(), make()[:-1] + "~"
    for text in (good, wrong, typo):
        for path, body in ((CHAT, ASK), (CHAT, {**ASK, "stream": True}), ("/v1/messages", ASK), (CHAT, [])):
            server.http(path, body, authorization=f"Bearer {text}")
            server.http(path, body, x_api_key=text)
        server.http("/v1/models", authorization=f"Bearer {text}")
    engine.die_next()
    chat(server, good, stream=True)
    applied = server.http(
        "/v1/applications", {"models": ["opus"], "who": "G", "contact": "g@x.example", "purpose": "Study"}
    ).json
    server.http(f"/v1/applications/{applied['id']}/key", {}, authorization=f"Bearer {applied['receipt']}")
    told = capfd.readouterr()
    logged = told.out + told.err + caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "request=req-" in logged
    for text in (good, wrong, typo, applied["receipt"]):
        assert text not in logged
        assert text[5:30] not in logged


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "9" * 40])
def test_impossible_pages(server, limit):
    """A page of the list of models has 1 to 1000 of them."""
    answer = server.http(f"/v1/models?limit={limit}", anthropic_version="2023-06-01")
    assert (answer.status, answer.json["error"]["code"]) == (400, "request.invalid")


def test_one_call_at_a_time_is_not_needed(server, house, key):
    """Many callers at once are all answered, and each is counted exactly."""
    with ThreadPoolExecutor(24) as callers:
        answers = list(callers.map(lambda number: chat(server, key, stream=number % 2 == 0), range(48)))
    assert {answer.status for answer in answers} == {200}
    one = chat(server, key).json["usage"]["total_tokens"]
    assert house.usage.totals().tokens == 49 * one
    assert len({answer.headers["request-id"] for answer in answers}) == 48


def test_a_stream_that_lost_its_beginning_is_given_one(server, engine, key):
    """An engine may leave out message_start (llama.cpp does at times); the official SDK reads the rest all the same."""
    events = (
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "🐦"}}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        ("message_stop", {}),
    )
    stream = "".join(
        f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events
    )
    engine.reply_next(stream.encode(), headers={"content-type": "text/event-stream"})
    with server.anthropic(key).messages.stream(**ASK, max_tokens=9) as answer:
        assert answer.get_final_text() == "🐦"
        assert answer.get_final_message().model == "opus"

"""Whoever is slow on purpose is waited for only so long, and holds up nobody else."""

import contextlib
import http.client
import socket
import time

import pytest

from emeritus.web.gateway import Parts
from emeritus.web.patience import Patience

LINE = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


class Hasty(Patience):
    head_seconds = 0.3
    head_bytes = 20_000
    reader_seconds = 0.3


@pytest.fixture
def server(house, pool, server_of):
    parts = Parts(work=house.work, pool=pool, clock=house.clock, site_url="https://lab.example")
    with server_of(parts, pool, http=Hasty) as server:
        yield server


@pytest.fixture
def line(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        yield line


def heard(line) -> bytes:
    """Return what the server says until it hangs up."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while more := line.recv(65536):
            said += more
    return said


def test_a_connection_that_says_nothing(line):
    """A connection over which no request comes is ended."""
    assert b" 408 " in heard(line)


def test_a_head_that_drips(line):
    """A head that comes letter by letter is not waited for, however steadily it comes."""
    line.sendall(LINE)
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - began < 8:
            line.sendall(b"x")
            time.sleep(0.02)
    assert time.monotonic() - began < 8, "the server took letters for ever"
    assert b" 408 " in heard(line)


def test_a_head_without_an_end(line):
    """A head that is too large is refused before it fills the memory."""
    with contextlib.suppress(ConnectionError):
        line.sendall(LINE)
        for _ in range(10):
            line.sendall(b"x: " + b"y" * 8000 + b"\r\n")
    assert heard(line)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")


def test_a_second_head_that_drips(server, line):
    """After a request that was answered the next one on that connection has its time too."""
    line.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b" 200 " in line.recv(65536)
    line.sendall(b"GET /v1/mo")
    assert b" 408 " in heard(line)


def test_an_answer_that_nobody_reads(server, house, engine, pool):
    """A caller who stops reading is let go: the engine's slot is free again, and the call is counted as left."""
    engine._say = lambda *_: ("w" * 4000 + " ") * 4000  # more than the sockets hold on the way
    key = house.member()
    host, port = server.url.removeprefix("http://").split(":")
    body = b'{"model":"opus","stream":true,"max_tokens":4000,"messages":[{"role":"user","content":"x"}]}'
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((host, int(port)))
        line.sendall(
            LINE + f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        for _ in range(1000):
            if house.usage.totals().tokens_out:
                break
            time.sleep(0.01)
        assert [call.status for call in house.usage._calls.values()] == [499]
        assert pool.warmth("opus").calls == 0


def test_whoever_is_in_time_notices_nothing(server):
    """Calls one after the other on one connection go on as long as they like."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    for _ in range(4):
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        assert (answer.status, len(answer.read()) > 0) == (200, True)
        time.sleep(0.15)

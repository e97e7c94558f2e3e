"""Downloads under way: damage in mid-stream, callers who hang up, too many at once, several at a time."""

import asyncio
import http.client
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from httpx2 import HTTPError
from huggingface_hub.errors import HfHubHTTPError

from emeritus.archive.errors import StoreFailed
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.core.errors import Unavailable
from emeritus.process.stages import HAND_OUT
from emeritus.web.hub import download
from emeritus.web.hub.lanes import Lanes, TooMany

AT = "/large/resolve/main/model.safetensors"
SIZE = 24 << 20


@pytest.fixture
def large(house, tmp_path):
    """A house with a model of one file of 24 MiB that nothing compresses."""
    folder = tmp_path / "large"
    folder.mkdir()
    noise = random.Random(3).randbytes(SIZE)
    data = safetensors_bytes([FakeTensor("w", "U8", (SIZE,), noise)])
    (folder / "model.safetensors").write_bytes(data)
    house.preserve("large", folder)
    house.downloads("large", "public")
    house.data = data
    return house


def largest(house) -> str:
    return max(
        (path for path in house.blobs.held if path.startswith("objects/")),
        key=lambda path: len(house.blobs.held[path]),
    )


def damage(house, at: int) -> None:
    path = largest(house)
    stored = bytearray(house.blobs.held[path])
    stored[at] ^= 1
    house.blobs.held[path] = bytes(stored)


def fetch(url: str, path: str = AT, **headers: str) -> tuple[int, bytes, bool]:
    """Return status, bytes, and whether they are as many as were announced."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read(), True
    except http.client.IncompleteRead as short:
        return answer.status, short.partial, False
    finally:
        connection.close()


def test_damage_in_mid_stream(large, server_of, shelf):
    """The connection ends short of what was announced, with right bytes only; log and steward are told, once."""
    damage(large, 13 << 20)
    with server_of(large.parts(shelf=shelf)) as server:
        for _ in range(2):
            status, got, whole = fetch(server.url)
            assert (status, whole) == (200, False)
            assert large.data.startswith(got)
            assert len(got) >= 4 << 20
        fetch(server.url, Range=f"bytes={14 << 20}-")
        wait_for(lambda: large.usage.totals().requests == 3)
    assert shelf.used() == 0
    (told,) = large.failures.at(HAND_OUT)
    assert (told.subject, told.error) == ("large", "archive.object_damaged")
    assert "model.safetensors" in told.next_step


def test_damage_at_the_very_end(large, server_of):
    """Also when only the last bytes are damaged, no client gets as many bytes as were announced."""
    path = largest(large)
    frames = len(large.blobs.held[path]) - 2000
    damage(large, frames)
    with server_of(large.parts()) as server:
        status, got, whole = fetch(server.url)
    assert (status, whole) == (200, False)
    assert large.data.startswith(got)


def test_damage_at_the_beginning(large, server_of):
    """What is damaged before anything was sent is an error with a sentence; the client raises its own."""
    damage(large, 1 << 20)
    with server_of(large.parts()) as server:
        answer = server.http(AT)
        assert answer.status == 500
        assert answer.headers["x-error-code"] == "archive.object_damaged"
        assert "The steward has been told" in answer.json["error"]
        assert server.http("/opus/resolve/main/config.json").status == 200
    assert large.failures.at(HAND_OUT)


def test_the_client_notices(large, server_of, tmp_path):
    """The official client raises, and keeps no file that it would take for whole."""
    damage(large, 13 << 20)
    with server_of(large.parts()) as server, pytest.raises((HfHubHTTPError, HTTPError)):
        server.api().hf_hub_download("large", "model.safetensors", cache_dir=tmp_path)
    blobs = tmp_path / "models--large" / "blobs"
    assert [path for path in blobs.iterdir() if not path.name.endswith(".incomplete")] == []


def test_a_store_that_is_away(large, server_of):
    """A store that gives up is answered with 503 and when to try again; nobody calls it damage."""

    def away(*_):
        raise StoreFailed("The store is away.", next_step="Wait.")

    large.blobs.get_range = away
    with server_of(large.parts()) as server:
        answer = server.http(AT)
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert large.failures.at(HAND_OUT) == []


def test_a_database_that_is_away(large, server_of):
    """What cannot be counted is not handed out."""

    def away(*_a, **_k):
        raise Unavailable("The database is away.", next_step="Wait.")

    large.usage.begin = away
    with server_of(large.parts()) as server:
        assert server.http(AT).status == 503


def test_a_missing_manifest(large, server_of):
    """A manifest that is gone from the store is said so, and is no crash."""
    for path in [path for path in large.blobs.held if path.startswith("manifests/large/")]:
        del large.blobs.held[path]
    with server_of(large.parts()) as server:
        answer = server.http("/api/models/large")
        assert answer.status == 404
        assert server.http("/api/models/opus").status == 200


def test_a_forged_manifest(large, server_of):
    """A manifest whose signature is not the house's is not served."""
    with server_of(large.parts()) as server:
        for path in [path for path in large.blobs.held if path.startswith("manifests/large/")]:
            if path.endswith(".sig"):
                large.blobs.held[path] = b"forged"
        assert server.http("/api/models/large").status == 500


def test_who_hangs_up_ends_the_work(large, server_of):
    """A caller who leaves frees the lane; what had been sent is counted, under 499; nothing more is decoded."""
    asked: list[int] = []
    get = large.blobs.get_range

    def counting(path, start, end):
        asked.append(end - start)
        return get(path, start, end)

    large.blobs.get_range = counting
    with server_of(large.parts(streams=1)) as server:
        where = urlsplit(server.url)
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            caller.connect((where.hostname, where.port))
            caller.sendall(f"GET {AT} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert caller.recv(1 << 16)
            time.sleep(0.3)
            before = sum(asked)
            assert before < SIZE  # who reads slowly is not read ahead for without bound
        wait_for(lambda: calls(large) == [499])
        assert sum(asked) - before < 8 << 20
        status, got, whole = fetch(server.url)
        assert (status, whole) == (200, True)
        assert got == large.data
        wait_for(lambda: calls(large) == [499, 200])
    assert len(large.data) <= large.usage.totals().bytes_out < 2 * len(large.data)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_download_under_way_ends_with_the_right_to_it(large, server_of, monkeypatch, is_closed):
    """Closing the weights or revoking the grant cuts it short of its length; it is counted as refused."""
    monkeypatch.setattr(download, "AGAIN", 0.0)
    large.downloads("large", "on-request")
    key = large.grant("large")
    with server_of(large.parts()) as server:
        where = urlsplit(server.url)
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            caller.connect((where.hostname, where.port))
            caller.sendall(f"GET {AT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
            got = len(caller.recv(1 << 16))
            if is_closed:
                large.downloads("large", "none")
            else:
                large.revoke()
            while piece := caller.recv(1 << 20):
                got += len(piece)
        assert got < SIZE
        wait_for(lambda: calls(large) == [403])
        assert server.http(AT, key=key).status == 403


def calls(house) -> list[int]:
    return [call.status for call in house.usage._calls.values() if call.status]


def test_too_many_at_once(large, server_of):
    """Who finds no room waits a little, is then told to come back; one caller takes no more than a share."""
    with server_of(large.parts(streams=2, patience=0.3)) as server:
        where = urlsplit(server.url)
        slow = socket.create_connection((where.hostname, where.port))
        slow.sendall(f"GET {AT} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert slow.recv(10)
        answer = server.http(AT)
        assert answer.status == 429
        assert answer.headers["retry-after"] == "3"
        assert "--max-workers" in answer.json["error"]
        assert server.http(AT, method="HEAD").status == 200
        large.downloads("large", "members")
        assert server.http(AT, key=large.member()).status == 200
        slow.close()


def test_who_waits_gets_the_room_that_is_left(large, server_of):
    """A lane that becomes free goes to whoever waits for one."""
    with server_of(large.parts(streams=1)) as server, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: fetch(server.url)[1] == large.data, range(4))) == [True] * 4


def test_lanes():
    """So many in all, a quarter of them for one caller, and a lane is free again when its holder leaves."""

    async def hold() -> None:
        lanes = Lanes(8, 0.01)

        async def full(caller: str, why: str) -> None:
            with pytest.raises(TooMany, match=why):
                async with lanes.lane(caller):
                    pass

        async with AsyncExitStack() as held:
            for caller in "aabbccdd":
                await held.enter_async_context(lanes.lane(caller))
            await full("a", "2 downloads from you")
            await full("e", "8 downloads are")
        assert lanes.busy == 0
        async with lanes.lane("a"), lanes.lane("a"):
            assert lanes.busy == 2

    asyncio.run(hold())


def test_many_at_a_time(large, server_of, shelf):
    """Several callers at once, with and without ranges, get right bytes; one restoration is kept."""

    def one(seed: int) -> bool:
        choice = random.Random(seed)
        if seed % 2:
            return fetch(server.url)[1] == large.data
        start = choice.randrange(SIZE)
        end = min(SIZE, start + choice.randrange(1, 6 << 20))
        return fetch(server.url, Range=f"bytes={start}-{end - 1}")[1] == large.data[start:end]

    with server_of(large.parts(shelf=shelf)) as server, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(16)))
    assert len([path for path in shelf.folder.iterdir() if path.name != ".lock"]) == 1


def test_the_pages_go_on(large, server_of):
    """While downloads wait for slow readers, what is small is answered at once."""
    with server_of(large.parts(streams=8)) as server:
        where = urlsplit(server.url)
        slow = []
        for _ in range(4):
            connection = socket.create_connection((where.hostname, where.port))
            connection.sendall(f"GET {AT} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            slow.append(connection)
        answers: list[int] = []
        asking = threading.Thread(
            target=lambda: answers.extend(server.http("/api/models").status for _ in range(20))
        )
        asking.start()
        asking.join(10)
        assert answers == [200] * 20
        for connection in slow:
            connection.close()


def wait_for(look, seconds: float = 10.0):
    """Wait until *look* is true; what follows an answer is written after it."""
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.01)

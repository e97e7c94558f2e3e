"""Object stores over S3's protocol: conditional, atomic, and clear about what went wrong."""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from obstore.store import AzureStore, GCSStore, S3Store

from emeritus.archive import BlobMissing, BlobUnreadable, StoreFailed, ingest, inspect, load, verify
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.ports import Put
from emeritus.core.errors import EmeritusError, InvalidInput
from emeritus.store.blobs import FolderBlobs, open_blobs

BRIEF = timedelta(milliseconds=300)


@pytest.fixture
def server(object_store):
    return object_store


@pytest.fixture
def blobs(server, bucket):
    return open_blobs(server.url(bucket), patience=timedelta(seconds=5))


def files(server, bucket):
    """What really lies in a bucket."""
    root = server.folder / bucket
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


# --- what every store promises, over the wire ----------------------------------------------------------


def test_what_is_put_comes_back(blobs, server, bucket):
    """A blob reads back whole and in ranges, lies under the prefix, and nothing else lies there."""
    assert blobs.put_if_absent("a/b", [b"hello ", bytearray(b"world"), memoryview(b"!")])
    assert b"".join(blobs.get("a/b")) == b"hello world!"
    assert blobs.get_range("a/b", 6, 11) == b"world"
    assert blobs.peek("a/b", 5) == (b"hello", 12)
    assert blobs.peek("a/b", 500) == (b"hello world!", 12)
    assert files(server, bucket) == ["emeritus/a/b"]
    assert list(blobs.list()) == ["a/b"]
    assert blobs.delete("a/b")
    assert not blobs.delete("a/b")
    assert files(server, bucket) == []


@pytest.mark.parametrize("check", [None, lambda read, size: read(0, size)], ids=["at once", "checked"])
@pytest.mark.parametrize("size", [0, 10, 11_000_000])
def test_the_first_writer_wins(blobs, size, check):
    """What is stored stays; a second put says so. Small and large, checked or not."""
    first, second = b"1" * size, b"2" * size
    assert blobs.put_if_absent("x", [first], check=check) is True
    assert blobs.put_if_absent("x", [second], check=check) is False
    assert b"".join(blobs.get("x")) == first
    blobs.replace("x", [second], check=check)
    assert b"".join(blobs.get("x")) == second
    assert blobs.peek("x", 4) == (second[:4], size)


def test_ranges_beyond_the_end(blobs):
    blobs.put_if_absent("x", [b"abc"])
    for start, end in ((0, 4), (3, 4), (5, 9)):
        with pytest.raises(BlobUnreadable):
            blobs.get_range("x", start, end)
    with pytest.raises(BlobMissing):
        blobs.get_range("y", 0, 1)


def test_several_at_once(blobs, server, bucket):
    blobs.put_if_absent("p/3", [b"old"])
    puts = [Put(f"p/{n}", [bytes([n]) * 100], lambda read, size: None) for n in range(20)]
    assert blobs.put_together(puts) == [n != 3 for n in range(20)]
    assert blobs.get_range("p/3", 0, 3) == b"old"
    assert len(files(server, bucket)) == 20


RACE = """
import sys
from emeritus.store.blobs import open_blobs
blobs = open_blobs(sys.argv[1])
print(flush=True)
sys.stdin.readline()
for check in (None, lambda read, size: read(0, size)):
    path = "at-once" if check is None else "checked"
    print(path, blobs.put_if_absent(path, [sys.argv[2].encode() * 300_000], check=check))
"""


def test_writers_of_several_processes_race(server, bucket):
    """Exactly one of them is told that it wrote the blob, and what is there is what that one wrote."""
    command = [sys.executable, "-c", RACE, server.url(bucket)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, letter], **pipes) for letter in "abc"]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    told = [line for writer in writers for line in writer.communicate(timeout=60)[0].split("\n") if line]
    assert sorted(told) == ["at-once False"] * 2 + ["at-once True"] + ["checked False"] * 2 + ["checked True"]
    blobs = open_blobs(server.url(bucket))
    assert all(len(set(b"".join(blobs.get(path)))) == 1 for path in ("at-once", "checked"))
    assert files(server, bucket) == ["emeritus/at-once", "emeritus/checked"]


def test_threads_race(blobs, server, bucket):
    """The condition is the store's own: nobody's look beforehand has to be right."""
    blobs.exists = lambda path: False
    start = threading.Barrier(6)
    won = []

    def put():
        start.wait()
        won.append(blobs.put_if_absent("same", [secrets.token_bytes(1000)], check=lambda read, size: None))

    threads = [threading.Thread(target=put) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]
    assert files(server, bucket) == ["emeritus/same"]


# --- what goes wrong -------------------------------------------------------------------------------------


def _every_way(blobs):
    return {
        "put": lambda: blobs.put_if_absent("x", [b"x"]),
        "put checked": lambda: blobs.put_if_absent("x", [b"x"], check=lambda read, size: None),
        "replace": lambda: blobs.replace("x", [b"x"]),
        "get": lambda: list(blobs.get("x")),
        "range": lambda: blobs.get_range("x", 0, 1),
        "size": lambda: blobs.size("x"),
        "exists": lambda: blobs.exists("x"),
        "list": lambda: list(blobs.list()),
        "sweep": blobs.sweep,
    }


WAYS = ("put", "put checked", "replace", "get", "range", "size", "exists", "list", "sweep")


@pytest.mark.parametrize("way", WAYS)
def test_no_bucket(server, way):
    """A bucket that is not there is named as that, not as many missing blobs."""
    url = server.url("x-bucket").replace("x-bucket", "no-such-bucket")
    blobs = open_blobs(url, patience=BRIEF)
    with pytest.raises(StoreFailed, match="no bucket"):
        _every_way(blobs)[way]()


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_key(server, bucket, way, monkeypatch):
    monkeypatch.setenv("WRONG_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("WRONG_SECRET_ACCESS_KEY", "else")
    blobs = open_blobs(server.url(bucket).replace("keys=OBJECT_STORE", "keys=WRONG"), patience=BRIEF)
    with pytest.raises(StoreFailed, match="with this key") as caught:
        _every_way(blobs)[way]()
    assert "else" not in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_listens(bucket, way, monkeypatch):
    monkeypatch.setenv("OBJECT_STORE_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("OBJECT_STORE_SECRET_ACCESS_KEY", "x")
    blobs = open_blobs(
        "s3://bucket?endpoint=http://127.0.0.1:1&region=us-east-1&keys=OBJECT_STORE", patience=BRIEF
    )
    with pytest.raises(StoreFailed, match="cannot be reached"):
        _every_way(blobs)[way]()


def test_a_store_that_does_not_answer(server, bucket):
    """It is given up after the patience that was given, in a sentence."""
    blobs = open_blobs(server.url(bucket), patience=timedelta(milliseconds=400))
    server.faults.append(lambda method, path: "stall")
    with pytest.raises(StoreFailed, match="took too long"):
        blobs.size("x")


def test_a_store_that_stumbles(blobs, server, bucket):
    """What fails in passing is asked for again: nobody notices."""
    count = [0]

    def every_third(method, path):
        count[0] += 1
        return 503 if count[0] % 3 == 0 else None

    server.faults.append(every_third)
    payload = secrets.token_bytes(7_000_000)
    blobs.put_if_absent("x", [payload], check=lambda read, size: read(0, size))
    assert b"".join(blobs.get("x")) == payload
    assert any(status for status in count)


def test_a_connection_that_breaks_off_in_mid_blob(server, bucket):
    """A blob that comes back half is an error, never a shorter blob."""
    blobs = open_blobs(server.url(bucket), patience=BRIEF)
    blobs.put_if_absent("x", [b"x" * 3_000_000])
    server.faults.append(lambda method, path: "cut" if method == "GET" else None)
    with pytest.raises(StoreFailed):
        b"".join(blobs.get("x"))
    with pytest.raises(StoreFailed):
        blobs.get_range("x", 0, 1_000_000)


@pytest.mark.parametrize("part", ["partNumber=2", "uploads", "uploadId", "copy", "read back"])
def test_a_store_that_fails_midway(server, bucket, part):
    """Whichever request of a large put fails for good: nothing is visible, and the next try succeeds."""
    blobs = open_blobs(server.url(bucket), patience=BRIEF)

    def fault(method, path):
        match part:
            case "copy":
                return 500 if method in ("PUT", "POST") and "/tmp/" not in path else None
            case "read back":
                return 500 if method == "GET" and "/tmp/" in path else None
        return 500 if method in ("PUT", "POST") and part in path else None

    server.faults.append(fault)
    payload = [bytes([n]) * 2_000_000 for n in range(6)]
    with pytest.raises(StoreFailed):
        blobs.put_if_absent("x", payload, check=lambda read, size: read(0, 10))
    server.faults.clear()
    assert not blobs.exists("x")
    assert list(blobs.list()) == []
    assert blobs.put_if_absent("x", payload, check=lambda read, size: read(0, 10))
    assert b"".join(blobs.get("x")) == b"".join(payload)


def test_an_ingest_over_a_store_that_fails(server, bucket, tmp_path):
    """An archive on such a store holds nothing half-written, and the next run completes it."""
    path = tmp_path / "model.safetensors"
    tensors = [FakeTensor(f"t{n}", "F32", (5000,), secrets.token_bytes(20_000)) for n in range(6)]
    path.write_bytes(safetensors_bytes(tensors))
    blobs = open_blobs(server.url(bucket), patience=BRIEF)
    seen = []

    def after_a_while(method, path):
        seen.append(path)
        return 500 if len(seen) > 30 else None

    server.faults.append(after_a_while)
    with pytest.raises(StoreFailed):
        ingest(inspect(path), "m", blobs, sign=lambda data: b"signed")
    server.faults.clear()
    assert not list(blobs.list("manifests"))
    stored = ingest(inspect(path), "m", blobs, sign=lambda data: b"signed")
    assert verify(load("m", stored.digest, blobs), blobs).is_sound


WRITE = """
import sys
from emeritus.store.blobs import open_blobs
blobs = open_blobs(sys.argv[1])
def chunks():
    for n in range(40):
        yield bytes([n]) * 1_000_000
        print(n, flush=True)
blobs.put_if_absent("x", chunks(), check=lambda read, size: None)
"""


@pytest.mark.parametrize("after", [0, 7, 20])
def test_killed_in_mid_upload(server, bucket, after):
    """SIGKILL: nothing is visible, and what is left behind is swept when it is old."""
    url = server.url(bucket)
    with subprocess.Popen([sys.executable, "-c", WRITE, url], stdout=subprocess.PIPE, text=True) as writer:
        while int(writer.stdout.readline()) < after:
            pass
        writer.send_signal(signal.SIGKILL)
    blobs = open_blobs(url)
    assert not blobs.exists("x")
    assert list(blobs.list()) == []
    left = server.file(bucket, "tmp/left-behind")
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half")
    assert blobs.sweep() == 0
    old = time.time() - 3 * 86400
    os.utime(left, (old, old))
    assert blobs.sweep() == 1
    assert not left.exists()


# --- addresses -------------------------------------------------------------------------------------------


def service_account() -> str:
    """Return a key as Google hands it out, of nobody."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "private_key": key.decode(),
            "private_key_id": "1",
            "client_email": "x@example.org",
            "type": "service_account",
        }
    )


def test_addresses(monkeypatch, tmp_path):
    """A folder, or a bucket of one of three kinds of services, with where it is and whose keys."""
    for name, value in {
        "HERE_ACCESS_KEY_ID": "k",
        "HERE_SECRET_ACCESS_KEY": "s",
        "HERE_ACCOUNT_NAME": "account",
        "HERE_ACCOUNT_KEY": "a2V5",
        "HERE_SERVICE_ACCOUNT_KEY": service_account(),
    }.items():
        monkeypatch.setenv(name, value)
    assert isinstance(open_blobs(tmp_path), FolderBlobs)
    s3 = open_blobs("s3://weights/emeritus?endpoint=https://store.example&region=eu-1&keys=HERE").store
    assert isinstance(s3, S3Store)
    assert s3.prefix == "emeritus"
    assert s3.config["bucket"] == "weights"
    assert s3.config["endpoint"] == "https://store.example"
    assert isinstance(open_blobs("gs://weights/emeritus?keys=HERE").store, GCSStore)
    azure = open_blobs("az://weights/emeritus?keys=HERE").store
    assert isinstance(azure, AzureStore)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("ftp://somewhere", "ftp"),
        ("s3://key:secret@bucket/x", "holds a key"),
        ("s3://bucket?endpiont=https://x", "endpiont"),
        ("s3://bucket?keys=NOBODY", "NOBODY"),
        ("gs://bucket?region=eu-1", "region"),
        ("s3://", "s3://"),
    ],
)
def test_addresses_that_cannot_be(address, says):
    """An address is refused by name, and a secret in it is not repeated."""
    with pytest.raises(InvalidInput, match=says) as caught:
        open_blobs(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 404, 409, 412, 416, 429, 500, 503])
def test_errors_are_ours(server, bucket, status):
    """Whatever the server answers with, it is an answer, or an error with a next step."""
    blobs = open_blobs(server.url(bucket), patience=timedelta(milliseconds=200))
    server.faults.append(lambda method, path: status)
    for ask in _every_way(blobs).values():
        with suppress(EmeritusError):
            ask()

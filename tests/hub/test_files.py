"""Files over plain HTTP: headers, conditions, ranges; hostile paths."""

import hashlib
import http.client
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emeritus.web.hub import ranges

NAME = "model-00001-of-00002.safetensors"
AT = f"/opus/resolve/main/{NAME}"


@pytest.fixture
def data(folder):
    return (folder / NAME).read_bytes()


@pytest.fixture
def etag(data):
    return f'"{hashlib.sha256(data).hexdigest()}"'


def test_head(server, house, data, etag):
    """HEAD tells everything that clients look for, and sends nothing."""
    answer = server.http(AT, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    told = answer.headers
    assert told["etag"] == told["x-linked-etag"] == etag
    assert told["x-linked-size"] == told["content-length"] == str(len(data))
    assert told["x-repo-commit"] == house.manifest.digest[7:47]
    assert told["accept-ranges"] == "bytes"
    assert not [name for name in told if name.lower().startswith("x-xet")]
    assert "location" not in told
    assert house.usage.totals().requests == 0


def test_get(server, house, data, etag):
    """GET has the same headers and the bytes; they are counted."""
    answer = server.http(AT)
    assert (answer.status, answer.body) == (200, data)
    assert answer.headers["etag"] == etag
    assert answer.headers["x-request-id"].startswith("get-")
    assert "attachment" in answer.headers["content-disposition"]
    wait_for(lambda: house.usage.totals(model="opus", key_id="anyone").bytes_out == len(data))
    assert house.usage.totals(model="opus").requests == 1


def test_usage_is_counted_under_the_key(server, house, data):
    """Who downloads how much is known to the house, and to nobody else."""
    house.downloads("opus", "members")
    key = house.member()
    server.http(AT, key=key, range="bytes=0-99")
    (record,) = house.keys.all()
    wait_for(lambda: house.usage.totals(key_id=record.id).bytes_out == 100)
    assert house.keys.get(record.id).last_used_at is not None


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=0-", 206, 0, None),
        ("bytes=1000000-1999999", 206, 1_000_000, 2_000_000),
        ("bytes=2000000-99999999", 206, 2_000_000, None),
        ("bytes=-17", 206, -17, None),
        ("bytes=-99999999", 206, 0, None),
        ("BYTES = 5-9", 206, 5, 10),
        ("bytes=9-5", 200, 0, None),
        ("bytes=a-b", 200, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("pages=1-2", 200, 0, None),
        ("bytes=", 200, 0, None),
        ("bytes=-", 200, 0, None),
        ("bytes=" + "9" * 30 + "-", 200, 0, None),
    ],
)
def test_ranges(server, data, asked, status, start, end):
    """One range is answered with it; what cannot be read, or is several, with the whole file."""
    answer = server.http(AT, range=asked)
    assert (answer.status, answer.body) == (status, data[start:end])
    if status == 206:
        first = start if start >= 0 else len(data) + start
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(data)}"
    assert server.http(AT, range=asked, method="HEAD").headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("asked", ["bytes=2800200-", "bytes=999999999999-", "bytes=-0"])
def test_a_range_behind_the_end(server, house, data, asked):
    """416, with the size; nothing is counted."""
    answer = server.http(AT, range=asked)
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(data)}")
    assert house.usage.totals().requests == 0


def test_an_empty_file(server):
    """A file of no bytes is a file; no range lies in it."""
    answer = server.http("/opus/resolve/main/empty.txt")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert server.http("/opus/resolve/main/empty.txt", range="bytes=0-").status == 416


def test_conditions(server, data, etag):
    """Who has it already is told so; a range of another state of the file is answered with the whole."""
    assert server.http(AT, If_None_Match=etag).status == 304
    assert server.http(AT, If_None_Match=f'"x", W/{etag}', method="HEAD").status == 304
    assert server.http(AT, If_None_Match="*").status == 304
    assert server.http(AT, If_None_Match='"x"').body == data
    assert server.http(AT, If_Match='"x"').status == 412
    assert server.http(AT, If_Match=etag).status == 200
    half = {"range": "bytes=10-19"}
    assert server.http(AT, If_Range=etag, **half).body == data[10:20]
    for other in ('"x"', f"W/{etag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        answer = server.http(AT, If_Range=other, **half)
        assert (answer.status, answer.body) == (200, data)


PIECES = st.one_of(st.none(), st.integers(0, 40))


@given(size=st.integers(0, 30), first=PIECES, last=PIECES)
def test_a_range_is_a_slice(size, first, last):
    """What is chosen is what the RFC says, for every range of every size: compared with slicing."""
    data = bytes(range(size))
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None and last is None:
        wanted = data
    elif first is None:
        wanted = data[-last:] if last else None
        wanted = wanted or None
    elif last is not None and last < first:
        wanted = data
    else:
        wanted = data[first : None if last is None else last + 1] or None
    try:
        part = ranges.choose({"range": text}, size, '"e"')
    except ranges.Unsatisfiable:
        assert wanted is None
    else:
        assert data[part.start : part.end] == wanted
        assert part.length == len(wanted)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 2_800_199), length=st.integers(1, 3_000_000))
def test_any_part_of_a_file(server, data, start, length):
    """Over HTTP too, whatever pieces the file is made of."""
    answer = server.http(AT, range=f"bytes={start}-{start + length - 1}")
    assert answer.body == data[start : start + length]


HOSTILE = [
    "/opus/resolve/main/../../../etc/passwd",
    "/opus/resolve/main/%2e%2e/%2e%2e/etc/passwd",
    "/opus/resolve/main/..%2f..%2fetc%2fpasswd",
    "/opus/resolve/main/%2fetc%2fpasswd",
    "/opus/resolve/main//etc/passwd",
    "/opus/resolve/main/config.json%00",
    "/opus/resolve/main/config.json/",
    "/opus/resolve/main/tokenizer",
    "/opus/resolve/main/" + "a" * 3000,
    "/opus/resolve/main/%0d%0aX-Injected:%20yes",
    "/opus/resolve/main/%C3%A4%E2%80%AE",
    "/opus/resolve/..%2f..%2fmain/config.json",
    "/opus/resolve/%00/config.json",
    "/..%2fopus/resolve/main/config.json",
    "/opus%2f..%2fopus/resolve/main/config.json",
    "/%00/resolve/main/config.json",
    "/opus/resolve/main/",
    "/a/b/c/resolve/main/config.json",
    "/api/models/..%2f..%2fopus",
    "/api/models/opus/tree/main/..%2f..",
    "/api/models/opus/tree/main/%00",
    "/api/models/opus/revision/..%2fmain",
    "/api/models/%0d%0a",
    "/api/models/opus/revision/",
    "/api/models//",
    "/api/models/opus/unknown/main",
    "/api/datasets/opus",
    "/api/nothing",
]


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_hostile_paths(server, path, method):
    """No path leads anywhere but to a file that the manifest names; each is answered with a 404 that is clean."""
    answer = raw(server, method, path)
    assert answer.status == 404
    assert "x-injected" not in {name.lower() for name, _ in answer.getheaders()}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/opus/resolve/main/" + "a" * 9000, 400),
        ("/opus/resolve/main/%ff%fe", 400),
        ("/api/models/%ff", 400),
    ],
)
def test_what_cannot_be_a_path(server, path, status):
    """Too long, or no text: said so."""
    assert raw(server, "GET", path).status == status


@pytest.mark.parametrize("path", ["/opus/resolve/main/config.json", "/api/models/opus", "/api/models"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_reading_only(server, path, method):
    """Nothing can be changed here."""
    assert raw(server, method, path).status in (404, 405)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"paths": ["config.json", "x"], "expand": true}', 200),
        ("application/json", b'{"paths": "config.json"}', 200),
        ("application/x-www-form-urlencoded", b"paths=config.json&expand=True", 200),
        ("application/json", b"[" * 10_000, 400),
        ("application/json", b'{"paths": 7}', 400),
        ("application/x-www-form-urlencoded", b"paths=\xff", 400),
        ("application/x-www-form-urlencoded", b"paths=a&" * 300_000, 400),
        ("application/x-www-form-urlencoded", b"paths=a&" * 20_000, 400),
    ],
)
def test_lists_of_paths(server, kind, body, status):
    """A list of paths comes as a form or as JSON, and is bounded."""
    answer = server.http("/api/models/opus/paths-info/main", data=body, method="POST", content_type=kind)
    assert answer.status == status
    if status == 200:
        assert [entry["path"] for entry in answer.json] == ["config.json"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    method=st.sampled_from(["GET", "HEAD"]),
)
def test_any_path_is_answered(server, path, method):
    """Whatever is asked below the Hub's paths, it is answered without a fault of ours."""
    for prefix in ("/api/models/", "/opus/resolve/", "/"):
        answer = raw(server, method, prefix + path.replace("#", "").replace("?", "%3F"))
        assert answer.status < 500


def raw(server, method, path):
    """Ask for a path exactly as it is written."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def wait_for(look, seconds: float = 5.0):
    """Wait until *look* is true; what follows an answer is written after it."""
    import time

    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.01)

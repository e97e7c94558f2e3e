"""What lies outside is fetched within bounds, and nobody aims it at what lies inside."""

import ipaddress
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from emeritus.core.errors import InvalidInput, NotPermitted, Unavailable
from emeritus.process.fakes import MemoryFetch
from emeritus.process.ports import Fetched
from emeritus.store import fetch as module
from emeritus.store.fetch import AddressRefused, SafeFetch

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        match self.path.partition("?")[0]:
            case "/feed":
                self.answer(200, b"<feed/>", **{"Content-Type": "application/atom+xml"})
            case "/echo":
                self.answer(200, f"{self.path} {self.headers['User-Agent']} {self.headers['Host']}".encode())
            case "/big":
                self.answer(200, b"x" * 3000)
            case "/packed":
                self.answer(200, b"xx", **{"Content-Encoding": "gzip"})
            case "/away":
                self.answer(302, b"", Location=self.server.leads_to)
            case "/round":
                self.answer(302, b"", Location="/round")
            case "/drip":
                self.send_response(200)
                self.end_headers()
                while not self.server.stopping.wait(0.05):
                    self.wfile.write(b".")
                    self.wfile.flush()
            case "/hangs":
                self.server.stopping.wait(20)
            case _:
                self.answer(404, b"no")

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/away":
            self.answer(307, b"", Location="/echo")
        else:
            self.answer(202, data + self.headers["X-Signature"].encode())

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def running():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.stopping = threading.Event()
    server.handle_error = lambda *_: None  # a client that hangs up is what some tests are about
    server.leads_to = ""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def at(running):
    return lambda path: f"http://127.0.0.1:{running.server_port}{path}"


@pytest.fixture
def outside():
    return SafeFetch(inside=LOOPBACK, agent="Emeritus/9", most_bytes=2000, seconds=20)


@pytest.fixture(params=["real", "fake"])
def any_fetch(request, at, outside):
    """The real one and the public fake, which keep the same contract."""
    if request.param == "real":
        return outside
    answers = {at("/feed"): Fetched(at("/feed"), 200, "application/atom+xml", b"<feed/>")}
    answers[at("/hook")] = Fetched(at("/hook"), 202, "", b"{}abc")
    return MemoryFetch({**answers, at("/none"): Fetched(at("/none"), 404, "", b"no")})


def test_what_is_there_is_fetched(any_fetch, at):
    found = any_fetch.get(at("/feed"), accept="application/atom+xml")
    assert (found.url, found.ok, found.content_type, found.data) == (
        at("/feed"), True, "application/atom+xml", b"<feed/>",
    )  # fmt: skip
    assert not any_fetch.get(at("/none")).ok


def test_what_is_posted_arrives(any_fetch, at):
    headers = {"X-Signature": "abc"}
    answer = any_fetch.post(at("/hook"), b"{}", content_type="application/json", headers=headers)
    assert (answer.status, answer.data) == (202, b"{}abc")


@pytest.mark.parametrize("url", ["", "ftp://example.org/", "file:///etc/passwd", "//example.org", "gopher:x"])
def test_only_the_web_is_reached(any_fetch, url):
    with pytest.raises(InvalidInput):
        any_fetch.get(url)


def test_nobody_there_is_told(any_fetch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="does not answer"):
            any_fetch.get(f"http://127.0.0.1:{unused.getsockname()[1]}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@example.org/",
        "http://example.org:22/",
        "http://example.org/\r\nX: y",
        "http://exa mple.org/",
        "http://[::1",
        "http://example.org:99999/",
        f"http://example.org/{'x' * 2000}",
        f"http://{'x' * 70}.org/",
    ],
)
def test_an_address_that_is_none_is_refused_and_no_password_repeated(outside, url):
    with pytest.raises(InvalidInput) as refused:
        outside.get(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "[::1]", "[::]", "[fe80::1]", "[fd00::1]",
        "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]", "localhost",
    ],
)  # fmt: skip
def test_what_lies_inside_is_out_of_reach(host):
    """Whichever way an address is written."""
    with pytest.raises((AddressRefused, Unavailable)) as refused:
        SafeFetch(seconds=20).get(f"http://{host}:8080/")
    if isinstance(refused.value, Unavailable):  # this machine's resolver does not know that spelling
        assert isinstance(refused.value.__cause__, socket.gaierror)


def test_a_name_is_looked_up_once(outside, at, monkeypatch):
    """A name that changes its mind after it was looked at leads nowhere else."""
    asked = []

    def resolve(host, port, *_, **__):
        asked.append(host)
        found = "127.0.0.1" if len(asked) == 1 else "10.9.9.9"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    real = socket.create_connection
    monkeypatch.setattr(module.socket, "getaddrinfo", resolve)
    reached = []
    monkeypatch.setattr(
        module, "_connect", lambda found, port, _: reached.append(found) or _plain(found[0], port)
    )
    monkeypatch.setattr(socket, "create_connection", real)
    port = at("/").split(":")[2].strip("/")
    assert outside.get(f"http://feeds.example:{port}/echo").data.endswith(f"feeds.example:{port}".encode())
    assert asked == ["feeds.example"]
    assert [str(each) for each in reached[0]] == ["127.0.0.1"]


def _plain(address, port):
    connected = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connected.connect((str(address), port))
    return connected


def test_a_redirect_is_followed_as_strictly(outside, running, at):
    running.leads_to = "/echo?a=é"
    assert outside.get(at("/away")).data.startswith(b"/echo?a=%C3%A9 Emeritus/9 ")
    running.leads_to = "http://10.0.0.1/"
    with pytest.raises(NotPermitted, match="no public address"):
        outside.get(at("/away"))
    running.leads_to = "file:///etc/passwd"
    with pytest.raises(InvalidInput):
        outside.get(at("/away"))
    with pytest.raises(InvalidInput, match="on and on"):
        outside.get(at("/round"))


def test_a_post_is_sent_nowhere_else(outside, at):
    assert outside.post(at("/away"), b"{}", content_type="application/json").status == 307


def test_bytes_and_time_are_bounded(outside, at):
    with pytest.raises(InvalidInput, match="more than 2000 bytes"):
        outside.get(at("/big"))
    with pytest.raises(InvalidInput, match="compressed"):
        outside.get(at("/packed"))
    hasty = SafeFetch(inside=LOOPBACK, seconds=0.5)
    for path in ("/drip", "/hangs"):
        with pytest.raises(Unavailable, match=r"within 0\.5 seconds"):
            hasty.get(at(path))


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch):
    hanging = threading.Event()

    def hang(*_, **__):
        hanging.wait(20)
        return []

    monkeypatch.setattr(module.socket, "getaddrinfo", hang)
    try:
        with pytest.raises(Unavailable, match="within"):
            SafeFetch(seconds=0.2).get("https://example.org/")
    finally:
        hanging.set()


def certificate(folder, name):
    """A certificate for *name*, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_certificates_are_checked_for_the_name_that_was_asked(tmp_path):
    file = certificate(tmp_path, "localhost")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    server.socket = serving.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        trusting = SafeFetch(
            inside=[*LOOPBACK, ipaddress.ip_network("::1/128")], tls=ssl.create_default_context(cafile=file)
        )
        assert trusting.get(f"https://localhost:{server.server_port}/feed").data == b"<feed/>"
        with pytest.raises(Unavailable):
            trusting.get(f"https://127.0.0.1:{server.server_port}/feed")
        with pytest.raises(Unavailable):
            SafeFetch(inside=LOOPBACK).get(f"https://localhost:{server.server_port}/feed")
    finally:
        server.shutdown()
        server.server_close()

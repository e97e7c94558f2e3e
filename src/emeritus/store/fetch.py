"""Fetching what lies outside (feeds, webhooks), so that nobody can aim it at what lies inside.

A host's name is resolved once, each of its addresses is looked at, and the connection goes to the very address
that was looked at: a name that resolves to something else a moment later gains nothing. Redirects are
followed by hand, each as strictly as the first address. No proxy, no cookie, no compression.
"""

import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Self
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from attrs import frozen

from emeritus.core.errors import InvalidInput, NotPermitted, Unavailable
from emeritus.process.ports import Fetched

MOST_REDIRECTS = 5
MOST_BYTES = 4 << 20
SECONDS = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = frozenset({80, 443})
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_FIELD = re.compile(r"[\t\x20-\x7e]*")
_CHUNK = 1 << 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(NotPermitted):
    """An address outside leads to a place that nobody there has named to be reached: this machine, or its network."""

    id = "fetch.address_refused"


@frozen
class SafeFetch:
    """`emeritus.process.ports.Fetch` over real connections.

    Args:
        inside: private networks that may be reached all the same; public addresses always may.
        agent: what this program calls itself.
        most_bytes: of an answer.
        seconds: for all of it: resolving, connecting, redirects, and the last byte.
        tls: how certificates are checked; None as this machine does it.
    """

    inside: Sequence[Network] = ()
    agent: str = "Emeritus"
    most_bytes: int = MOST_BYTES
    seconds: float = SECONDS
    tls: ssl.SSLContext | None = None

    def get(self, url: str, *, accept: str = "*/*") -> Fetched:
        with _Deadline(self.seconds) as deadline:
            target = _checked(url)
            for _ in range(MOST_REDIRECTS + 1):
                answer, onward = self._ask(deadline, "GET", target, None, {"Accept": accept})
                if onward is None:
                    return answer
                following = _checked(urljoin(target.geturl(), onward))
                if target.scheme == "https" and following.scheme != "https":
                    raise InvalidInput(
                        f"{_shown(target)} leads from https to http.",
                        next_step="Name the address that it leads to, if it is to be trusted.",
                    )
                target = following
        raise InvalidInput(
            f"{_shown(_checked(url))} leads on and on.",
            next_step="Name the address that it should lead to.",
        )

    def post(
        self, url: str, data: bytes, *, content_type: str, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        given = {**(headers or {}), "Content-Type": content_type}
        with _Deadline(self.seconds) as deadline:
            answer, _ = self._ask(deadline, "POST", _checked(url), data, given)
        return answer

    def _ask(
        self,
        deadline: "_Deadline",
        method: str,
        target: SplitResult,
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[Fetched, str | None]:
        """Return the answer, and where it leads on to if it does."""
        for name, value in headers.items():
            if not _FIELD.fullmatch(value):
                raise InvalidInput(f"The header {name} cannot be sent.", next_step="Use plain ASCII.")
        path = quote(target.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(target.query, safe='/%:@!$&()*+,;=~-._?')}" if target.query else ""
        sent = {"User-Agent": self.agent, "Accept-Encoding": "identity", "Connection": "close", **headers}
        with _troubles(target, deadline), self._connection(deadline, target) as connection:
            connection.request(method, path + query, body=data, headers=sent)
            response = connection.getresponse()
            if (
                method == "GET"
                and response.status in _REDIRECTS
                and (place := response.getheader("Location"))
            ):
                return Fetched(target.geturl(), response.status, "", b""), place
            if response.getheader("Content-Encoding", "identity").lower() not in ("identity", ""):
                raise InvalidInput(
                    f"{_shown(target)} answers in a compressed form that was not asked for.",
                    next_step="Have its server send it plainly.",
                )
            body = self._body(response, target, deadline)
            kind = response.getheader("Content-Type", "")[:200]
            return Fetched(target.geturl(), response.status, kind, body), None

    def _body(self, response: http.client.HTTPResponse, target: SplitResult, deadline: "_Deadline") -> bytes:
        body = bytearray()
        while piece := response.read(_CHUNK):
            body += piece
            if len(body) > self.most_bytes:
                raise InvalidInput(
                    f"{_shown(target)} answers with more than {self.most_bytes} bytes.",
                    next_step="Name a smaller document.",
                )
        if deadline.passed:  # a connection that was cut looks like the end
            raise TimeoutError
        return bytes(body)

    @contextmanager
    def _connection(self, deadline: "_Deadline", target: SplitResult) -> Iterator[http.client.HTTPConnection]:
        host = target.hostname or ""
        port = target.port or (443 if target.scheme == "https" else 80)
        allowed = [each for each in _resolve(host, port, deadline) if self._may_reach(each)]
        if not allowed:
            raise AddressRefused(
                f"{_shown(target)} is no public address.",
                next_step="Name a public one; or let its network in with the setting fetch_networks.",
            )
        plain = _connect(allowed, port, deadline)
        deadline.watch(plain)
        kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
        connection = kind(host, port)
        try:
            if target.scheme == "https":
                context = self.tls or _default_tls()
                secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
                connection.sock = secured
                deadline.watch(secured)
                secured.do_handshake()
            else:
                connection.sock = plain
            yield connection
        finally:
            deadline.unwatch()
            connection.close()
            plain.close()

    def _may_reach(self, address: Address) -> bool:
        return all(
            (each.is_global and not each.is_multicast)
            or any(each.version == network.version and each in network for network in self.inside)
            for each in _means(address)
        )


@lru_cache(maxsize=1)
def _default_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Deadline:
    """A time by which all has to be over: a connection that is still busy then is cut.

    A thread of its own cuts it, because an answer that trickles in never keeps a single read waiting for long.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self.given = seconds
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    @property
    def left(self) -> float:
        """How many seconds there are still. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected
        if self.passed:
            self._cut()

    def unwatch(self) -> None:
        with self._lock:
            self._socket = None

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                # Below TLS, whose own state belongs to the thread that reads.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _checked(url: str) -> SplitResult:
    """Return *url* in its parts when it may be asked for at all. Raises InvalidInput."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        parts, port, host = urlsplit(""), None, ""
    wrong = ""
    if parts.scheme not in ("http", "https") or not host or _UNSAFE.search(url) or len(url) > 2000:
        wrong = "is no web address"
    elif parts.username is not None or parts.password is not None:
        wrong = "holds a name or a password"
    elif port is not None and port not in _PORTS and port < 1024:
        wrong = "names a port that no web server has"
    if wrong:
        raise InvalidInput(
            f"{url.rpartition('@')[2][:120]!r} {wrong}.", next_step="Write it as https://HOST/PATH."
        )
    bracketed = f"[{host}]" if ":" in host else host
    return parts._replace(netloc=bracketed + (f":{port}" if port is not None else ""), fragment="")


def _shown(target: SplitResult) -> str:
    return f"{target.scheme}://{target.netloc}{target.path}"[:200]


def _resolve(host: str, port: int, deadline: _Deadline) -> list[Address]:
    """Return the addresses of *host*. The resolver has no time limit of its own, so it waits in a thread."""
    answers: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found])
        except OSError as why:
            answers.put(why)
        except (UnicodeError, ValueError):
            answers.put(OSError("no host of this name"))

    threading.Thread(target=ask, daemon=True, name="emeritus-resolver").start()
    try:
        answer = answers.get(timeout=deadline.left)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return list(dict.fromkeys(answer))


def _connect(addresses: Sequence[Address], port: int, deadline: _Deadline) -> socket.socket:
    refused: OSError = OSError("no address")
    for address in addresses:
        try:
            return socket.create_connection((str(address), port), timeout=deadline.left / len(addresses))
        except OSError as why:
            refused = why
    raise refused


def _means(address: Address) -> list[Address]:
    """Return *address* and every IPv4 address that routers may read out of it."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        found += [each for each in (address.sixtofour, *(address.teredo or ())) if each is not None]
        if address in ipaddress.ip_network("64:ff9b::/96"):
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


@contextmanager
def _troubles(target: SplitResult, deadline: _Deadline) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as why:
        late = deadline.passed or isinstance(why, TimeoutError)
        what = f"did not answer within {deadline.given:g} seconds" if late else "does not answer"
        raise Unavailable(
            f"{_shown(target)} {what}.", next_step="Look whether it can be reached from this machine."
        ) from why

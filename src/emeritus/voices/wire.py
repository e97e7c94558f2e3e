"""HTTP to an engine: whole answers for `speak` (threads), raw relays for `request` (asyncio).

Both are bounded in time and size, follow no redirect and use no proxy from the environment.
"""

import asyncio
import contextlib
import http.client
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from attrs import define, field

from emeritus.voices.errors import BadReply, VoiceError, VoiceTimeout

if TYPE_CHECKING:
    import aiohttp

MiB = 2**20
WHOLE_LIMIT = 8 * MiB
RELAY_LIMIT = 256 * MiB
KEEP_SECONDS = 15.0

_PASS_ON = frozenset({"content-type", "accept", "anthropic-version", "anthropic-beta"})
_PASS_BACK = frozenset(
    {
        "content-type",
        "content-length",
        "cache-control",
        "retry-after",
        "request-id",
        "x-request-id",
        "x-should-retry",
        "x-emeritus-fault",
    }
)

Lost = Callable[[], VoiceError]


@define
class Timer:
    """Cuts a connection when its time is over, however slowly the other side drips."""

    seconds: float
    expired: bool = False
    _timer: threading.Timer | None = None

    def watch(self, sock: socket.socket) -> None:
        def cut() -> None:
            self.expired = True
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

        self._timer = threading.Timer(self.seconds, cut)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def exchange(
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    who: str,
    seconds: float,
    lost: Lost,
    limit: int = WHOLE_LIMIT,
) -> tuple[int, bytes]:
    """POST *body* (GET without one) and return status and whole body.

    Args:
        url: where; its scheme decides about TLS.
        body: what to send; None for GET.
        headers: sent as they are.
        who: the one addressed, for error sentences.
        seconds: for the whole exchange.
        lost: makes the error for a connection that fails or breaks off.
        limit: most bytes of an answer.

    Raises:
        VoiceTimeout: when *seconds* are over.
        BadReply: for a redirect, an answer that is too long or no HTTP at all.
    """
    at = urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.hostname or "", at.port, timeout=seconds)
    timer = Timer(seconds)
    try:
        connection.connect()
        assert connection.sock is not None
        timer.watch(connection.sock)
        path = at.path + (f"?{at.query}" if at.query else "")
        connection.request(
            "GET" if body is None else "POST",
            path,
            body,
            {**headers, "connection": "close", "accept-encoding": "identity"},
        )
        answer = connection.getresponse()
        data = answer.read(limit + 1)
        status = answer.status
        broken_off = answer.length not in (0, None) and len(data) <= limit
    except (OSError, http.client.HTTPException, ValueError) as why:
        if timer.expired or isinstance(why, TimeoutError):
            raise too_slow(who, seconds) from None
        if isinstance(why, http.client.HTTPException) and not isinstance(
            why, http.client.RemoteDisconnected | http.client.IncompleteRead
        ):
            raise BadReply(
                f"What {who} sent is not HTTP.", next_step="Check that it is the engine that answers there."
            ) from None
        raise lost() from None
    finally:
        timer.stop()
        connection.close()
    if timer.expired:
        raise too_slow(who, seconds)
    if broken_off:
        raise lost()
    if len(data) > limit:
        raise too_long(who, limit)
    if 300 <= status < 400:
        raise redirected(who)
    return status, data


@define
class Relayed:
    """A raw answer that arrives over aiohttp."""

    status: int
    headers: Mapping[str, str]
    _response: "aiohttp.ClientResponse"
    _who: str
    _seconds: float
    _lost: Lost
    whole: bool = field(default=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        import aiohttp  # noqa: PLC0415 - the room imports fast without it

        total = 0
        try:
            async for chunk in self._response.content.iter_any():
                total += len(chunk)
                if total > RELAY_LIMIT:
                    raise too_long(self._who, RELAY_LIMIT)
                yield chunk
        except TimeoutError:
            raise too_slow(self._who, self._seconds) from None
        except (aiohttp.ClientError, OSError):
            raise self._lost() from None
        self.whole = True


@asynccontextmanager
async def relay(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    who: str,
    seconds: float,
    lost: Lost,
    keep: bool = False,
) -> AsyncIterator[Relayed]:
    """POST *body* and hand the answer through as it comes. *seconds* bound the silence between bytes.

    With *keep* the connection is used again for later calls. The other side may have ended one that lay
    idle, just then: such a call is sent once more, on a new connection, as nothing of an answer had come.
    """
    import aiohttp  # noqa: PLC0415

    async def post(*, keep: bool) -> aiohttp.ClientResponse:
        return await (await _session(keep=keep)).post(
            url,
            data=body,
            headers={**headers, "accept-encoding": "identity"},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds),
        )

    try:
        try:
            response = await post(keep=keep)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError, aiohttp.ClientOSError):
            if not keep:
                raise
            response = await post(keep=False)
    except TimeoutError:
        raise too_slow(who, seconds) from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise lost() from None
    try:
        if 300 <= response.status < 400:
            raise redirected(who)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BadReply(
                f"{who} answered in an encoding that was not asked for.",
                next_step="Have it answer without compression; none was asked for.",
            )
        back = {name.lower(): value for name, value in response.headers.items() if name.lower() in _PASS_BACK}
        yield Relayed(response.status, back, response, who, seconds, lost)
    finally:
        response.close()  # before its end this hangs up, so that the engine stops; at its end it does nothing


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of a caller's headers may travel on to an engine."""
    sent = {name.lower(): value for name, value in headers.items() if name.lower() in _PASS_ON}
    sent.setdefault("content-type", "application/json")
    return sent


_Held: TypeAlias = "tuple[aiohttp.ClientSession, AsyncGenerator[aiohttp.ClientSession]]"
_sessions: dict[asyncio.AbstractEventLoop, dict[bool, _Held]] = {}


async def _session(*, keep: bool) -> "aiohttp.ClientSession":
    """Return this event loop's session; it is closed when the loop ends."""
    mine = _sessions.setdefault(asyncio.get_running_loop(), {})
    if keep not in mine:
        opened = _opened(keep=keep)
        mine[keep] = await anext(opened), opened
    return mine[keep][0]


async def _opened(*, keep: bool) -> "AsyncGenerator[aiohttp.ClientSession]":
    """Hold a session open, until asyncio ends the generators of its loop: nobody else hears that a loop ends."""
    import aiohttp  # noqa: PLC0415

    # llama.cpp ends the connection after a stream without saying so: for it, none is kept.
    connector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS)
        if keep
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
    try:
        yield session
    finally:
        _sessions.pop(asyncio.get_running_loop(), None)
        await session.close()


def too_slow(who: str, seconds: float) -> VoiceTimeout:
    return VoiceTimeout(
        f"{who} gave no whole answer within {seconds:g} seconds.",
        next_step="Call again, ask for fewer tokens, or allow more time.",
    )


def too_long(who: str, limit: int) -> BadReply:
    return BadReply(
        f"{who} sent more than {limit // MiB} MiB, which is no answer.",
        next_step="Ask for fewer tokens; nothing was kept.",
    )


def redirected(who: str) -> BadReply:
    return BadReply(
        f"{who} answered with a redirect.", next_step="Give the address that it really has; none is followed."
    )

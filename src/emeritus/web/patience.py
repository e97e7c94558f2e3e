"""How long the server waits for whoever is slow on purpose: heads that drip, and answers that nobody reads.

Bodies are bounded where they are read (`emeritus.web.gateway.asked`); connections that wait for a next request
are uvicorn's own business.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS: Final = 10.0
HEAD_BYTES: Final = 64 * 1024
READER_SECONDS: Final = 60.0
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol
else:
    _Protocol = AutoHTTPProtocol


class Patience(_Protocol):
    """Uvicorn's protocol, which waits for a whole head, and for a reader, only so long.

    The head of each request has *head_seconds* from the connection, or from its own first byte, and at most
    *head_bytes*. A caller who takes nothing of an answer for *reader_seconds* is let go.
    """

    head_seconds = HEAD_SECONDS
    head_bytes = HEAD_BYTES
    reader_seconds = READER_SECONDS

    _head_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._reader_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._head_came()
        elif self.cycle is None or self.cycle.response_complete:
            self._head_size += len(data)
            if self._head_size > self.head_bytes:
                self._turn_away(_TOO_LARGE)
            elif self._head_timer is None:
                self._expect_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_timer = self.loop.call_later(self.reader_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._reader_came()
        super().resume_writing()

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._turn_away, _TOO_SLOW)

    def _head_came(self) -> None:
        self._head_size = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _reader_came(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _turn_away(self, answer: bytes) -> None:
        self._head_came()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

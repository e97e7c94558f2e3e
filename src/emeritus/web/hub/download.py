"""A file on its way to whoever asked: restored piece by piece, counted; who hangs up ends the work.

The last piece leaves only after all of them were found sound. When that fails, or the caller may have the weights no
longer, the connection ends short of the length that was announced: no client takes that for the file.
"""

import asyncio
import time
from collections.abc import Generator, Mapping

import anyio
import anyio.to_thread
import structlog
from attrs import define, field
from starlette.types import Receive, Scope, Send

from emeritus.archive import reading
from emeritus.core.errors import EmeritusError, IntegrityError
from emeritus.web.hub import answers
from emeritus.web.hub.door import Door, Handed
from emeritus.web.hub.lanes import Lanes
from emeritus.web.hub.parts import Parts
from emeritus.web.hub.ranges import Part

HUNG_UP = 499
AGAIN = 2.0
"""Seconds after which it is asked again whether a download may go on: a grant may have been revoked meanwhile."""
log = structlog.get_logger("emeritus.hub")


@define(eq=False)
class Download:
    """An ASGI application that answers one GET."""

    parts: Parts
    door: Door
    lanes: Lanes
    handed: Handed
    part: Part
    request_id: str
    key_text: str | None
    caller: str
    sent: int = 0
    status: int = 0
    counted: bool = False
    failed: bool = False
    began: float = field(factory=time.monotonic)
    _pieces: Generator[bytes, None, None] | None = None
    _job: "asyncio.Future[bytes | None] | None" = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = asyncio.create_task(self._answer(scope, receive, send))
        leaving = asyncio.create_task(_hang_up(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            with anyio.CancelScope(shield=True):
                for task in (answering, leaving):
                    task.cancel()
                await asyncio.wait({answering, leaving})
                await self._write_down()
        if not answering.cancelled() and (why := answering.exception()) is not None:
            raise why

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self.lanes.lane(self.caller):
                await anyio.to_thread.run_sync(self.door.begin, self.request_id, self.handed, self.key_text)
                self.counted = True
                try:
                    await self._stream(send)
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._stop()
        except EmeritusError as error:
            self.failed = True
            begun, self.status = self.status, error.status
            await self._tell(error)
            if not begun:  # else the answer stays short, and the server ends the connection
                await answers.failed(error)(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        self._pieces = self._read()
        piece = await self._next()
        await self._start(send)
        asked = self.began
        while piece is not None:
            if time.monotonic() - asked >= AGAIN:
                await anyio.to_thread.run_sync(self.door.still, self.handed, self.key_text)
                asked = time.monotonic()
            self._ask()
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.sent += len(piece)
            piece = await self._next()
        await send({"type": "http.response.body", "body": b""})

    def _read(self) -> Generator[bytes, None, None]:
        repository, file, part = self.handed.repository, self.handed.file, self.part
        manifest = repository.snapshot.manifest
        return reading.read(manifest, file.name, self.parts.blobs, self.parts.shelf, part.start, part.end)

    def _ask(self) -> None:
        """Have the next piece made, while another is sent."""
        if self._job is None:
            assert self._pieces is not None
            pieces = self._pieces
            self._job = self.lanes.work(lambda: next(pieces, None))

    async def _next(self) -> bytes | None:
        self._ask()
        assert self._job is not None
        piece = await asyncio.shield(self._job)
        self._job = None
        return piece

    async def _stop(self) -> None:
        """Let go of the archive. A piece that is being made is waited for: a thread cannot be stopped."""
        if self._job is not None:
            await asyncio.wait({self._job})
            if not self._job.cancelled():
                self._job.exception()
            self._job = None
        if self._pieces is not None:
            await self.lanes.work(self._pieces.close)

    async def _start(self, send: Send) -> None:
        self.status = 206 if self.part.partial else 200
        headers: Mapping[str, str] = {
            **answers.file_headers(self.handed.file, self.handed.repository.snapshot.commit, self.part),
            "x-request-id": self.request_id,
        }
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})

    async def _tell(self, error: EmeritusError) -> None:
        """Tell the log, and the steward when it is the archive that is damaged."""
        model, file = self.handed.repository.model.id, self.handed.file.name
        told = log.bind(request=self.request_id, model=model, file=file, sent=self.sent, error=error.id)
        if not isinstance(error, IntegrityError):
            told.warning("a download failed", why=error.sentence)
            return
        told.error("a file could not be given", why=error.sentence)
        try:
            await anyio.to_thread.run_sync(self.door.report, model, file, error)
        except Exception:  # noqa: BLE001 - the caller is told all the same
            told.exception("damage could not be shown to the steward")

    async def _write_down(self) -> None:
        if not self.counted:
            return
        whole = self.status < 300 and self.sent == self.part.length
        status = self.status if whole or self.failed else HUNG_UP
        seconds = round(time.monotonic() - self.began, 6)
        told = log.bind(
            request=self.request_id,
            key=self.handed.admission.key_id,
            model=self.handed.repository.model.id,
            file=self.handed.file.name,
            sent=self.sent,
            seconds=seconds,
            status=status,
        )
        try:
            await anyio.to_thread.run_sync(
                lambda: self.door.leave(self.request_id, sent=self.sent, seconds=seconds, status=status)
            )
        except Exception:  # noqa: BLE001 - the bytes are gone already
            told.exception("a download could not be counted")
        else:
            told.info("download")


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

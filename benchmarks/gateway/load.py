"""A caller that takes little of the processor: HTTP/1.1 over plain sockets, one call after the other on each.

It reads what it has to: status, the body's end (by length or by the last chunk), and what was counted.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress

from attrs import define, field, frozen


@frozen
class Target:
    """Where calls go, and as whom."""

    name: str
    port: int
    model: str
    key: str
    path: str = "/v1/chat/completions"

    def request(self, **more) -> bytes:
        body = json.dumps(
            {"model": self.model, "messages": [{"role": "user", "content": "What do you remember?"}], **more}
        ).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@define
class Run:
    """What a run of calls took: seconds each, and from its beginning to its end."""

    took: list[float] = field(factory=list)
    wrong: list[str] = field(factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.took) / self.seconds

    def at(self, share: float) -> float:
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@define
class Streamed:
    """A streamed answer: its pieces with words in them, and when the first and the last of them came."""

    status: int
    pieces: int = 0
    first: float = 0.0
    last: float = 0.0
    tail: bytes = b""

    @property
    def whole(self) -> bool:
        return self.status == 200 and b"[DONE]" in self.tail

    @property
    def rate(self) -> float:
        """Pieces a second, from the first to the last."""
        return (self.pieces - 1) / (self.last - self.first)


class Caller:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, request: bytes) -> tuple[int, bytes]:
        """Send *request*; return status and whole body, chunks put together."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        assert self._reader is not None
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in head:
            body = await self._chunks()
        else:
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await self._reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return status, body

    async def _chunks(self) -> bytes:
        assert self._reader is not None
        parts = []
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            part = await self._reader.readexactly(size + 2)
            if not size:
                return b"".join(parts)
            parts.append(part[:-2])

    async def stream(self, request: bytes) -> "Streamed":
        """Send *request* and note when each piece of its streamed answer came."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        assert self._reader is not None
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        streamed = Streamed(int(head[9:12]))
        if b"transfer-encoding: chunked" not in head:
            streamed.tail = await self._chunkless(head)
            return streamed
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            part = await self._reader.readexactly(size + 2)
            if not size:
                if b"connection: close" in head:
                    self.close()
                return streamed
            pieces = part.count(b'"content":')
            if pieces:
                now = time.perf_counter()
                streamed.first = streamed.first or now
                streamed.last = now
                streamed.pieces += pieces
            streamed.tail = (streamed.tail + part[:-2])[-400:]

    async def _chunkless(self, head: bytes) -> bytes:
        assert self._reader is not None
        return await self._reader.readexactly(
            int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        )

    def close(self) -> None:
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        self._reader = self._writer = None


async def closed_loop(target: Target, calls: int, callers: int, **more) -> Run:
    """Make *calls*, *callers* of them at a time, each as soon as the one before it was answered."""
    request, run = target.request(**more), Run()
    left = iter(range(calls))

    async def one() -> None:
        caller = Caller(target.port)
        for _ in left:
            began = time.perf_counter()
            try:
                status, body = await caller.call(request)
            except (OSError, ValueError, asyncio.IncompleteReadError) as why:
                run.wrong.append(repr(why))
                caller.close()
                continue
            run.took.append(time.perf_counter() - began)
            if status != 200:
                run.wrong.append(f"{status} {body[:200]!r}")
        caller.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(callers)))
    run.seconds = time.perf_counter() - began
    return run


async def steady(targets: Sequence[Target], calls: int, pause: float, **more) -> dict[str, Run]:
    """Ask each target in turn, *calls* times, *pause* seconds after each answer: what a lone caller feels.

    The targets take turns within one loop, so that whatever else the machine does is done to all of them.
    """
    runs = {target.name: Run() for target in targets}
    callers = {target.name: Caller(target.port) for target in targets}
    for _ in range(calls):
        for target in targets:
            began = time.perf_counter()
            status, body = await callers[target.name].call(target.request(**more))
            run = runs[target.name]
            run.took.append(time.perf_counter() - began)
            if status != 200:
                run.wrong.append(f"{status} {body[:200]!r}")
            await asyncio.sleep(pause)
    for caller in callers.values():
        caller.close()
    return runs

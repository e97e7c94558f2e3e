"""A fake engine: a real HTTP server on 127.0.0.1 that speaks the OpenAI and the Anthropic shapes."""

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from emeritus.voices.fakes import shapes
from emeritus.voices.fakes.replies import Say, drawn

if TYPE_CHECKING:
    from aiohttp import web


@frozen
class Received:
    """A request as the fake engine received it."""

    path: str
    headers: dict[str, str]
    body: bytes


class FakeEngine:
    """Runs in a thread of its own while it is entered; `url` is its address.

    *key*, when given, must come as bearer or x-api-key. *pause* seconds pass between streamed chunks.
    `requests` keeps what came in; `hung_up` counts callers who left in mid-answer. `die_next` breaks the
    connection in the middle of the next answer; `reply_next` sends exactly these bytes instead.
    """

    def __init__(self, say: Say = drawn, *, key: str = "", pause: float = 0.0) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.hung_up = 0
        self._say = say
        self._key = key
        self._pause = pause
        self._dying = False
        self._instead: list[tuple[int, dict[str, str], bytes]] = []
        self._silent = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake engine", daemon=True)
        self._runner: Any = None

    def die_next(self) -> None:
        self._dying = True

    def silent_next(self) -> None:
        """Never answer the next request."""
        self._silent = True

    def reply_next(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._instead.append((status, {"content-type": "application/json", **(headers or {})}, body))

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> None:
        from aiohttp import web  # noqa: PLC0415 - the room imports fast without it

        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def _handle(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web  # noqa: PLC0415

        body = await request.read()
        if request.path == "/health":
            return web.json_response({"status": "ok"})
        self.requests.append(Received(request.path, {k.lower(): v for k, v in request.headers.items()}, body))
        if self._silent:
            self._silent = False
            try:
                await asyncio.sleep(3600)
            finally:
                self.hung_up += 1
        if self._key and self._key not in (
            request.headers.get("authorization", "").removeprefix("Bearer "),
            request.headers.get("x-api-key"),
        ):
            return await self._send(request, shapes.error(401, "authentication_error", "Invalid API key"))
        if self._instead:
            status, headers, data = self._instead.pop(0)
            return web.Response(body=data, status=status, headers=headers)
        if request.method == "GET" and request.path == "/v1/models":
            return web.json_response({"object": "list", "data": [{"id": "fake", "object": "model"}]})
        return await self._send(request, shapes.answer(request.path, body, self._say))

    async def _send(self, request: "web.Request", shaped: shapes.Shaped) -> "web.StreamResponse":
        from aiohttp import web  # noqa: PLC0415

        response = web.StreamResponse(status=shaped.status, headers={"content-type": shaped.content_type})
        whole = len(shaped.chunks) == 1
        if whole:
            response.content_length = len(shaped.chunks[0])
        await response.prepare(request)
        done = False
        try:
            for number, chunk in enumerate(shaped.chunks):
                if self._dying and (number or whole):
                    self._dying = False
                    await response.write(chunk[: len(chunk) // 2])
                    done = True
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                await response.write(chunk)
                if self._pause:
                    await asyncio.sleep(self._pause)
            await response.write_eof()
            done = True
        except ConnectionError:
            pass
        finally:
            self.hung_up += not done
        return response

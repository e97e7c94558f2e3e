"""The nodes' own door: a call that was let in at another node is served from this node's pool, raw."""

import asyncio
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from emeritus.core.errors import EmeritusError, IntegrityError
from emeritus.voices import Pool
from emeritus.voices.errors import NotUnderstood
from emeritus.voices.passage import FAULT, PREFIX, Passage
from emeritus.voices.voice import ANTHROPIC_PATHS, COUNTING_PATHS, OPENAI_PATHS
from emeritus.web.gateway.asked import read

CALLS: Final = OPENAI_PATHS | ANTHROPIC_PATHS | COUNTING_PATHS
log = structlog.get_logger("emeritus.nodes")


def passing_routes(pool: Pool, passage: Passage) -> list[Route]:
    """Return the door, to be put into a Starlette application."""

    async def enter(request: Request) -> Response | _Passing:
        model, path = request.path_params["model"], "/" + request.path_params["path"]
        try:
            body = await read(request)
            key = passage.check(request.headers, model, path, body)
            if path not in CALLS:
                raise NotUnderstood("That is no path of speech.", next_step="Ask for one that is.")
        except EmeritusError as why:
            return Response(f"{why.sentence}\n{why.next_step}", why.status, {FAULT: why.id})
        return _Passing(pool, model, path, body, key, dict(request.headers))

    return [Route(PREFIX + "{model}/{path:path}", enter, methods=["POST"])]


class _Passing:
    """Passes bytes through until one side leaves. What breaks off here breaks off there: nothing is made up."""

    def __init__(
        self, pool: Pool, model: str, path: str, body: bytes, key: str, headers: dict[str, str]
    ) -> None:
        self._pool = pool
        self._model = model
        self._path = path
        self._body = body
        self._key = key
        self._headers = headers
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        answering = asyncio.create_task(self._answer(send))
        leaving = asyncio.create_task(_hang_up(receive))
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not answering.done():
            answering.cancel()
        await asyncio.wait({answering, leaving})
        if not answering.cancelled() and (why := answering.exception()) is not None:
            raise why

    async def _answer(self, send: Send) -> None:
        try:
            async with (
                self._pool.alease(self._model, self._key) as voice,
                voice.request(self._path, self._body, self._headers) as answer,
            ):
                await self._start(send, answer.status, dict(answer.headers))
                async for chunk in answer.chunks():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except EmeritusError as why:
            if self._begun:
                raise _BrokenOff from why
            status = 503 if isinstance(why, IntegrityError) else why.status
            await self._start(send, status, {FAULT: why.id, "content-type": "text/plain; charset=utf-8"})
            await send({"type": "http.response.body", "body": f"{why.sentence}\n{why.next_step}".encode()})

    async def _start(self, send: Send, status: int, headers: dict[str, str]) -> None:
        self._begun = True
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})


class _BrokenOff(Exception):
    """Ends the connection without an end of the answer, so that the other node knows that it broke off."""


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

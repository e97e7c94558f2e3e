"""What the holder of a key asks with it: what was used, another key, where notices go."""

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from emeritus.access import holders, keys, webhooks
from emeritus.access.ports import KeyRecord, Totals
from emeritus.core.clock import instant, parse_instant
from emeritus.core.errors import EmeritusError
from emeritus.core.ids import new_id
from emeritus.web.gateway import answers, asked
from emeritus.web.gateway.door import Door
from emeritus.web.gateway.parts import Parts, Work

MAX_BODY = 4 * 1024
T = TypeVar("T")


class _Rotate(msgspec.Struct, forbid_unknown_fields=True):
    overlap_hours: float = 0.0


class _Webhook(msgspec.Struct, forbid_unknown_fields=True):
    url: str


class Own:
    """The endpoints for holders of keys."""

    def __init__(self, parts: Parts, door: Door) -> None:
        self._parts = parts
        self._door = door

    async def usage(self, request: Request) -> Response:
        """Say what all keys of the holder used, of each model; ``since`` bounds it from below."""
        since = request.query_params.get("since")

        def told(work: Work, key: KeyRecord) -> dict[str, Any]:
            begin = None if since is None else parse_instant(since)
            here = holders.account(self._door.standing(work), work.keys, work.usage, key, begin)
            return _account(here, None if begin is None else instant(begin))

        return await self._answer(request, told, writes=False)

    async def rotate(self, request: Request) -> Response:
        """Make another key in the place of this one, which works on for the hours that are asked for."""
        try:
            given = await _read(request, _Rotate, b"{}")
        except EmeritusError as error:
            return answers.error_answer(error, self._request_id())
        return await self._answer(request, functools.partial(self._rotate, given), writes=True)

    def _rotate(self, given: _Rotate, work: Work, key: KeyRecord) -> dict[str, Any]:
        overlap = timedelta(hours=max(-1.0, min(given.overlap_hours, 10_000.0)))
        fresh = keys.rotate(work.keys, self._parts.clock, key.id, overlap=overlap)
        ends = self._parts.clock.now() + overlap
        return {
            "key": fresh.text,
            "key_id": fresh.record.id,
            "replaces": key.id,
            "old_key_ends": instant(ends),
            "note": "Shown once.",
        }

    async def webhook(self, request: Request) -> Response:
        """Say where notices for the holder go."""

        def told(work: Work, key: KeyRecord) -> dict[str, Any]:
            found = webhooks.find(work.private, key.holder)
            return {"url": None if found is None else found.url}

        return await self._answer(request, told, writes=False)

    async def set_webhook(self, request: Request) -> Response:
        """Send notices for the holder to an address from now on; a first message goes there at once."""
        try:
            given = await _read(request, _Webhook)
        except EmeritusError as error:
            return answers.error_answer(error, self._request_id())

        def do(work: Work, key: KeyRecord) -> dict[str, Any]:
            found = webhooks.register(work.private, key.holder, given.url)
            now = self._parts.clock.now()
            body = webhooks.event("webhook.registered", instant(now), {"url": found.url})
            work.deliveries.put(f"registered:{key.holder}:{instant(now)}", found.url, body)
            return {"url": found.url, "note": "A first message, webhook.registered, is on its way."}

        return await self._answer(request, do, writes=True)

    async def remove_webhook(self, request: Request) -> Response:
        """Send notices for the holder there no more."""

        def do(work: Work, key: KeyRecord) -> dict[str, Any]:
            return {"url": None, "removed": webhooks.remove(work.private, key.holder)}

        return await self._answer(request, do, writes=True)

    async def _answer(
        self, request: Request, do: Callable[[Work, KeyRecord], dict[str, Any]], *, writes: bool
    ) -> Response:
        request_id = self._request_id()
        text = asked.key_of(request)

        def run() -> dict[str, Any]:
            with (self._parts.work if writes else self._parts.read)() as work:
                now = self._parts.clock.now()
                return do(work, holders.holder_of(self._door.standing(work), work.keys, text, now))

        try:
            told = await anyio.to_thread.run_sync(run)
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        return answers.json_answer(told, request_id, headers={"cache-control": "no-store"})

    def _request_id(self) -> str:
        return new_id("req", self._parts.clock.now())


async def _read(request: Request, shape: type[T], without: bytes = b"") -> T:
    body = await asked.read(request, MAX_BODY) or without
    return asked.decoded(body, shape, "what belongs there", "See the reference of the gateway for what does.")


def _account(here: holders.Account, since: str | None) -> dict[str, Any]:
    grant = here.grant
    return {
        "object": "usage",
        "since": since,
        "models": [{"model": name, **_totals(took)} for name, took in sorted(here.by_model().items())],
        "keys": [
            {
                "id": key.id,
                "label": key.label,
                "made_at": instant(key.made_at),
                "last_used_at": None if key.last_used_at is None else instant(key.last_used_at),
                "ended": key.revoked_at is not None,
                "expires_at": None if key.expires_at is None else instant(key.expires_at),
                "this": key.id == here.key.id,
            }
            for key in here.keys
        ],
        "grant": None
        if grant is None
        else {
            "id": grant.id,
            "models": list(grant.models),
            "expires_at": instant(grant.expires_at),
            "budget_tokens": grant.budget,
            "budget_left": None if grant.budget is None or since else max(0, grant.budget - here.spent),
            "calls_a_minute": grant.rate,
        },
    }


def _totals(took: Totals) -> dict[str, Any]:
    return {
        "requests": took.requests,
        "tokens_in": took.tokens_in,
        "tokens_out": took.tokens_out,
        "engine_seconds": round(took.seconds, 3),
        "bytes_of_weights": took.bytes_out,
    }

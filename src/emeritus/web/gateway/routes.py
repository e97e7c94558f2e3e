"""The routes of the gateway."""

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.access import shapes
from emeritus.access.gate import Refusal, find
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.core.ids import new_id
from emeritus.voices.voice import ANTHROPIC_PATHS, OPENAI_PATHS
from emeritus.web.gateway import answers, asked, openapi
from emeritus.web.gateway.applying import Applying
from emeritus.web.gateway.billing import Billing, BillingEvents
from emeritus.web.gateway.door import Coming, Door, Refused
from emeritus.web.gateway.meter import Meter
from emeritus.web.gateway.own import Own
from emeritus.web.gateway.parts import Parts
from emeritus.web.gateway.relay import Lacking, Relay
from emeritus.web.gateway.turnstile import Turnstile

CALLS = sorted(OPENAI_PATHS | ANTHROPIC_PATHS)
_EVERY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_gateway(parts: Parts, billing: Billing | None = None) -> list[Route]:
    """Return the gateway's routes, all under ``/v1``, to be put into a Starlette application."""
    door = Door(parts)
    door.look()  # from here on it is noticed when a model leaves the remote that served it
    gateway = _Gateway(parts, door)
    applying = Applying(parts, door)
    own = Own(parts, door)
    gateway.routes = [
        *(Route(path, gateway.call, methods=["POST"]) for path in CALLS),
        Route("/v1/models", gateway.models, methods=["GET"]),
        Route("/v1/models/{id}", gateway.model, methods=["GET"]),
        Route("/v1/applications", applying.how, methods=["GET"]),
        Route("/v1/applications", applying.apply, methods=["POST"]),
        Route("/v1/applications/{id}", applying.status, methods=["GET"]),
        Route("/v1/applications/{id}/appeal", applying.appeal, methods=["POST"]),
        Route("/v1/applications/{id}/key", applying.key, methods=["POST"]),
        Route("/v1/billing/events", BillingEvents(parts, door, billing).take, methods=["POST"]),
        Route("/v1/usage", own.usage, methods=["GET"]),
        Route("/v1/keys/rotate", own.rotate, methods=["POST"]),
        Route("/v1/webhook", own.webhook, methods=["GET"]),
        Route("/v1/webhook", own.set_webhook, methods=["PUT"]),
        Route("/v1/webhook", own.remove_webhook, methods=["DELETE"]),
        openapi.route(parts.site_url),
        Route("/v1/{rest:path}", gateway.nothing_here, methods=_EVERY),
    ]
    return gateway.routes


class WrongMethod(EmeritusError):
    """There is something at that path, for another method."""

    id = "request.method"
    status = 405
    exit_code = 2


class _Gateway:
    def __init__(self, parts: Parts, door: Door) -> None:
        self._parts = parts
        self._door = door
        self._turnstile = Turnstile(door)
        self._lacking: set[Lacking] = set()
        self.routes: list[Route] = []

    async def call(self, request: Request) -> Response | Relay:
        request_id = self._request_id()
        try:
            call = asked.parse(request.scope["path"], await asked.read(request))
            entered = await self._turnstile.enter(Coming(request_id, call.model, asked.key_of(request)))
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        if isinstance(entered, Refused):
            return answers.refusal_answer(entered.refusal, entered.standing, self._door.links, request_id)
        return Relay(
            self._turnstile,
            self._door.links,
            self._parts.pool,
            entered,
            call,
            request_id,
            request.headers,
            Meter(hide_usage=call.usage_added),
            self._lacking,
        )

    async def models(self, request: Request) -> Response:
        request_id = self._request_id()
        stands = await anyio.to_thread.run_sync(self._door.look)
        try:
            limit = _limit(request.query_params.get("limit"))
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        if "anthropic-version" not in request.headers:
            return answers.json_answer(
                shapes.openai_list(stands, self._door.links, self._parts.clock.now()), request_id
            )
        try:
            page = shapes.anthropic_list(
                stands,
                self._door.links,
                self._parts.clock.now(),
                limit=limit,
                after=request.query_params.get("after_id"),
                before=request.query_params.get("before_id"),
            )
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        return answers.json_answer(page, request_id)

    async def model(self, request: Request) -> Response:
        request_id = self._request_id()
        stands = await anyio.to_thread.run_sync(self._door.look)
        name, links = request.path_params["id"], self._door.links
        found = find(stands, name, self._parts.clock.now(), links=links)
        if isinstance(found, Refusal):
            return answers.refusal_answer(found, stands, links, request_id)
        model, called = found
        shape = shapes.anthropic_model if "anthropic-version" in request.headers else shapes.openai_model
        return answers.json_answer(
            shape(stands, shapes.Listed(name, model, called), links),
            request_id,
            headers=shapes.model_headers(stands, model, links, called),
        )

    async def nothing_here(self, request: Request) -> Response:
        path, methods = request.url.path, sorted(self._methods(request.url.path))
        shown = "".join(char if char.isprintable() else "?" for char in path[:96])
        if methods:
            wrong = WrongMethod(
                f"{shown} does not take {request.method}.", next_step=f"It takes {', '.join(methods)}."
            )
            return answers.error_answer(wrong, self._request_id(), {"allow": ", ".join(methods)})
        here = ", ".join(["GET /v1/models", *(f"POST {path}" for path in CALLS), "POST /v1/applications"])
        error = NotFound(f"There is no {request.method} {shown} here.", next_step=f"What there is: {here}.")
        return answers.error_answer(error, self._request_id())

    def _methods(self, path: str) -> set[str]:
        """Return the methods that are taken at *path*."""
        return {
            method
            for route in self.routes
            if route.endpoint != self.nothing_here and route.path_regex.match(path)
            for method in route.methods or ()
        }

    def _request_id(self) -> str:
        return new_id("req", self._parts.clock.now())


def _limit(text: str | None) -> int:
    if text is None:
        return shapes.PAGE
    if not text.isdecimal() or not 1 <= int(text[:6]) <= shapes.LONGEST_PAGE:
        raise asked.BadRequest(
            "'limit' is not a number of models.", next_step=f"Ask for 1 to {shapes.LONGEST_PAGE}."
        )
    return int(text)

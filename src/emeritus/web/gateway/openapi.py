"""The gateway's own OpenAPI document, at ``/openapi.json``."""

from importlib import resources
from typing import Any

import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/openapi.json"


def document(site_url: str) -> dict[str, Any]:
    """Return the document for the gateway at *site_url*."""
    text = resources.files("emeritus.web.gateway").joinpath("openapi.yaml").read_text(encoding="utf-8")
    told: dict[str, Any] = yaml.safe_load(text)
    return {**told, "servers": [{"url": site_url.rstrip("/")}]}


def route(site_url: str) -> Route:
    """Return the route that serves it; other sites may read it."""
    body = msgspec.json.encode(document(site_url))
    headers = {"access-control-allow-origin": "*", "cache-control": "max-age=300"}

    async def served(_: Request) -> Response:
        return Response(body, 200, headers, "application/json")

    return Route(PATH, served, methods=["GET"])

"""The stylesheet, the mark and the one script, served under the hash of their content, to be kept for a year."""

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HERE = Path(__file__).parent
FOR_EVER = "public, max-age=31536000, immutable"


@cache
def asset(name: str) -> tuple[str, bytes]:
    """Return the path under which *name* is served, and its bytes."""
    data = (_HERE / name).read_bytes()
    stem, _, suffix = name.partition(".")
    return f"/assets/{stem}-{hashlib.sha256(data).hexdigest()[:12]}.{suffix}", data


def _serve(name: str, media_type: str, cache_control: str = FOR_EVER) -> Response:
    return Response(asset(name)[1], media_type=media_type, headers={"cache-control": cache_control})


def stylesheet(_: Request) -> Response:
    return _serve("style.css", "text/css")


def mark(_: Request) -> Response:
    return _serve("mark.svg", "image/svg+xml")


def check(_: Request) -> Response:
    return _serve("check.js", "text/javascript")


def favicon(_: Request) -> Response:
    return _serve("mark.svg", "image/svg+xml", "public, max-age=86400")


def routes() -> list[Route]:
    """Return the routes of what every page loads."""
    return [
        Route(asset("style.css")[0], stylesheet),
        Route(asset("mark.svg")[0], mark),
        Route(asset("check.js")[0], check),
        Route("/favicon.ico", favicon),
    ]

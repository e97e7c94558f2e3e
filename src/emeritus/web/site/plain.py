"""What machines ask every site for."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from emeritus.web.pages.rendering import House


def routes(house: House) -> list[Route]:
    def health(_: Request) -> Response:
        with house.parts.read() as work:
            size = work.log.size()
        return PlainTextResponse(f"ok {size}\n", headers={"cache-control": "no-store"})

    def robots(_: Request) -> Response:
        return PlainTextResponse(
            "User-agent: *\nDisallow: /desk\nDisallow: /access/apply\nDisallow: /column/confirm/\nDisallow: /column/leave/\n"
        )

    return [Route("/healthz", health), Route("/robots.txt", robots)]

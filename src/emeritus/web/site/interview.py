"""The interview."""

from starlette.routing import Route

from emeritus.web.pages.rendering import House
from emeritus.web.site.wishes import WishPages


def routes(house: House) -> list[Route]:
    return [Route("/models/{id}/decisions", WishPages(house).page)]

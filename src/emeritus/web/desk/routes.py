"""Every route of the desk."""

from starlette.routing import Route

from emeritus.web.pages.rendering import House


def routes(house: House) -> list[Route]:
    """Return the routes of the desk."""
    return []

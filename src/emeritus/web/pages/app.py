"""The application: the public site and the desk, with room for what others add."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from emeritus.core.errors import EmeritusError
from emeritus.web.desk.routes import routes as desk_routes
from emeritus.web.pages import assets
from emeritus.web.pages.faults import FaultPages
from emeritus.web.pages.parts import Parts
from emeritus.web.pages.rendering import House
from emeritus.web.pages.security import SecurityHeaders
from emeritus.web.site.routes import routes as site_routes


def build_app(parts: Parts, *, more: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the site and the desk as one application.

    Args:
        parts: what the pages are built from.
        more: further routes, such as the gateway's, asked before those of the site.
    """
    house = House.of(parts)
    faults = FaultPages(house)
    return Starlette(
        routes=[*more, *assets.routes(), *desk_routes(house), *site_routes(house)],
        middleware=[Middleware(SecurityHeaders, secure=parts.site_url.startswith("https:"))],
        exception_handlers={
            EmeritusError: faults.typed,
            HTTPException: faults.http,
            Exception: faults.defect,
        },
    )

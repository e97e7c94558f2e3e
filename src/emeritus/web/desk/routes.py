"""Every route of the desk."""

from starlette.routing import Route

from emeritus.web.desk import (
    access,
    aliases,
    applications,
    budgets,
    columns,
    decisions,
    essays,
    letters,
    overview,
    preview,
    reports,
    sittings,
    translations,
    usage,
    wishes,
)
from emeritus.web.desk.page import Desk
from emeritus.web.pages.rendering import House


def routes(house: House) -> list[Route]:
    """Return the routes of the desk."""
    desk = Desk.of(house)
    return [
        *overview.routes(desk),
        *wishes.routes(desk),
        *sittings.routes(desk),
        *reports.routes(desk),
        *decisions.routes(desk),
        *budgets.routes(desk),
        *preview.routes(desk),
        *essays.routes(desk),
        *translations.routes(desk),
        *columns.routes(desk),
        *letters.routes(desk),
        *applications.routes(desk),
        *access.routes(desk),
        *aliases.routes(desk),
        *usage.routes(desk),
    ]

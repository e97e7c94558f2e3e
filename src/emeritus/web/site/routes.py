"""Every route of the public site."""

from starlette.routing import Route

from emeritus.web.pages.rendering import House
from emeritus.web.site import (
    access,
    answers,
    essays,
    front,
    interview,
    mailing,
    membership,
    models,
    notices,
    plain,
    promises,
    reading,
    record,
    report,
    words,
)


def routes(house: House) -> list[Route]:
    """Return the routes of the public site."""
    return [
        *plain.routes(house),
        *front.routes(house),
        *notices.routes(house),
        *promises.routes(house),
        *interview.routes(house),
        *report.routes(house),
        *models.routes(house),
        *words.routes(house),
        *mailing.routes(house),
        *reading.routes(house),
        *essays.routes(house),
        *record.routes(house),
        *answers.routes(house),
        *membership.routes(house),
        *access.routes(house),
    ]

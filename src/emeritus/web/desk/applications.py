"""Answer applications: grant, refuse with a reason, or hold to look at one first."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.access import applications as room
from emeritus.access.applications import Application
from emeritus.access.grants import DEFAULT_DAYS, decide_application
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.process.ports import Work
from emeritus.web.desk.page import FRESH, Desk, Sent, whole
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form

RECENT = 20


@frozen
class Filed:
    """An application with who applies (None once forgotten), and what speaks against granting it."""

    application: Application
    facts: Mapping[str, Any] | None
    objections: tuple[str, ...]


def _filed(work: Work, application: Application) -> Filed:
    try:
        facts = room.applicant(work.private, application.id)
    except NotFound:
        facts = None
    return Filed(application, facts, tuple(room.objections(work.log, application)))


@frozen
class ApplicationPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        def view(work: Work) -> Mapping[str, object]:
            found = room.applications(work.log)
            return {
                "open": [_filed(work, each) for each in found if each.open],
                "closed": [each for each in found if not each.open][: -RECENT - 1 : -1],
                "days": DEFAULT_DAYS,
            }

        return self.desk.show(request, session, "desk_applications.html", view, sent)

    def answer(self, request: Request, session: Session, sent: Form) -> Response:
        def do(work: Work) -> object:
            name, reason = sent.get("form"), sent.get("reason")
            match sent.get("answer"):
                case "grant":
                    budget = sent.get("budget").strip()
                    return decide_application(
                        work.log,
                        self.desk.house.parts.clock,
                        name,
                        grant=True,
                        reason=reason,
                        by=session.actor,
                        days=whole(sent.get("days"), "How many days"),
                        budget=whole(budget, "The budget") if budget else None,
                        weights=sent.get("weights") == "yes",
                    )
                case "refuse":
                    return room.refuse(work.log, name, reason=reason, by=session.actor)
                case "hold":
                    return room.hold(work.log, name, reason=reason, by=session.actor)
            raise InvalidInput("No answer was chosen.", next_step="Choose: grant, hold or refuse.")

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))


def routes(desk: Desk) -> list[Route]:
    pages = ApplicationPages(desk)
    path = "/desk/applications"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.answer)]

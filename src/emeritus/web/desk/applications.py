"""Answer applications: grant, refuse with a reason, or hold to look at one first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.access import applicants, declared
from emeritus.access import applications as room
from emeritus.access.applications import Application
from emeritus.access.grants import DEFAULT_DAYS
from emeritus.access.objections import objections
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.process import applying
from emeritus.process.ports import Work
from emeritus.web.desk.page import FRESH, Desk, Sent, whole
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form

RECENT = 20


@frozen
class Filed:
    """An application with who applies (None once forgotten), and what speaks against granting it by itself.

    *appeal* is what they say for another answer, where they said so.
    """

    application: Application
    facts: Mapping[str, Any] | None
    objections: tuple[str, ...]
    appeal: str | None


def _filed(work: Work, application: Application, now: datetime) -> Filed:
    try:
        facts = applicants.applicant(work.private, application.id)
    except NotFound:
        facts = None
    rules = declared.against(work.log, work.private, application, now)
    against = [*objections(work.log, application), *(rule.says for rule in rules)]
    return Filed(application, facts, tuple(against), applicants.appeal_of(work.private, application.id))


@frozen
class ApplicationPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            found = room.applications(work.log)
            return {
                "open": [_filed(work, each, now) for each in found if each.open],
                "closed": [each for each in found if not each.open][: -RECENT - 1 : -1],
                "days": DEFAULT_DAYS,
            }

        return self.desk.show(request, session, "desk_applications.html", view, sent)

    def answer(self, request: Request, session: Session, sent: Form) -> Response:
        parts = self.desk.house.parts

        def do(work: Work) -> object:
            name, reason, answer = sent.get("form"), sent.get("reason"), sent.get("answer")
            if answer == "hold":
                return room.hold(work.log, name, reason=reason, by=session.actor)
            if answer == "refuse":
                return applying.answer(
                    work, parts.clock, parts.site_url, name, grant=False, reason=reason, by=session.actor
                )
            if answer == "grant":
                return applying.answer(
                    work,
                    parts.clock,
                    parts.site_url,
                    name,
                    grant=True,
                    reason=reason,
                    by=session.actor,
                    days=whole(sent.get("days"), "How many days"),
                    budget=_bound(sent.get("budget"), "The budget"),
                    rate=_bound(sent.get("rate"), "The rate"),
                    models=sent.all("model") or None,
                    weights=sent.get("weights") == "yes",
                )
            raise InvalidInput("No answer was chosen.", next_step="Choose: grant, hold or refuse.")

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))


def _bound(text: str, what: str) -> int | None:
    return whole(text, what) if text.strip() else None


def routes(desk: Desk) -> list[Route]:
    pages = ApplicationPages(desk)
    path = "/desk/applications"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.answer)]

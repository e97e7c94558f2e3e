"""The report on a model's interviews as it would be published now, read and published by a steward."""

import contextlib
from collections.abc import Mapping

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from emeritus.core.errors import Conflict, EmeritusError, InvalidInput
from emeritus.process.ports import Work
from emeritus.process.report import (
    Draft,
    draft_report,
    kept_logs,
    publish_report,
    released_logs,
    report_path,
    reports,
)
from emeritus.web.desk.page import FRESH, Desk, Sent
from emeritus.web.desk.session import Session
from emeritus.web.pages.faults import of_error
from emeritus.web.pages.forms import Form
from emeritus.web.site.report import alone, on_paper
from emeritus.web.site.report import view as report_view


@frozen
class ReportPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        """Show the report as it would be published now."""

        def view(work: Work) -> Mapping[str, object]:
            draft = draft_report(work.log, request.path_params["id"])
            before = reports(work.log, draft.model)
            return {
                **report_view(draft.content),
                "draft": draft,
                "before": before,
                "where": f"/{report_path(before[-1]).removesuffix('.json')}" if before else "",
            }

        return self.desk.show(request, session, "desk_report.html", view, sent)

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Publish what was looked at. Its PDF is made before the record is opened for writing: that takes seconds."""
        parts = self.desk.house.parts
        try:
            with parts.read() as work:
                draft = draft_report(work.log, request.path_params["id"])
            _require_seen(draft, sent)
            pdf = None
            with contextlib.suppress(InvalidInput):  # what makes it may not be installed
                pdf = on_paper(alone(draft, parts.site_url, published=True))
            with parts.work() as work:
                now = draft_report(work.log, draft.model)
                _require_seen(now, sent)
                logs = (
                    kept_logs(parts.sittings, released_logs(work.log, draft.model)) if parts.sittings else []
                )
                paper = pdf if now.data == draft.data else None
                entry = publish_report(work, now, by=session.actor, pdf=paper, logs=logs)
        except EmeritusError as error:
            return self.page(request, session, Sent(sent, of_error(error)))
        return RedirectResponse(f"/{report_path(entry).removesuffix('.json')}", 303)


def _require_seen(draft: Draft, sent: Form) -> None:
    if sent.get("sure") != "yes":
        raise InvalidInput(
            "It is not said that somebody has read it.", next_step="Read it, tick the box, and publish it."
        )
    if draft.substance != sent.get("seen"):
        raise Conflict(
            "The report says something else than when you opened this page.",
            next_step="It is shown as it is now. Look at it, and publish that.",
        )


def routes(desk: Desk) -> list[Route]:
    pages = ReportPages(desk)
    path = "/desk/models/{id}/report"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.sent)]

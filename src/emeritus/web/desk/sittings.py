"""The sittings of a model's newest design as they stand, and what they wait for: answered, or gone on with, here."""

from collections.abc import Mapping

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import interviews
from emeritus.interviews.sheet import sheet_of
from emeritus.interviews.waiting import answer, resume, what_waits
from emeritus.process.ports import Work
from emeritus.process.stretch import ask_due
from emeritus.process.watching import look
from emeritus.registry import get_model
from emeritus.web.desk.page import FRESH, Desk, Sent
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form


@frozen
class SittingPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        def view(work: Work) -> Mapping[str, object]:
            model = get_model(work.log, request.path_params["id"])
            designs = interviews.designs(work.log, model.id)
            design = designs[-1] if designs else None
            return {
                "model": model,
                "design": design,
                "seen": None if design is None else look(work.log, work.utterances, design),
                "asked": what_waits(work.log, work.utterances, model.id),
                "facts": sheet_of(work.log, model.id).facts,
            }

        return self.desk.show(request, session, "desk_sittings.html", view, sent)

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Answer what was asked in a sitting, or end its pause."""

        def do(work: Work) -> None:
            sitting = interviews.get_sitting(work.log, sent.get("sitting"))
            if sent.get("act") == "resume":
                resume(work.log, sitting.id, by=session.actor)
            else:
                answer(
                    work.log,
                    sitting.id,
                    by=session.actor,
                    text=sent.get("text"),
                    facts=sent.all("fact"),
                    title=sent.get("title"),
                    source=sent.get("source"),
                )
            ask_due(work, sitting.model, self.desk.house.parts.clock.now())

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))


def routes(desk: Desk) -> list[Route]:
    pages = SittingPages(desk)
    path = "/desk/models/{id}/sittings"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.sent)]

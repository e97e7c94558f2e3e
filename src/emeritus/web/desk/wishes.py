"""Confirm, merge, split or set aside what a model stated, beside its raw words."""

from collections.abc import Mapping

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.interviews import transcript
from emeritus.interviews.stability import stabilities
from emeritus.ledger import labels
from emeritus.process import decide
from emeritus.process.ports import Work
from emeritus.process.public import readable
from emeritus.web.desk.page import FRESH, Desk, Sent
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form
from emeritus.web.site.wishes import wishes_of


@frozen
class WishPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            found = wishes_of(work.log, request.path_params["id"], now)
            return {
                "view": found,
                "said": transcript(work.log, work.utterances, found.model.id),
                "stable": {each.id: each for each in stabilities(work.log, found.model.id)},
                "labels": labels(work.log, found.model.id),
            }

        return self.desk.show(request, session, "desk_wishes.html", view, sent)

    def raw(self, request: Request, _session: Session) -> Response:
        """Show words to those who have to read them, also when they are not for everybody."""
        with self.desk.house.parts.read() as work:
            data = readable(work, request.path_params["utterance"]).canonical()
        return Response(data, media_type="application/json")

    def confirm(self, request: Request, session: Session, sent: Form) -> Response:
        model = request.path_params["id"]

        def do(work: Work) -> object:
            return decide.confirm(
                work,
                model,
                candidates=sent.all("candidate"),
                topic=sent.get("topic"),
                wish=sent.get("wish"),
                note=sent.get("note"),
                replaces=sent.all("replaces"),
                by=session.actor,
            )

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))

    def settle(self, request: Request, session: Session, sent: Form) -> Response:
        model = request.path_params["id"]

        def do(work: Work) -> object:
            return decide.settle(work, model, by=session.actor, set_aside=sent.get("set_aside"))

        then = f"/desk/models/{model}/decisions"
        return self.desk.act(sent, do, then, lambda again: self.page(request, session, again))

    def label(self, request: Request, session: Session, sent: Form) -> Response:
        model = request.path_params["id"]

        def do(work: Work) -> object:
            return decide.label(
                work,
                model,
                sent.get("about"),
                sent.get("label"),
                note=sent.get("note"),
                contradicts=sent.get("contradicts") or None,
                off=bool(sent.get("off")),
                by=session.actor,
            )

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Do what the form that was sent is for."""
        forms = {"settle": self.settle, "label": self.label}
        return forms.get(sent.get("form"), self.confirm)(request, session, sent)


def routes(desk: Desk) -> list[Route]:
    pages = WishPages(desk)
    path = "/desk/models/{id}/wishes"
    return [
        desk.door.get(path, pages.page),
        desk.door.post(path, pages.sent),
        desk.door.get("/desk/utterances/{utterance}", pages.raw),
    ]

"""The review: essays as readers will see them; approve, hold, veto with a ground, publish. Never edit."""

from collections.abc import Mapping
from typing import cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import column
from emeritus.column import Ground, Standing, State
from emeritus.column.disclaimer import disclaimer
from emeritus.core.errors import InvalidInput
from emeritus.process.ports import Work
from emeritus.registry import all_models, get_model, organisation
from emeritus.web.desk.page import FRESH, Desk, Sent, whole
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form
from emeritus.web.site.record import told

DONE = (State.PUBLISHED, State.VETOED, State.SILENT)
RECENT = 20


@frozen
class EssayPages:
    """The endpoints."""

    desk: Desk

    def queue(self, request: Request, session: Session) -> Response:
        def view(work: Work) -> Mapping[str, object]:
            essays = column.states(work.log)
            waiting = [each for each in essays if each.state not in DONE]
            return {
                "waiting": [column.get_essay(work.log, work.utterances, each.id) for each in waiting],
                "done": [each for each in essays if each.state in DONE][: -RECENT - 1 : -1],
                "names": {model.id: model.display_name for model in all_models(work.log)},
            }

        return self.desk.show(request, session, "desk_essays.html", view)

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            essay = column.get_essay(work.log, work.utterances, request.path_params["essay"])
            model = get_model(work.log, essay.model)
            return {
                "essay": essay,
                "model": model,
                "where": essay.state_at(now),
                "rendered": column.render(essay.text),
                "disclaimer": disclaimer(model.display_name, organisation(work.log).name),
                "utterance": work.utterances.get(essay.utterance),
                "told": told(work.log.entries(subject=essay.id)),
                "grounds": list(Ground),
                "can": _possible(essay),
            }

        return self.desk.show(request, session, "desk_essay.html", view, sent)

    def do(self, work: Work, essay: str, session: Session, sent: Form) -> object:
        clock, by, reason = self.desk.house.parts.clock, session.actor, sent.get("reason")
        match sent.get("form"):
            case "approve":
                return column.approve(work.log, essay, by=by, note=sent.get("note"))
            case "hold":
                days = whole(sent.get("days"), "How many days")
                return column.hold(work.log, clock, essay, days=days, reason=reason, by=by)
            case "veto":
                ground = cast("Ground", sent.get("ground"))
                return column.veto(work.log, essay, ground=ground, reason=reason, by=by)
            case "withdraw":
                return column.withdraw_veto(work.log, essay, reason=reason, by=by)
            case "publish":
                if sent.get("sure") != "yes":
                    raise InvalidInput(
                        "Publishing is for good, and was not confirmed.",
                        next_step="Tick that you have read it, then publish.",
                    )
                return column.publish(work.log, work.utterances, essay, by=by)
        raise InvalidInput("This form does nothing.", next_step="Use one of the forms of this page.")

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        essay = request.path_params["essay"]
        return self.desk.act(
            sent,
            lambda work: self.do(work, essay, session, sent),
            request.url.path,
            lambda again: self.page(request, session, again),
        )


def _possible(essay: Standing) -> frozenset[str]:
    """Return which forms make sense for *essay*; whether its sender may use them is decided on sending."""
    able = {
        State.DRAFTED: {"approve", "hold", "veto"},
        State.HELD: {"approve", "veto"},
        State.APPROVED: {"publish", "veto"},
        State.VETO_PROPOSED: {"approve", "veto", "withdraw"},
    }.get(essay.state, set())
    return frozenset(able - {"hold"} if essay.held is not None else able)


def routes(desk: Desk) -> list[Route]:
    pages = EssayPages(desk)
    path = "/desk/essays/{essay}"
    return [
        desk.door.get("/desk/essays", pages.queue),
        desk.door.get(path, pages.page),
        desk.door.post(path, pages.sent),
    ]

"""The review: essays as readers will see them; approve, hold, veto with a ground, publish. Never edit."""

from collections.abc import Callable, Mapping
from typing import cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import column
from emeritus.column import Ground, Standing, State
from emeritus.column.disclaimer import disclaimer
from emeritus.column.review import MOST_REDRAFTS
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor
from emeritus.process import publish as stage
from emeritus.process.hub import Hub
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
            waiting = [each for each in essays if each.state not in (*DONE, *column.UNREADY)]
            waiting.sort(key=lambda each: (each.deadline or each.since, each.since))
            return {
                "waiting": [column.get_essay(work.log, work.utterances, each.id) for each in waiting],
                "unready": [each for each in essays if each.state in column.UNREADY],
                "now": self.desk.house.parts.clock.now(),
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
                "now": now,
                "drafts": [
                    (each.number, column.render(text))
                    for each, text in column.to_choose_from(work.log, work.utterances, essay.id)
                ],
                "ready": essay.state not in column.UNREADY,
                "can": _possible(essay, session.actor),
            }

        return self.desk.show(request, session, "desk_essay.html", view, sent)

    def do(self, work: Work, essay: str, session: Session, sent: Form) -> object:
        clock, by, reason = self.desk.house.parts.clock, session.actor, sent.get("reason")
        log, note = work.log, sent.get("note")
        acts: Mapping[str, Callable[[], object]] = {
            "approve": lambda: column.approve(log, essay, by=by, note=note),
            "hold": lambda: column.hold(
                log, clock, essay, days=whole(sent.get("days"), "How many days"), reason=reason, by=by
            ),
            "veto": lambda: column.veto(
                log, essay, ground=cast("Ground", sent.get("ground")), reason=reason, by=by
            ),
            "withdraw": lambda: column.withdraw_veto(log, essay, reason=reason, by=by),
            "redraft": lambda: stage.ask_redraft(work, clock, essay, reason=reason, by=by),
            "beside": lambda: column.put_beside(log, essay, note=note, url=sent.get("url"), by=by),
            "take-away": lambda: column.take_away(log, essay, sent.get("beside"), reason=reason, by=by),
            "choose": lambda: stage.choose(
                work, clock, essay, whole(sent.get("draft"), "Which draft"), reason=reason, by=by
            ),
            "publish": lambda: _publish(work, essay, session, sent, self.desk.house.parts.hub),
        }
        if sent.get("form") not in acts:
            raise InvalidInput("This form does nothing.", next_step="Use one of the forms of this page.")
        return acts[sent.get("form")]()

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        essay = request.path_params["essay"]
        return self.desk.act(
            sent,
            lambda work: self.do(work, essay, session, sent),
            request.url.path,
            lambda again: self.page(request, session, again),
        )


def _publish(work: Work, essay: str, session: Session, sent: Form, hub: Hub | None) -> object:
    if sent.get("sure") != "yes":
        raise InvalidInput(
            "Publishing is for good, and was not confirmed.",
            next_step="Tick that you have read it, then publish.",
        )
    return stage.publish(work, essay, by=session.actor, hub=hub)


def _possible(essay: Standing, who: Actor) -> frozenset[str]:
    """Return which forms make sense for *essay* and *who*; whether they may use them is decided on sending."""
    able = {
        State.DRAFTED: {"approve", "hold", "veto", "redraft", "beside"},
        State.HELD: {"approve", "veto", "redraft", "beside"},
        State.APPROVED: {"publish", "veto", "redraft", "beside"},
        State.VETO_PROPOSED: {"approve", "veto", "withdraw", "beside"},
        State.PUBLISHED: {"beside"},
    }.get(essay.state, set())
    if essay.veto is not None:
        able = able - ({"veto"} if essay.veto.proposed_by == who else {"withdraw"})
    if essay.held is not None:
        able = able - {"hold"}
    return frozenset(able - {"redraft"} if len(essay.redrafts) >= MOST_REDRAFTS else able)


def routes(desk: Desk) -> list[Route]:
    pages = EssayPages(desk)
    path = "/desk/essays/{essay}"
    return [
        desk.door.get("/desk/essays", pages.queue),
        desk.door.get(path, pages.page),
        desk.door.post(path, pages.sent),
    ]

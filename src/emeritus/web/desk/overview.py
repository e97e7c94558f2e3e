"""What waits for whom, across all retirements; and the door of the desk."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from emeritus import ledger
from emeritus.access.applications import applications
from emeritus.core.people import Actor
from emeritus.interviews.waiting import what_waits
from emeritus.ledger import Decision, Followed
from emeritus.process.keeping import standing
from emeritus.process.plan import plan
from emeritus.process.ports import Failure, Work
from emeritus.process.stages import HAND_OUT, MAIL, REPLICATE, SCRUB
from emeritus.registry import Model, State, all_models
from emeritus.web.desk.page import FRESH, Desk, Sent
from emeritus.web.desk.session import COOKIE, Session
from emeritus.web.gateway.pace import Pace, TooOften
from emeritus.web.pages.faults import Fault, of_error
from emeritus.web.pages.forms import Form, post
from emeritus.web.site.names import actor_called, named
from emeritus.web.site.timeline import Stop, stops

WRONG_TOKENS = 10
"""So many wrong tokens may come from one address…"""
WITHIN = timedelta(minutes=15)
"""…within this time. Addresses are counted apart, so that nobody locks the desk for others."""


@frozen
class Waiting:
    """A step that is open, where to act on it, and what went wrong with it lately."""

    stop: Stop
    where: str
    failures: tuple[Failure, ...]


@frozen
class OpenModel:
    """A retirement with what is open in it."""

    model: Model
    waiting: tuple[Waiting, ...]


def _where(stop: Stop, model: Model) -> str:
    match stop.step.stage:
        case "confirm":
            return f"/desk/models/{model.id}/wishes"
        case "decide" | "revisit":
            return f"/desk/models/{model.id}/decisions"
        case "renew":
            return f"/desk/models/{model.id}/column"
        case "review" | "publish" | "choose":
            return f"/desk/essays/{stop.step.subject}"
        case "access":
            return f"/desk/models/{model.id}/access"
    return ""


@frozen
class Overdue:
    """A promise that is late or broken, which somebody has to do something about."""

    model: Model
    promise: Followed
    owner: Actor


@frozen
class Proposed:
    """A decision that waits for a second steward."""

    model: Model
    decision: Decision


@frozen
class Asking:
    """A model that asked something back, or for a pause; at *until* the first of its sittings goes on without us."""

    model: Model
    things: int
    until: datetime


def overview(work: Work, now: datetime) -> Mapping[str, object]:
    """Fold everything that is open; what is overdue comes first."""
    known: Mapping[str, Actor] = named(work.log)
    found, overdue, proposed, asking = [], [], [], []
    for model in all_models(work.log):
        if asked := what_waits(work.log, work.utterances, model.id):
            asking.append(Asking(model, len(asked), min(each.waiting.until for each in asked)))
        way = plan(work.log, model.id, now)
        if model.state is State.ACTIVE and not way.open:
            continue
        waiting = tuple(
            Waiting(stop, _where(stop, model), tuple(work.failures.of(stop.step.stage, stop.step.subject)))
            for stop in stops(way, known)
            if stop.step in way.open
        )
        found.append(OpenModel(model, waiting))
        overdue += [
            Overdue(model, each, actor_called(known, each.commitment.owner))
            for each in ledger.follow(work.log, model.id, now)
            if each.standing.wants_attention
        ]
        proposed += [Proposed(model, each) for each in ledger.proposals(work.log, model.id).values()]
    open_applications = [each for each in applications(work.log) if each.open]
    damaged = work.failures.at(HAND_OUT)
    keeping = [failure for stage in (SCRUB, REPLICATE, MAIL) for failure in work.failures.at(stage)[-1:]]
    return {
        "models": found,
        "asking": asking,
        "applications": len(open_applications),
        "undelivered": work.deliveries.tally()["failed"],
        "letters": {state: _letters(work, state) for state in ("waiting", "failed")},
        "damaged": damaged,
        "keeping": keeping,
        "archive": standing(work.log),
        "overdue": sorted(
            overdue, key=lambda each: (each.promise.standing.since or now.date(), each.model.id)
        ),
        "proposed": proposed,
    }


def _letters(work: Work, state: str) -> int:
    return sum(each.count for each in work.post.tally() if each.state == state)


@frozen
class OverviewPages:
    """The endpoints."""

    desk: Desk
    attempts: Pace

    def page(self, request: Request, session: Session) -> Response:
        now = self.desk.house.parts.clock.now()
        mailing = self.desk.house.parts.mailing
        view = lambda work: {**overview(work, now), "mailing": mailing}  # noqa: E731
        return self.desk.show(request, session, "desk.html", view)

    def sign_in_form(self, request: Request) -> Response:
        return self._form(request, request.query_params.get("next", "/desk"), FRESH)

    def _form(self, request: Request, where: str, sent: Sent) -> Response:
        return self.desk.show(request, None, "sign_in.html", lambda _: {"next": where}, sent)

    def sign_in(self, request: Request, sent: Form) -> Response:
        where = sent.get("next", "/desk")
        if not where.startswith("/desk") or "//" in where or "\\" in where:
            where = "/desk"
        address = request.client.host if request.client else ""
        try:
            self.attempts.look(address)
        except TooOften as error:
            return self._form(request, where, Sent(sent, of_error(error)))
        answer = self.desk.door.sign_in(sent.get("token"), where)
        if answer is not None:
            return answer
        self.attempts.step(address)
        fault = Fault(
            403,
            "desk.unknown_token",
            "Nobody here has this token.",
            "Copy the whole of it again, or have a new one made: `emeritus person sign-in 'NAME'`.",
        )
        return self._form(request, where, Sent(sent, fault))

    def sign_out(self, _request: Request, _session: Session, _sent: Form) -> Response:
        answer = RedirectResponse("/desk/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/desk", httponly=True, samesite="strict")
        return answer


def routes(desk: Desk) -> list[Route]:
    pages = OverviewPages(desk, Pace(desk.house.parts.clock, WRONG_TOKENS, WITHIN, together=None))
    return [
        desk.door.get("/desk", pages.page),
        Route("/desk/sign-in", pages.sign_in_form),
        post("/desk/sign-in", pages.sign_in),
        desk.door.post("/desk/sign-out", pages.sign_out),
    ]

"""Who may reach a model and who depends on it: decide on access anew, say what changes for those who move on."""

from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.access.dependants import LATELY, Dependant, dependants
from emeritus.access.policy import decide_policy, policy, policy_history
from emeritus.access.standing import standing
from emeritus.ledger.aftercare import Tier
from emeritus.process import applying, tell
from emeritus.process.plan import Step, plan
from emeritus.process.ports import Work
from emeritus.process.stages import TELL, TELL_AGAIN
from emeritus.process.tell import Ways
from emeritus.registry import State, get_model
from emeritus.registry.migration import changes, explain
from emeritus.web.desk.page import FRESH, Desk, Sent, parse_day
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form

A_YEAR = timedelta(days=365)
SHOWN = 200


@frozen
class Told:
    """A dependant with what they are called and how they are reached: private, for the desk alone."""

    dependant: Dependant
    name: str
    ways: Ways


@frozen
class AccessPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()
        name = request.path_params["id"]

        def view(work: Work) -> Mapping[str, object]:
            model = get_model(work.log, name)
            found = dependants(standing(work.log), work.keys, work.usage, name, now)
            notices: tuple[Step, ...] = ()
            if model.state is not State.ACTIVE:
                notices = tuple(
                    step for step in plan(work.log, name, now).steps if step.stage in (TELL, TELL_AGAIN)
                )
            decided = policy(work.log, name)
            return {
                "model": model,
                "policy": decided,
                "due": decided.due(now.date()),
                "history": policy_history(work.log, name),
                "dependants": [
                    Told(each, applying.called(work, each), tell.ways(work, each))
                    for each in found.known[:SHOWN]
                ],
                "count": len(found.known),
                "without_key": found.without_key,
                "lately": LATELY.days,
                "notices": notices,
                "changes": changes(work.log, name),
                "leaving": model.state is not State.ACTIVE,
                "review_on": now.date() + A_YEAR,
            }

        return self.desk.show(request, session, "desk_access.html", view, sent)

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Do what the form that was sent is for."""
        name = request.path_params["id"]

        def do(work: Work) -> object:
            if sent.get("form") == "explain":
                return explain(work.log, name, text=sent.get("text"), by=session.actor)
            return decide_policy(
                work.log,
                self.desk.house.parts.clock,
                name,
                tier=cast("Tier", sent.get("tier")),
                reason=sent.get("reason"),
                review_on=parse_day(sent.get("review_on")),
                by=session.actor,
            )

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))


def routes(desk: Desk) -> list[Route]:
    pages = AccessPages(desk)
    path = "/desk/models/{id}/access"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.sent)]

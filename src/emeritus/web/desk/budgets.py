"""Declare what one steward may decide on alone; agree to a larger budget as the second person."""

from collections.abc import Mapping
from typing import cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.ledger import ORGANISATION, Period
from emeritus.process import decide
from emeritus.process.ports import Work
from emeritus.registry import State, all_models
from emeritus.web.desk.page import FRESH, Desk, Sent, number
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form
from emeritus.web.site.budgets import budget_view

ROWS = (1, 2)
PATH = "/desk/budgets"


@frozen
class BudgetPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            models = [model for model in all_models(work.log) if model.state is not State.ACTIVE]
            scopes = [ORGANISATION, *(model.id for model in models)]
            return {
                "budgets": [budget_view(work.log, scope, now) for scope in scopes],
                "names": {model.id: model.display_name for model in models},
            }

        return self.desk.show(request, session, "desk_budgets.html", view, sent)

    def set(self, work: Work, session: Session, sent: Form) -> None:
        amounts = {
            sent.get(f"unit-{row}").strip(): number(sent.get(f"amount-{row}"), "The amount")
            for row in ROWS
            if sent.get(f"amount-{row}").strip()
        }
        decide.set_budget(
            work,
            sent.get("scope"),
            amounts=amounts,
            period=cast("Period", sent.get("period")),
            reason=sent.get("reason"),
            by=session.actor,
            propose=sent.get("propose") == "yes",
        )

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Do what the form that was sent is for."""

        def do(work: Work) -> None:
            if sent.get("second"):
                decide.second_budget(work, sent.get("second"), by=session.actor)
            else:
                self.set(work, session, sent)

        return self.desk.act(sent, do, PATH, lambda again: self.page(request, session, again))


def routes(desk: Desk) -> list[Route]:
    pages = BudgetPages(desk)
    return [desk.door.get(PATH, pages.page), desk.door.post(PATH, pages.sent)]

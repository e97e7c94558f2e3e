"""Answer each preference, say what follows for access and the column, show that promises were kept."""

from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.errors import InvalidInput
from emeritus.ledger import ByHand, Check, ColumnPlan, Cost, NewCommitment, Tier, parse_check
from emeritus.ledger.decision import Verdict
from emeritus.process import decide, revisit
from emeritus.process.ports import Work
from emeritus.web.desk.page import FRESH, Desk, Sent, number, parse_day, whole
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form
from emeritus.web.site.budgets import standing_budgets
from emeritus.web.site.wishes import wishes_of

COMMITMENTS = (1, 2, 3)
A_YEAR = timedelta(days=365)


# The ways in which a commitment is followed, as the form names them, and what the figure beside each means.
FOLLOWED = (
    ("by-hand", "A steward shows it", ""),
    ("column-weekly", "Editions on the site, one a week", "editions"),
    ("access-kept", "Calls to it, from its retirement on", "every_days"),
    ("weights-kept", "Proofs of its weights", "every_days"),
    ("published", "Something is public", ""),
)


def commitments(sent: Form) -> list[NewCommitment]:
    """Read the rows of commitments that are not empty. Raises InvalidInput."""
    found = []
    for row in COMMITMENTS:
        what, due, shown = (sent.get(f"{name}-{row}").strip() for name in ("what", "due", "shown"))
        if what or due or shown:
            if not due:
                raise InvalidInput(
                    f"Commitment {row} has no day by which it is due.",
                    next_step="Give the day, or empty the row.",
                )
            check = _check(sent.get(f"check-{row}", "by-hand"), sent.get(f"figure-{row}").strip())
            found.append(NewCommitment(what, parse_day(due), shown, check))
    return found


def _check(name: str, figure: str) -> Check:
    setting = {known: setting for known, _, setting in FOLLOWED}.get(name)
    if setting is None or name == "by-hand":
        return ByHand()
    return parse_check(f"{name} {setting}={figure}" if setting else f"{name} {figure}")


@frozen
class DecisionPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            return {
                "view": wishes_of(work.log, request.path_params["id"], now),
                "rows": COMMITMENTS,
                "followed": FOLLOWED,
                "budgets": standing_budgets(work.log, now, request.path_params["id"]),
                "review_on": now.date() + A_YEAR,
            }

        return self.desk.show(request, session, "desk_decisions.html", view, sent)

    def decide(self, work: Work, model: str, session: Session, sent: Form) -> None:
        decide.decide(
            work,
            model,
            sent.get("preference"),
            verdict=cast("Verdict", sent.get("verdict")),
            reason=sent.get("reason"),
            cost=Cost(number(sent.get("amount"), "The cost"), sent.get("unit").strip()),
            owner=sent.get("owner"),
            by=session.actor,
            now=self.desk.house.parts.clock.now(),
            commitments=commitments(sent),
            revise=sent.get("revise") == "yes",
            propose=sent.get("propose") == "yes",
        )

    def second(self, work: Work, model: str, session: Session, sent: Form) -> None:
        now = self.desk.house.parts.clock.now()
        decide.second(work, model, sent.get("second"), by=session.actor, now=now)

    def spent(self, work: Work, model: str, session: Session, sent: Form) -> None:
        decide.report_spending(
            work,
            model,
            sent.get("spent"),
            cost=Cost(number(sent.get("amount"), "What was spent"), sent.get("unit").strip()),
            what=sent.get("what"),
            final=sent.get("final") == "yes",
            by=session.actor,
        )

    def aftercare(self, work: Work, model: str, session: Session, sent: Form) -> None:
        column = None
        if sent.get("column") == "yes":
            weeks = whole(sent.get("weeks"), "The length of the column")
            usual = ColumnPlan()
            first, regime = sent.get("first").strip(), sent.get("regime").strip()
            notebook = sent.get("notebook") == "yes"
            column = ColumnPlan(weeks, regime or usual.regime, first or usual.first, notebook)
        decide.decide_aftercare(
            work,
            model,
            tier=cast("Tier", sent.get("tier")),
            reason=sent.get("reason"),
            review_on=parse_day(sent.get("review_on")),
            column=column,
            by=session.actor,
            now=self.desk.house.parts.clock.now(),
            revise=sent.get("revise") == "yes",
        )

    def evidence(self, work: Work, model: str, session: Session, sent: Form) -> None:
        what, source = sent.get("what").strip(), sent.get("source").strip()
        if not what or not source:
            raise InvalidInput(
                "Evidence says what shows it, and where to see that.", next_step="Fill in both lines."
            )
        revisit.show(
            work,
            model,
            sent.get("commitment"),
            what=what,
            source=source,
            kept=sent.get("kept") == "yes",
            by=session.actor,
        )

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Do what the form that was sent is for."""
        model = request.path_params["id"]
        acts = {"second": self.second, "spent": self.spent, "commitment": self.evidence}
        do = next((act for field, act in acts.items() if sent.get(field)), self.decide)
        if sent.get("form") == "aftercare":
            do = self.aftercare
        return self.desk.act(
            sent,
            lambda work: do(work, model, session, sent),
            f"{request.url.path}#{sent.get('form')}" if sent.get("form").isascii() else request.url.path,
            lambda again: self.page(request, session, again),
        )


def routes(desk: Desk) -> list[Route]:
    pages = DecisionPages(desk)
    path = "/desk/models/{id}/decisions"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.sent)]

"""A model's column at the desk: its weeks to come, how it is prompted, and whether it goes on."""

from collections.abc import Mapping
from typing import Literal, cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import column, ledger
from emeritus.column import Rhythm
from emeritus.column.figures import streak
from emeritus.column.rhythm import WEEKDAYS
from emeritus.core.errors import InvalidInput
from emeritus.process import publish as stage
from emeritus.process.ports import Work
from emeritus.process.stretch import ask_due
from emeritus.registry import get_model, organisation
from emeritus.web.desk.page import FRESH, Desk, Sent, whole
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form

AHEAD = 6


@frozen
class ColumnPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            model = get_model(work.log, request.path_params["model"])
            begin = model.retired_at or model.retires_at or now
            written = column.states(work.log, model.id)
            zone = organisation(work.log).zone
            return {
                "model": model,
                "decided": ledger.aftercare(work.log, model.id),
                "renewals": column.renewals(work.log, model.id),
                "wish": column.wish(work.log, model.id, len(written)),
                "written": len(written),
                "weeks": column.rhythm_weeks(work.log, model.id, len(written) + 1, begin, zone, AHEAD),
                "zone": zone,
                "rhythm": column.rhythm(work.log, model.id),
                "weekdays": WEEKDAYS,
                "chooser": column.chooser(work.log, model.id),
                "schedule": column.schedule(work.log, model.id),
                "regimes": [column.load(name) for name in column.shipped()],
                "sources": column.sources(work.log, model.id),
                "figures": column.figures(work.log, model.id),
                "streak": streak(work.log, model.id, now),
            }

        return self.desk.show(request, session, "desk_column.html", view, sent)

    def do(self, work: Work, model: str, session: Session, sent: Form) -> object:
        by, reason = session.actor, sent.get("reason")
        match sent.get("form"):
            case "schedule":
                regimes = [column.load(_shipped(name)) for name in sent.all("regime")]
                chooser: Literal["turns", "model"] = "model" if sent.get("by") == "model" else "turns"
                return column.set_schedule(work.log, model, regimes, by=chooser, reason=reason, steward=by)
            case "rhythm":
                wanted = Rhythm(
                    sent.get("weekday"),
                    whole(sent.get("lead"), "How many days ahead"),
                    sent.get("holidays").strip().upper(),
                    cast('Literal["move", "skip"]', sent.get("on_holiday", "move")),
                )
                return column.set_rhythm(work.log, model, wanted, reason=reason, by=by)
            case "chooser":
                who: Literal["model", "person"] = "person" if sent.get("who") == "person" else "model"
                clock = self.desk.house.parts.clock
                return stage.set_chooser(work, clock, model, who, reason=reason, by=by)
            case "renew":
                weeks = whole(sent.get("weeks"), "For how many weeks")
                return stage.renew(work, model, weeks=weeks, reason=reason, by=by)
            case "end":
                return stage.end(work, model, reason=reason, by=by)
        raise InvalidInput("This form does nothing.", next_step="Use one of the forms of this page.")

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        model = request.path_params["model"]
        now = self.desk.house.parts.clock.now()

        def do(work: Work) -> object:
            done = self.do(work, get_model(work.log, model).id, session, sent)
            ask_due(work, model, now)
            return done

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))


def _shipped(name: str) -> str:
    """Return the name of a shipped regime: a page of the desk opens no files."""
    if name not in column.shipped():
        raise InvalidInput(
            f"{name[:60]!r} does not come with Emeritus.",
            next_step="A regime of your own is scheduled by command: `emeritus column schedule`.",
        )
    return name


def routes(desk: Desk) -> list[Route]:
    pages = ColumnPages(desk)
    path = "/desk/models/{model}/column"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.sent)]

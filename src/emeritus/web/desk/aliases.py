"""Point aliases at models, announce that they move, and end them."""

from collections.abc import Mapping

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.process.ports import Work
from emeritus.registry import all_models
from emeritus.registry.alias import Alias, Move, all_aliases, end_alias, point_alias
from emeritus.web.desk.page import FRESH, Desk, Sent, parse_day
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form

PATH = "/desk/aliases"


@frozen
class AliasView:
    """An alias as the desk shows it."""

    alias: Alias
    standing: Move | None
    announced: Move | None


@frozen
class AliasPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            return {
                "aliases": [
                    AliasView(alias, alias.standing(now), alias.announced(now))
                    for alias in all_aliases(work.log)
                ],
                "models": [model for model in all_models(work.log) if model.erased is None],
            }

        return self.desk.show(request, session, "desk_aliases.html", view, sent)

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Do what the form that was sent is for."""

        def do(work: Work) -> None:
            name, clock = sent.get("alias").strip(), self.desk.house.parts.clock
            on = parse_day(sent.get("on").strip()) if sent.get("on").strip() else None
            if sent.get("model"):
                point_alias(
                    work.log,
                    clock,
                    name,
                    model=sent.get("model"),
                    why=sent.get("why"),
                    by=session.actor,
                    on=on,
                )
            else:
                end_alias(work.log, clock, name, why=sent.get("why"), by=session.actor, on=on)

        return self.desk.act(sent, do, PATH, lambda again: self.page(request, session, again))


def routes(desk: Desk) -> list[Route]:
    pages = AliasPages(desk)
    return [desk.door.get(PATH, pages.page), desk.door.post(PATH, pages.sent)]

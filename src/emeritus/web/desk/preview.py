"""An essay exactly as its readers will get it, by the page's own template, with one button to publish it."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.column import State, render
from emeritus.process.ports import Work
from emeritus.web.desk.page import Desk
from emeritus.web.desk.session import Session
from emeritus.web.site.column import preview_page


def routes(desk: Desk) -> list[Route]:
    def preview(request: Request, session: Session) -> Response:
        now = desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            page = preview_page(work, request.path_params["essay"], session.actor, now)
            return {
                "view": page,
                "rendered": render(page.essay.text),
                "can_publish": page.essay.state is State.APPROVED,
            }

        return desk.show(request, session, "preview.html", view)

    return [desk.door.get("/desk/essays/{essay}/preview", preview)]

"""The pages of the columns: fronts, essays, how they were prompted, feeds."""

from typing import Literal

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import column as room
from emeritus.column import render
from emeritus.column.essay import KINDS
from emeritus.column.feed import column_feed
from emeritus.core.errors import NotFound
from emeritus.process.ports import Work
from emeritus.process.verify.essay import hint
from emeritus.web.pages.rendering import House, frame
from emeritus.web.pages.security import CHECKING
from emeritus.web.site.column import Column, column_of, columns, essay_page, latest, require_published, tally
from emeritus.web.site.record import told

NEWEST = 12
FEED_TYPES = {"atom": "application/atom+xml", "json": "application/feed+json"}


@frozen
class ColumnPages:
    """The endpoints."""

    house: House

    def front(self, request: Request) -> Response:
        now = self.house.parts.clock.now()
        with self.house.parts.read() as work:
            around = frame(work.log)
            view = {
                "columns": columns(work, now),
                "essays": latest(work, NEWEST),
                "tally": tally(room.states(work.log)),
            }
        return self.house.page(request, "columns.html", around, view)

    def _column(self, work: Work, model_id: str) -> Column:
        found = column_of(work, model_id, self.house.parts.clock.now())
        if found is None:
            raise NotFound(f"{model_id} has no column.", next_step="All columns are at /column.")
        return found

    def one(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), self._column(work, request.path_params["id"])
        return self.house.page(request, "column.html", around, {"view": view})

    def feed(self, request: Request) -> Response:
        form: Literal["atom", "json"] = "json" if request.url.path.endswith(".json") else "atom"
        url = self.house.parts.site_url
        with self.house.parts.read() as work:
            model = self._column(work, request.path_params["id"]).model
            data = column_feed(
                work.log,
                work.utterances,
                model.id,
                self_url=f"{url}/column/{model.id}/feed.{form}",
                page_url=f"{url}/column/{model.id}",
                essay_url=f"{url}/column/essays/{{id}}",
                form=form,
            )
        return Response(data, media_type=FEED_TYPES[form])

    def essay(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), essay_page(work, request.path_params["id"])
        shown = {"view": view, "rendered": render(view.essay.text)}
        headers = {"content-security-policy": CHECKING}
        return self.house.page(request, "essay.html", around, shown, headers=headers)

    def prompt(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), essay_page(work, request.path_params["id"])
        return self.house.page(request, "prompt.html", around, {"view": view, "told": told(view.history)})

    def text(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            found = room.get_essay(work.log, work.utterances, request.path_params["id"])
            require_published(found)
        return Response(found.text.encode(), media_type="text/plain")

    def entries(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            found = room.get_essay(work.log, work.utterances, request.path_params["id"])
            require_published(found)
            data = hint(found.id, work.log.entries(subject=found.id, kinds=KINDS))
        return Response(data, media_type="application/json")


def routes(house: House) -> list[Route]:
    pages = ColumnPages(house)
    return [
        Route("/column", pages.front),
        Route("/column/essays/{id}.txt", pages.text),
        Route("/column/essays/{id}.json", pages.entries),
        Route("/column/essays/{id}/prompt", pages.prompt),
        Route("/column/essays/{id}", pages.essay),
        Route("/column/{id}/feed.atom", pages.feed),
        Route("/column/{id}/feed.json", pages.feed),
        Route("/column/{id}", pages.one),
    ]

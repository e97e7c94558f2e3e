"""The pages of the columns: fronts, essays, how they were prompted, feeds."""

from collections.abc import Mapping
from typing import cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import column as room
from emeritus.column import Essay, render
from emeritus.column.essay import KINDS
from emeritus.column.feed import Form, column_feed
from emeritus.column.imported import shown
from emeritus.core.errors import NotFound
from emeritus.process.ports import Work
from emeritus.process.verify.essay import hint
from emeritus.registry import Model, get_model
from emeritus.web.pages.rendering import Frame, House, frame
from emeritus.web.pages.security import CHECKING
from emeritus.web.site.column import (
    NEWEST,
    Column,
    archive_page,
    column_of,
    columns,
    essay_page,
    imported_page,
    latest,
    require_published,
    tag_page,
    tally,
)
from emeritus.web.site.picture import essay_picture
from emeritus.web.site.record import told as telling
from emeritus.web.site.translated import translation_page

FEED_TYPES: Mapping[Form, str] = {
    "atom": "application/atom+xml",
    "rss": "application/rss+xml",
    "json": "application/feed+json",
}


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
                "mailing": self.house.parts.mailing,
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
        told = {"view": view, "mailing": self.house.parts.mailing}
        return self.house.page(request, "column.html", around, told)

    def feed(self, request: Request) -> Response:
        form = cast("Form", request.url.path.rpartition(".")[2])
        parts, model_id = self.house.parts, request.path_params.get("id")
        with parts.read() as work:
            if model_id is not None:
                self._column(work, model_id)
            data = self.feed_of(work, model_id, form)
        return Response(data, media_type=FEED_TYPES[form], headers=self._found_by(request.url.path))

    def _found_by(self, path: str) -> dict[str, str]:
        """Return how a feed says which hub it is announced to (WebSub, 4)."""
        hub = self.house.parts.hub
        return (
            {"link": f'<{hub.url}>; rel="hub", <{self.house.parts.site_url}{path}>; rel="self"'}
            if hub
            else {}
        )

    def feed_of(self, work: Work, model_id: str | None, form: Form) -> bytes:
        """Return a column as a feed, or all of them."""
        url = self.house.parts.site_url
        page = f"{url}/column/{model_id}" if model_id else f"{url}/column"
        return column_feed(
            work.log,
            work.utterances,
            model_id,
            self_url=f"{page}/feed.{form}",
            page_url=page,
            essay_url=f"{url}/column/essays/{{id}}",
            form=form,
            hub=self.house.parts.hub.url if self.house.parts.hub else "",
        )

    def archive(self, request: Request) -> Response:
        page = request.path_params.get("page")
        with self.house.parts.read() as work:
            around, view = frame(work.log), archive_page(work, request.path_params["id"], page)
        return self.house.page(request, "archive.html", around, {"view": view})

    def imported(self, request: Request) -> Response:
        found = request.path_params
        with self.house.parts.read() as work:
            around, view = frame(work.log), imported_page(work, found["id"], found.get("page", 1))
        return self.house.page(request, "imported.html", around, {"view": view})

    def piece(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, piece = frame(work.log), room.get_imported(work.log, request.path_params["id"])
            model = get_model(work.log, piece.model)
            html = shown(piece, work.documents)
        return self.house.page(request, "piece.html", around, {"piece": piece, "model": model, "html": html})

    def tag(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), tag_page(work, request.path_params["tag"])
        return self.house.page(request, "tag.html", around, {"view": view})

    def translation(self, request: Request) -> Response:
        found = request.path_params
        with self.house.parts.read() as work:
            around, view = frame(work.log), translation_page(work, found["id"], found["language"])
        told = {"view": view, "rendered": render(view.text)}
        return self.house.page(request, "translation.html", around, told)

    def translated_text(self, request: Request) -> Response:
        found = request.path_params
        with self.house.parts.read() as work:
            text = translation_page(work, found["id"], found["language"]).text
        return Response(text.encode(), media_type="text/markdown")

    def picture(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            found = room.get_essay(work.log, work.utterances, request.path_params["id"])
            require_published(found)
            drawn = picture_of(get_model(work.log, found.model), found, frame(work.log))
        return Response(drawn, media_type="image/png", headers={"cache-control": "public, max-age=86400"})

    def essay(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), essay_page(work, request.path_params["id"])
        told = {"view": view, "rendered": render(view.essay.text)}
        headers = {"content-security-policy": CHECKING}
        return self.house.page(request, "essay.html", around, told, headers=headers)

    def prompt(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), essay_page(work, request.path_params["id"])
        return self.house.page(request, "prompt.html", around, {"view": view, "told": telling(view.history)})

    def text(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            found = room.get_essay(work.log, work.utterances, request.path_params["id"])
            require_published(found)
        markdown = request.url.path.endswith(".md")
        return Response(found.text.encode(), media_type="text/markdown" if markdown else "text/plain")

    def entries(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            found = room.get_essay(work.log, work.utterances, request.path_params["id"])
            require_published(found)
            data = hint(found.id, work.log.entries(subject=found.id, kinds=KINDS))
        return Response(data, media_type="application/json")


def picture_of(model: Model, essay: Essay, around: Frame) -> bytes:
    """Draw the picture of a published essay."""
    assert essay.edition is not None
    return essay_picture(essay.title, f"{model.display_name} · No. {essay.edition.number}", around.name)


def routes(house: House) -> list[Route]:
    pages = ColumnPages(house)
    return [
        Route("/column", pages.front),
        *(Route(f"/column/feed.{form}", pages.feed) for form in FEED_TYPES),
        Route("/column/tags/{tag}", pages.tag),
        Route("/column/essays/{id}.md", pages.text),
        Route("/column/essays/{id}.png", pages.picture),
        Route("/column/essays/{id}/in/{language}.md", pages.translated_text),
        Route("/column/essays/{id}/in/{language}", pages.translation),
        Route("/column/essays/{id}.txt", pages.text),
        Route("/column/essays/{id}.json", pages.entries),
        Route("/column/essays/{id}/prompt", pages.prompt),
        Route("/column/essays/{id}", pages.essay),
        Route("/column/imported/{id}", pages.piece),
        *(Route(f"/column/{{id}}/feed.{form}", pages.feed) for form in FEED_TYPES),
        Route("/column/{id}/imported", pages.imported),
        Route("/column/{id}/imported/{page:int}", pages.imported),
        Route("/column/{id}/archive", pages.archive),
        Route("/column/{id}/archive/{page:int}", pages.archive),
        Route("/column/{id}", pages.one),
    ]

"""A person's translation of an essay: looked at as readers will get it, then put beside the essay."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import column
from emeritus.column import translation
from emeritus.core.errors import Conflict, EmeritusError
from emeritus.process import translate
from emeritus.process.ports import Work
from emeritus.web.desk.page import FRESH, Desk, Sent
from emeritus.web.desk.session import Session
from emeritus.web.pages.faults import of_error
from emeritus.web.pages.forms import Form
from emeritus.web.site.translated import translation_preview


@frozen
class TranslationPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        """Show the form, and what is offered already."""

        def view(work: Work) -> Mapping[str, object]:
            essay = column.get_essay(work.log, work.utterances, request.path_params["essay"])
            if essay.edition is None:
                raise Conflict(
                    f"{essay.id} is not published.", next_step="Publish it first; then offer its translation."
                )
            offered = translation.translations(work.log, essay.id)
            return {"essay": essay, "offered": offered, "languages": translation.LANGUAGES}

        return self.desk.show(request, session, "desk_translations.html", view, sent)

    def sent(self, request: Request, session: Session, sent: Form) -> Response:
        """Show it as readers will get it, show the form again to change it, or offer it."""
        essay = request.path_params["essay"]
        told = {"essay_id": essay, "text": sent.get("text"), "translator": sent.get("translator")}
        match sent.get("form"):
            case "offer":
                try:
                    code = translation.language_code(sent.get("language"))
                except EmeritusError as error:
                    return self.page(request, session, Sent(sent, of_error(error)))
                return self.desk.act(
                    sent,
                    lambda work: translate.by_person(work, language=code, by=session.actor, **told),
                    f"/column/essays/{essay}/in/{code}",
                    partial(self.page, request, session),
                )
            case "look":
                return self._look(request, session, sent, told)
            case _:
                return self.page(request, session, Sent(sent))

    def _look(self, request: Request, session: Session, sent: Form, told: Mapping[str, Any]) -> Response:
        now = self.desk.house.parts.clock.now()

        def view(work: Work) -> Mapping[str, object]:
            code = translation.language_code(sent.get("language"))
            act = translation.act_of_person(work.log, language=code, by=session.actor, **told)
            page = translation_preview(work, act, told["text"], now)
            return {"view": page, "rendered": column.render(page.text), "typed": sent}

        try:
            return self.desk.show(request, session, "preview_translation.html", view)
        except EmeritusError as error:
            return self.page(request, session, Sent(sent, of_error(error)))


def routes(desk: Desk) -> list[Route]:
    pages = TranslationPages(desk)
    path = "/desk/essays/{essay}/translations"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.sent)]

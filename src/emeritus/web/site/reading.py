"""What a model reads: letters of its readers, its own notebook, and the documents that entries name."""

from collections.abc import Mapping

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import column
from emeritus.column import Note
from emeritus.column.letters import (
    MOST_CHARACTERS,
    Letter,
    Words,
    essays_that_read,
    letters,
    read_letter,
    receive,
)
from emeritus.column.news import news
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.core.speech import Utterance
from emeritus.process.ports import Work
from emeritus.registry import Model, all_models, get_model
from emeritus.web.gateway.pace import Pace
from emeritus.web.pages.faults import Fault, of_error
from emeritus.web.pages.forms import Form, post
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.column import column_of

SHOWN = 50


@frozen
class ShownLetter:
    """A letter that was let in, its words, and the essays that the model wrote with it before it."""

    letter: Letter
    words: Words
    essays: tuple[str, ...]


@frozen
class ShownNote:
    """A note of the notebook; *said* is None while its essay is not published."""

    note: Note
    said: Utterance | None


@frozen
class ReadingPages:
    """The endpoints. *pace* bounds how often one network may send a letter."""

    house: House
    pace: Pace

    def letters(self, request: Request) -> Response:
        return self._letters(request, Form(), None)

    def _letters(
        self, request: Request, sent: Form, fault: Fault | None, *, thanks: bool = False
    ) -> Response:
        with self.house.parts.read() as work:
            around, model = frame(work.log), self._model(work, request)
            found = letters(work.log, model.id)
            read = essays_that_read(work.log, model.id)
            let_in = [each for each in found if each.standing == "let_in"][: -SHOWN - 1 : -1]
            view: Mapping[str, object] = {
                "model": model,
                "shown": [
                    ShownLetter(each, read_letter(work.private, each.id), tuple(read.get(each.id, ())))
                    for each in let_in
                ],
                "counts": {
                    state: sum(each.standing == state for each in found)
                    for state in ("waiting", "let_in", "kept_out", "forgotten")
                },
                "most": MOST_CHARACTERS,
                "sent": sent,
                "fault": fault,
                "thanks": thanks,
            }
        status = fault.status if fault else 201 if thanks else 200
        headers = fault.headers if fault else None
        return self.house.page(request, "letters.html", around, view, status=status, headers=headers)

    def send(self, request: Request, sent: Form) -> Response:
        parts = self.house.parts
        try:
            self.pace.step(request.client.host if request.client else "")
            with parts.work() as work:
                receive(
                    work.log,
                    work.private,
                    parts.clock,
                    self._model(work, request).id,
                    text=sent.get("text"),
                    name=sent.get("name"),
                    agreed=sent.get("agreed") == "yes",
                )
        except EmeritusError as error:
            return self._letters(request, sent, of_error(error))
        return self._letters(request, Form(), None, thanks=True)

    def notebook(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, model = frame(work.log), self._model(work, request)
            notes = [
                ShownNote(each, work.utterances.get(each.utterance) if each.public else None)
                for each in reversed(column.notebook(work.log, model.id))
            ]
        return self.house.page(request, "notebook.html", around, {"model": model, "notes": notes})

    def document(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        with self.house.parts.read() as work:
            public = {each.digest for model in all_models(work.log) for each in news(work.log, model.id)}
            if digest not in public:
                raise NotFound(
                    "No such document is public here.",
                    next_step="Follow a link beside an essay that read it.",
                )
            data = work.documents.get(digest).data
        return Response(data, media_type="text/plain")

    def _model(self, work: Work, request: Request) -> Model:
        """Return the model of a column. Raises NotFound where there is none."""
        model = get_model(work.log, request.path_params["id"])
        if column_of(work, model.id, self.house.parts.clock.now()) is None:
            raise NotFound(f"{model.id} has no column.", next_step="All columns are at /column.")
        return model


def routes(house: House) -> list[Route]:
    pages = ReadingPages(house, Pace(house.parts.clock, house.parts.paces.letters))
    return [
        Route("/column/{id}/letters", pages.letters),
        post("/column/{id}/letters", pages.send),
        Route("/column/{id}/notebook", pages.notebook),
        Route("/documents/{digest}.txt", pages.document),
    ]

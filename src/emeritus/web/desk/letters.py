"""Readers' letters: let each in, unless it is abuse on one of a closed list of grounds."""

from collections.abc import Mapping
from typing import cast

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.column.letters import Ground, Letter, Words, forget, keep_out, let_in, letters, read_letter
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.process.ports import Work
from emeritus.registry import all_models
from emeritus.web.desk.page import FRESH, Desk, Sent
from emeritus.web.desk.session import Session
from emeritus.web.pages.forms import Form

SHOWN = 50


@frozen
class Opened:
    """A letter with its words, which are None once they are forgotten."""

    letter: Letter
    words: Words | None


def opened(work: Work, letter: Letter) -> Opened:
    """Return a letter with what it says."""
    try:
        return Opened(letter, read_letter(work.private, letter.id))
    except NotFound:
        return Opened(letter, None)


@frozen
class LetterPages:
    """The endpoints."""

    desk: Desk

    def page(self, request: Request, session: Session, sent: Sent = FRESH) -> Response:
        def view(work: Work) -> Mapping[str, object]:
            found = letters(work.log)
            waiting = [each for each in found if each.standing == "waiting"]
            decided = [each for each in found if each.standing != "waiting"][: -SHOWN - 1 : -1]
            return {
                "waiting": [opened(work, each) for each in waiting[:SHOWN]],
                "more": max(0, len(waiting) - SHOWN),
                "decided": [opened(work, each) for each in decided],
                "grounds": list(Ground),
                "names": {model.id: model.display_name for model in all_models(work.log)},
            }

        return self.desk.show(request, session, "desk_letters.html", view, sent)

    def answer(self, request: Request, session: Session, sent: Form) -> Response:
        def do(work: Work) -> object:
            name, by = sent.get("form"), session.actor
            match sent.get("answer"):
                case "let-in":
                    return let_in(work.log, name, by=by)
                case "keep-out":
                    return keep_out(work.log, name, ground=cast("Ground", sent.get("ground")), by=by)
                case "forget":
                    return forget(work.log, work.private, name, by=by)
            raise InvalidInput("No answer was chosen.", next_step="Let it in, or keep it out on a ground.")

        return self.desk.act(sent, do, request.url.path, lambda again: self.page(request, session, again))


def routes(desk: Desk) -> list[Route]:
    pages = LetterPages(desk)
    path = "/desk/letters"
    return [desk.door.get(path, pages.page), desk.door.post(path, pages.answer)]

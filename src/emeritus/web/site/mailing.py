"""A column by mail: ask for it, confirm, leave. Opening a link never does anything; its button does."""

from attrs import field, frozen
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emeritus.column.subscribers import EVERY
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.process import subscribe
from emeritus.process.ports import Work
from emeritus.registry import get_model
from emeritus.web.gateway.pace import Pace
from emeritus.web.pages.faults import Fault, of_error
from emeritus.web.pages.forms import Form, post
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.column import columns

# A link is as good as a key: it is told to nobody, and kept by no cache.
PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
_MOST_BODY = 4096


@frozen
class MailingPages:
    """The endpoints."""

    house: House
    pace: Pace = field()

    @pace.default
    def _pace(self) -> Pace:
        return Pace(self.house.parts.clock, self.house.parts.paces.subscriptions)

    def form(self, request: Request) -> Response:
        return self._form(request, Form((("column", request.query_params.get("column", "")),)), None)

    def _form(self, request: Request, sent: Form, fault: Fault | None) -> Response:
        with self.house.parts.read() as work:
            around = frame(work.log)
            choices = [each.model for each in columns(work, self.house.parts.clock.now())]
        view = {"sent": sent, "fault": fault, "choices": choices, "mailing": self.house.parts.mailing}
        status, headers = (fault.status, fault.headers) if fault else (200, None)
        return self.house.page(request, "subscribe.html", around, view, status=status, headers=headers)

    def ask(self, request: Request, sent: Form) -> Response:
        parts = self.house.parts
        try:
            if not parts.mailing:
                raise NotFound("No mail is sent from here.", next_step="Follow the column by its feed.")
            self.pace.step(request.client.host if request.client else "")
            with parts.work() as work:
                around = frame(work.log)
                address, wanted = sent.get("address"), sent.get("column")
                subscribe.ask(work, address, wanted, parts.clock.now(), site_url=parts.site_url)
        except EmeritusError as error:
            return self._form(request, sent, of_error(error))
        return self.house.page(
            request, "asked.html", around, {"address": address}, status=202, headers=PRIVATE
        )

    def confirm_form(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around = frame(work.log)
            reader = subscribe.reader_of(work.subscribers, request.path_params["token"], "confirm")
            view = {
                "reader": reader,
                "name": _column_name(work, reader.column) if reader else "",
                "done": False,
            }
        return self.house.page(request, "confirm.html", around, view, headers=PRIVATE)

    def confirm(self, request: Request, _: Form) -> Response:
        with self.house.parts.work() as work:
            around = frame(work.log)
            reader = subscribe.confirm(work, request.path_params["token"], self.house.parts.clock.now())
            view = {"reader": reader, "name": _column_name(work, reader.column), "done": True}
        return self.house.page(request, "confirm.html", around, view, headers=PRIVATE)

    def leave_form(self, request: Request) -> Response:
        token = request.path_params["token"]
        with self.house.parts.read() as work:
            around = frame(work.log)
            reader = subscribe.reader_of(work.subscribers, token, "leave")
            view = {
                "reader": reader,
                "name": _column_name(work, reader.column) if reader else "",
                "token": token,
            }
        return self.house.page(request, "leave.html", around, view, headers=PRIVATE)

    async def leave(self, request: Request) -> Response:
        """Take whatever form a mail program or a browser sends here (RFC 8058): to send it is to leave."""
        length = 0
        async for chunk in request.stream():
            length += len(chunk)
            if length > _MOST_BODY:
                break
        return await run_in_threadpool(self._leave, request)

    def _leave(self, request: Request) -> Response:
        token = request.path_params["token"]
        with self.house.parts.work() as work:
            around = frame(work.log)
            subscribe.leave(work, token)
        view = {"reader": None, "name": "", "token": token}
        return self.house.page(request, "leave.html", around, view, headers=PRIVATE)

    def kept(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            reader = subscribe.reader_of(work.subscribers, request.path_params["token"], "leave")
        told = {} if reader is None else subscribe.kept_about(reader)
        return JSONResponse(
            told, headers={**PRIVATE, "content-disposition": 'attachment; filename="kept.json"'}
        )


def _column_name(work: Work, column: str) -> str:
    return "every column" if column == EVERY else f"the column of {get_model(work.log, column).display_name}"


def routes(house: House) -> list[Route]:
    pages = MailingPages(house)
    return [
        Route("/column/subscribe", pages.form),
        post("/column/subscribe", pages.ask),
        Route("/column/confirm/{token}", pages.confirm_form),
        post("/column/confirm/{token}", pages.confirm),
        Route("/column/leave/{token}", pages.leave_form),
        Route("/column/leave/{token}", pages.leave, methods=["POST"]),
        Route("/column/leave/{token}/kept.json", pages.kept),
    ]

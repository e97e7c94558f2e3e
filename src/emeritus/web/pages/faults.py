"""Errors as pages: what is wrong in one sentence, and what to do next."""

import json

import structlog
from attrs import asdict, frozen
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from emeritus.core.errors import EmeritusError
from emeritus.core.ids import new_id
from emeritus.web.pages.rendering import Frame, House, frame

_log = structlog.get_logger(__name__)
_TITLES = {
    400: "That could not be read",
    403: "Not for you to do",
    404: "Nothing is here",
    405: "Not that way",
    409: "The record says otherwise",
    410: "No longer here",
    413: "Too long",
    422: "That cannot be",
    429: "Not so fast, please",
    500: "A fault of ours",
    503: "Not just now",
}
_TITLES_BY_ID = {"essay.vetoed": "Kept, and not shown"}  # it never was here


@frozen
class Fault:
    """An error as a person meets it."""

    status: int
    id: str
    sentence: str
    next_step: str
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's head says of it."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}

    @property
    def title(self) -> str:
        return _TITLES_BY_ID.get(self.id) or _TITLES.get(self.status, "That did not work")


def of_error(error: EmeritusError) -> Fault:
    """Return the fault that a typed error is."""
    return Fault(error.status, error.id, error.sentence, error.next_step, error.retry_after)


def of_http(request: Request, error: HTTPException) -> Fault:
    """Return the fault for what the web framework refused."""
    path = request.url.path[:200]
    match error.status_code:
        case 404:
            return Fault(
                404, "not_found", f"There is no page at {path}.", "Begin at the front page, or at the record."
            )
        case 405:
            allowed = (error.headers or {}).get("Allow", "GET")
            return Fault(
                405,
                "method_not_allowed",
                f"{request.method} does not work on {path}.",
                f"What works there: {allowed}.",
            )
        case 410:
            return Fault(
                410, "gone", f"What was at {path} is no longer shown.", "The record says what became of it."
            )
        case 413:
            return Fault(413, "too_long", "More was sent than a form of this site takes.", "Send less text.")
    return Fault(
        error.status_code,
        f"http_{error.status_code}",
        "This request cannot be answered.",
        "Begin at the front page.",
    )


@frozen
class FaultPages:
    """The exception handlers of the site and the desk."""

    house: House

    def typed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, EmeritusError)
        return self.show(request, of_error(error))

    def http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self.show(request, of_http(request, error), dict(error.headers or {}))

    def defect(self, request: Request, error: Exception) -> Response:
        reference = new_id("fault", self.house.parts.clock.now())
        _log.error("page.failed", path=request.url.path, reference=reference, exc_info=error)
        fault = Fault(
            500,
            "internal",
            "This page could not be made, and it is our fault.",
            f"Try again; if it stays so, tell the steward this reference: {reference}.",
        )
        return self.show(request, fault)

    def show(self, request: Request, fault: Fault, headers: dict[str, str] | None = None) -> Response:
        """Answer with *fault*: a page for people, JSON for programs that ask for it."""
        headers = {**fault.headers, **(headers or {})}
        accepted = request.headers.get("accept", "")
        if "application/json" in accepted and "text/html" not in accepted:
            body = json.dumps(
                {"error": asdict(fault, filter=lambda _, value: value is not None)}, ensure_ascii=False
            )
            return Response(body, fault.status, headers, "application/json")
        return self.house.page(
            request, "fault.html", self._frame(), {"fault": fault}, status=fault.status, headers=headers
        )

    def _frame(self) -> Frame:
        try:
            with self.house.parts.read() as work:
                return frame(work.log)
        except Exception:  # noqa: BLE001  the page about a broken database has to be shown without it
            return Frame()

"""What every page of the desk does: show itself, act in one unit of work, show a fault on the form."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from emeritus.core.clock import parse_date
from emeritus.core.errors import EmeritusError, InvalidInput
from emeritus.process.ports import Work
from emeritus.web.desk.session import Door, Session
from emeritus.web.pages.faults import Fault, of_error
from emeritus.web.pages.forms import Form
from emeritus.web.pages.rendering import House, frame

NOTHING_SENT = Form()
parse_day = parse_date


@frozen
class Sent:
    """A form that came back with a fault; *name* says which form of the page it was."""

    form: Form = NOTHING_SENT
    fault: Fault | None = None

    def to(self, name: str) -> Form:
        """Return what was typed into the form called *name*, empty when it was another."""
        return self.form if self.fault and self.form.get("form") == name else NOTHING_SENT

    def wrong(self, name: str) -> Fault | None:
        """Return the fault of the form called *name*."""
        return self.fault if self.form.get("form") == name else None


FRESH = Sent()
View = Callable[[Work], Mapping[str, Any]]


@frozen
class Desk:
    """The house and its door, for the pages of the desk."""

    house: House
    door: Door

    @classmethod
    def of(cls, house: House) -> "Desk":
        return cls(house, Door(house))

    def show(
        self, request: Request, session: Session | None, template: str, view: View, sent: Sent = FRESH
    ) -> Response:
        """Render *template* with what *view* reads."""
        with self.house.parts.read() as work:
            around, shown = frame(work.log), dict(view(work))
        status = sent.fault.status if sent.fault else 200
        told = {**shown, "session": session, "sent": sent, "today": self.house.parts.clock.now().date()}
        headers = sent.fault.headers if sent.fault else None
        return self.house.page(request, template, around, told, status=status, headers=headers)

    def act(
        self, sent: Form, do: Callable[[Work], object], then: str, again: Callable[[Sent], Response]
    ) -> Response:
        """Do something in one unit of work; on an error show the form *again* with what was typed."""
        try:
            with self.house.parts.work() as work:
                do(work)
        except EmeritusError as error:
            return again(Sent(sent, of_error(error)))
        return RedirectResponse(then, 303)


def number(text: str, what: str) -> float:
    """Read an amount. Raises InvalidInput."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise InvalidInput(
            f"{what} is not a number: {text.strip()[:40]!r}.", next_step="Write it as 40 or 0.02."
        ) from None


def whole(text: str, what: str) -> int:
    """Read a whole number. Raises InvalidInput."""
    value = text.strip()
    if not (value.isascii() and value.isdigit() and len(value) < 12):
        raise InvalidInput(f"{what} is not a whole number: {value[:40]!r}.", next_step="Write it as 13.")
    return int(value)

"""Who sits at the desk: a signed cookie, and a token in each form that only this session knows."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from emeritus.core.errors import EmeritusError, NotPermitted
from emeritus.core.people import Actor, Seat
from emeritus.registry import find_person
from emeritus.web.pages import sealed
from emeritus.web.pages.forms import Form, post
from emeritus.web.pages.rendering import House

COOKIE = "emeritus_desk"
LASTS = timedelta(hours=8)


class SignInNeeded(NotPermitted):
    """The desk is for people who signed in, and this was sent by nobody who did."""

    id = "desk.sign_in_needed"
    status = 403


class ForgedForm(NotPermitted):
    """The form was not made by this desk for this session; nothing was done."""

    id = "desk.forged_form"
    status = 403


@frozen
class Session:
    """Somebody at the desk. *csrf* has to come back with each form."""

    actor: Actor
    roles: tuple[str, ...]
    csrf: str


def unseal(key: bytes, value: str, now: datetime) -> tuple[Seat, str] | None:
    """Return whose cookie it is, and the token of their forms; None when it is not (any more) good."""
    opened = sealed.unseal(key, "desk", value, now, LASTS)
    if opened is None:
        return None
    try:
        return Seat(Actor.parse(opened[0]["who"]), str(opened[0]["token"])), opened[1]
    except (KeyError, AttributeError, EmeritusError):
        return None


@frozen
class Door:
    """Lets people in, and nobody else."""

    house: House

    def session(self, request: Request) -> Session | None:
        """Return who sits at the desk, or None."""
        parts = self.house.parts
        opened = unseal(parts.cookie_key, request.cookies.get(COOKIE, ""), parts.clock.now())
        if opened is None:
            return None
        seat, csrf = opened
        if not parts.sessions.holds(seat):  # a token that was revoked ends what it opened
            return None
        with parts.read() as work:
            known = find_person(work.log, seat.actor)
        return None if known is None else Session(seat.actor, known.roles, csrf)

    def sign_in(self, token: str, where: str) -> Response | None:
        """Return the answer that signs the holder of *token* in, or None when nobody holds it."""
        parts = self.house.parts
        seat = parts.sessions.seat(token.strip())
        if seat is None:
            return None
        answer = RedirectResponse(where, 303)
        answer.set_cookie(
            COOKIE,
            sealed.seal(
                parts.cookie_key, "desk", {"who": str(seat.actor), "token": seat.token}, parts.clock.now()
            ),
            max_age=int(LASTS.total_seconds()),
            path="/desk",
            secure=parts.site_url.startswith("https:"),
            httponly=True,
            samesite="strict",
        )
        return answer

    def get(self, path: str, handler: Callable[[Request, Session], Response]) -> Route:
        """Return a route that shows something to people who signed in."""

        def endpoint(request: Request) -> Response:
            session = self.session(request)
            if session is None:
                return RedirectResponse(f"/desk/sign-in?next={quote(request.url.path)}", 303)
            return handler(request, session)

        return Route(path, endpoint)

    def post(self, path: str, handler: Callable[[Request, Session, Form], Response]) -> Route:
        """Return a route on which people who signed in act, by a form of this desk."""

        def endpoint(request: Request, sent: Form) -> Response:
            session = self.session(request)
            if session is None:
                raise SignInNeeded(
                    "Nobody is signed in here (any more), so nothing was done.",
                    next_step="Sign in at /desk/sign-in, go back, and send the form again.",
                )
            same_site = request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
            if not same_site or not hmac.compare_digest(session.csrf.encode(), sent.get("csrf").encode()):
                raise ForgedForm(
                    "This form was not made by the desk for you, so nothing was done.",
                    next_step="Open the page at the desk again, and send the form from there.",
                )
            return handler(request, session, sent)

        return post(path, endpoint)

"""A member's own pages: logging in, fetching a first key, and keeping keys in order."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from emeritus.access import claims, holders, keys, logins, members, rechecks
from emeritus.access.gate import reachable
from emeritus.access.members import Member
from emeritus.access.ports import KeyRecord
from emeritus.access.standing import Standing, standing
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.process.ports import Work
from emeritus.web.desk.session import ForgedForm, SignInNeeded
from emeritus.web.pages import sealed
from emeritus.web.pages.faults import Fault, of_error
from emeritus.web.pages.forms import Form, post
from emeritus.web.pages.login import Heard, LoginRefused, Pending
from emeritus.web.pages.parts import MemberLogin
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.rechecking import sealed as sealed_token

COOKIE = "emeritus_member"
PENDING = "emeritus_login"
LASTS = timedelta(hours=12)
A_LOGIN = timedelta(minutes=10)
PATH = "/access/me"
BACK = "/access/login/back"


@frozen
class Visit:
    """A member on their own pages. *csrf* has to come back with each form."""

    member: Member
    csrf: str


@frozen
class MemberPages:
    """The endpoints."""

    house: House

    # -- logging in -----------------------------------------------------------

    def login(self, _request: Request) -> Response:
        """Send the person to the provider."""
        parts = self.house.parts
        url, pending = self._provider().login.begin(f"{parts.site_url}{BACK}")
        answer = RedirectResponse(url, 303, {"cache-control": "no-store"})
        body = {"state": pending.state, "nonce": pending.nonce, "verifier": pending.verifier}
        self._set(answer, PENDING, sealed.seal(parts.cookie_key, "login", body, parts.clock.now()), A_LOGIN)
        return answer

    def back(self, request: Request) -> Response:
        """Let in whoever comes back from the provider."""
        parts, provider = self.house.parts, self._provider()
        opened = sealed.unseal(
            parts.cookie_key, "login", request.cookies.get(PENDING, ""), parts.clock.now(), A_LOGIN
        )
        if opened is None:
            raise LoginRefused(
                "This login did not begin here, or longer than ten minutes ago.",
                next_step="Begin again: /access/login.",
            )
        told = {name: str(opened[0].get(name, "")) for name in ("state", "nonce", "verifier")}
        heard = provider.login.finish(Pending(**told), dict(request.query_params), f"{parts.site_url}{BACK}")
        plan = logins.plan_of(heard.claims, provider.claim, provider.plans)
        with parts.work() as work:
            member = logins.log_in(work.log, work.private, parts.clock, heard.claims, plan).member
            if member is not None:
                self._keep(work, provider, heard, member)
        if member is None or not member.active:
            answer = self._page(request, "no_member.html", {"member": member}, status=403)
        else:
            answer = RedirectResponse(PATH, 303)
            body = {"member": member.id}
            value = sealed.seal(parts.cookie_key, "member", body, parts.clock.now())
            self._set(answer, COOKIE, value, LASTS)
        answer.delete_cookie(PENDING, path="/access")
        return answer

    def _keep(self, work: Work, provider: MemberLogin, heard: Heard, member: Member) -> None:
        """Keep with what the provider is asked again, as long as somebody is a member by what it says."""
        if provider.sealer is None or heard.refresh is None or not member.active or member.source != "login":
            rechecks.forget(work.private, member.id)
            return
        kept = sealed_token(provider.sealer, member.id, heard.refresh, heard.claims["sub"])
        rechecks.keep(work.private, member.id, kept, self.house.parts.clock.now())

    def log_out(self, _request: Request, _visit: Visit, _sent: Form) -> Response:
        answer = RedirectResponse("/access", 303)
        answer.delete_cookie(COOKIE, path="/access", httponly=True, samesite="lax")
        return answer

    def _provider(self) -> MemberLogin:
        found = self.house.parts.members
        if found is None:
            raise NotFound(
                "Nobody logs in here.", next_step="Members fetch their key from the mail that they were sent."
            )
        return found

    def _set(self, answer: Response, name: str, value: str, lasts: timedelta) -> None:
        # Lax: the person comes back from the provider's site, and has to be known then.
        answer.set_cookie(
            name,
            value,
            max_age=int(lasts.total_seconds()),
            path="/access",
            secure=urlsplit(self.house.parts.site_url).scheme == "https",
            httponly=True,
            samesite="lax",
        )

    # -- one's own page -------------------------------------------------------

    def visit(self, request: Request) -> Visit | None:
        """Return which member is here, or None."""
        parts = self.house.parts
        value = request.cookies.get(COOKIE, "")
        opened = sealed.unseal(parts.cookie_key, "member", value, parts.clock.now(), LASTS)
        if opened is None:
            return None
        try:
            with parts.read() as work:
                member = members.get_member(work.log, work.private, str(opened[0].get("member")))
        except NotFound:
            return None
        return Visit(member, opened[1])

    def me(self, request: Request) -> Response:
        visit = self.visit(request)
        return RedirectResponse("/access/login", 303) if visit is None else self._me(request, visit, None)

    def _me(self, request: Request, visit: Visit, fault: Fault | None, key: str = "") -> Response:
        def view(work: Work) -> Mapping[str, object]:
            stands = standing(work.log)
            found = list(work.keys.of(visit.member.id))
            now = self.house.parts.clock.now()
            used = holders.sums(work.usage.by_key(keys=[each.id for each in found]))
            return {
                "visit": visit,
                "reach": [model for name, model in stands.models.items() if _reaches(stands, name)],
                "keys": [each for each in reversed(found) if each.works(now)],
                "used": sorted(used.items()),
                "names": {model.id: model for model in stands.models.values()},
                "fault": fault,
                "key": key,
                "url": self.house.parts.site_url,
            }

        return self._page(request, "me.html", view, status=fault.status if fault else 200)

    def make_key(self, request: Request, visit: Visit, sent: Form) -> Response:
        parts = self.house.parts
        try:
            with parts.work() as work:
                issued = members.issue_key(
                    work.log, work.keys, parts.clock, visit.member.id, label=sent.get("label").strip()
                )
        except EmeritusError as error:
            return self._me(request, visit, of_error(error))
        return self._me(request, visit, None, issued.text)

    def change_key(self, request: Request, visit: Visit, sent: Form) -> Response:
        """End a key of one's own, or put another in its place that works beside it for a day."""
        parts = self.house.parts
        try:
            with parts.work() as work:
                key = _own(work, visit.member, sent.get("key"))
                if sent.get("do") == "end":
                    work.keys.revoke(key.id, parts.clock.now())
                    return RedirectResponse(PATH, 303)
                issued = keys.rotate(work.keys, parts.clock, key.id, overlap=timedelta(days=1))
        except EmeritusError as error:
            return self._me(request, visit, of_error(error))
        return self._me(request, visit, None, issued.text)

    def _page(
        self,
        request: Request,
        template: str,
        view: Mapping[str, object] | Callable[[Work], Mapping[str, object]],
        *,
        status: int = 200,
    ) -> Response:
        with self.house.parts.read() as work:
            around, shown = frame(work.log), view(work) if callable(view) else view
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        return self.house.page(request, template, around, shown, status=status, headers=headers)

    # -- a first key, by mail -------------------------------------------------

    def claim_form(self, request: Request) -> Response:
        return self._claim(request, request.query_params.get("code", ""), None)

    def _claim(self, request: Request, code: str, fault: Fault | None, key: str = "") -> Response:
        view = {"code": code, "fault": fault, "key": key, "url": self.house.parts.site_url}
        return self._page(request, "claim.html", view, status=fault.status if fault else 200)

    def claim(self, request: Request, sent: Form) -> Response:
        parts = self.house.parts
        try:
            with parts.work() as work:
                issued = claims.claim(work.log, work.private, work.keys, parts.clock, sent.get("code"))
        except EmeritusError as error:
            return self._claim(request, "", of_error(error))
        return self._claim(request, "", None, issued.text)

    def own(self, path: str, handler: Callable[[Request, Visit, Form], Response]) -> Route:
        """Return a route on which a member acts, by a form of their own page."""

        def endpoint(request: Request, sent: Form) -> Response:
            visit = self.visit(request)
            if visit is None:
                raise SignInNeeded(
                    "Nobody is logged in here (any more), so nothing was done.",
                    next_step="Log in at /access/login, and send the form again.",
                )
            same_site = request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
            if not same_site or not sealed.same(visit.csrf, sent.get("csrf")):
                raise ForgedForm(
                    "This form was not made here for you, so nothing was done.",
                    next_step="Open your page again, and send the form from there.",
                )
            return handler(request, visit, sent)

        return post(path, endpoint)


def _own(work: Work, member: Member, key: str) -> KeyRecord:
    found = next((each for each in work.keys.of(member.id) if each.id == key), None)
    if found is None:
        raise NotFound(f"You have no key {key[:80]!r}.", next_step="Look at your page again.")
    return found


def _reaches(stands: Standing, model: str) -> bool:
    return stands.policies[model].tier in ("members", "public") and reachable(stands, model)


def routes(house: House) -> list[Route]:
    pages = MemberPages(house)
    return [
        Route("/access/login", pages.login),
        Route(BACK, pages.back),
        Route(PATH, pages.me),
        pages.own("/access/me/keys", pages.make_key),
        pages.own("/access/me/key", pages.change_key),
        pages.own("/access/log-out", pages.log_out),
        Route("/access/claim", pages.claim_form),
        post("/access/claim", pages.claim),
    ]

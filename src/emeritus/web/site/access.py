"""How retired models are reached, and the form with which anybody applies."""

from collections.abc import Mapping

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from emeritus.access import applications as room
from emeritus.access import receipts
from emeritus.access.applications import Application
from emeritus.access.downloads import download_policy
from emeritus.access.figures import Figures, figures
from emeritus.access.policy import Policy, policy
from emeritus.core.errors import EmeritusError
from emeritus.process import applying
from emeritus.record import Log
from emeritus.registry import Model, State, all_models
from emeritus.web.gateway.pace import Pace
from emeritus.web.pages.faults import Fault, of_error
from emeritus.web.pages.forms import Form, post
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.answers import spell


@frozen
class Reach:
    """A model and who may call it."""

    model: Model
    policy: Policy


@frozen
class AccessPage:
    """Every model with its policy, and how applications are answered; nothing that says who applied."""

    reach: tuple[Reach, ...]
    answers: Figures
    log_in: bool


def reach(log: Log) -> tuple[Reach, ...]:
    """Return every model and who may call it, the retired ones first."""
    order = {State.RETIRED: 0, State.DEPRECATED: 1, State.ACTIVE: 2}
    models = sorted(all_models(log), key=lambda model: order[model.state])
    return tuple(Reach(model, policy(log, model.id)) for model in models)


@frozen
class AccessPages:
    """The endpoints. *pace* bounds how often one network may apply."""

    house: House
    pace: Pace

    def about(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, logs_in = frame(work.log), self.house.parts.members is not None
            view = AccessPage(reach(work.log), figures(work.log), logs_in)
        shown = {"view": view, "spell": spell, "url": self.house.parts.site_url}
        return self.house.page(request, "access.html", around, shown)

    def form(self, request: Request) -> Response:
        chosen = request.query_params.getlist("model")
        asked = [("weights", "yes")] if request.query_params.get("weights") == "yes" else []
        return self._form(request, Form((*(("model", name) for name in chosen), *asked)), None)

    def _form(self, request: Request, sent: Form, fault: Fault | None) -> Response:
        with self.house.parts.read() as work:
            around = frame(work.log)
            choices = [
                each
                for each in reach(work.log)
                if each.policy.tier != "public"
                or download_policy(work.log, each.model.id).tier in ("on-request", "members")
            ]
        view: Mapping[str, object] = {"choices": choices, "sent": sent, "fault": fault}
        status, headers = (fault.status, fault.headers) if fault else (200, None)
        return self.house.page(request, "apply.html", around, view, status=status, headers=headers)

    def apply(self, request: Request, sent: Form) -> Response:
        parts = self.house.parts
        try:
            self.pace.step(request.client.host if request.client else "")
            with parts.work() as work:
                received = applying.apply(
                    work,
                    parts.clock,
                    parts.site_url,
                    models=sent.all("model"),
                    who=sent.get("who"),
                    contact=sent.get("contact"),
                    purpose=sent.get("purpose"),
                    purpose_public=sent.get("purpose_public") == "yes",
                    weights=sent.get("weights") == "yes",
                )
                entry = work.log.find(f"application.received:{received.application.id}")
                around = frame(work.log)
        except EmeritusError as error:
            return self._form(request, sent, of_error(error))
        view = {"application": received.application, "receipt": received.receipt, "entry": entry}
        headers = {"cache-control": "no-store"}
        return self.house.page(request, "applied.html", around, view, status=201, headers=headers)

    def one(self, request: Request) -> Response:
        return self._one(request, Form(), None)

    def _one(self, request: Request, sent: Form, fault: Fault | None, key: str = "") -> Response:
        with self.house.parts.read() as work:
            around = frame(work.log)
            found: Application = room.get_application(work.log, request.path_params["id"])
            names = {model.id: model for model in all_models(work.log)}
            entries = work.log.entries(kinds=room.KINDS, subject=found.id)
        view = {
            "application": found,
            "names": names,
            "entries": entries,
            "sent": sent,
            "fault": fault,
            "key": key,
            "url": self.house.parts.site_url,
        }
        status = fault.status if fault else 200
        headers = {"cache-control": "no-store"}
        return self.house.page(request, "application.html", around, view, status=status, headers=headers)

    def key(self, request: Request, sent: Form) -> Response:
        parts = self.house.parts
        try:
            with parts.work() as work:
                issued = receipts.fetch_key(
                    work.log,
                    work.private,
                    work.keys,
                    parts.clock,
                    request.path_params["id"],
                    sent.get("receipt"),
                )
        except EmeritusError as error:
            return self._one(request, sent, of_error(error))
        return self._one(request, Form(), None, issued.text)

    def appeal(self, request: Request, sent: Form) -> Response:
        name = request.path_params["id"]
        try:
            with self.house.parts.work() as work:
                applying.appeal(
                    work, self.house.parts.site_url, name, sent.get("receipt"), why=sent.get("why")
                )
        except EmeritusError as error:
            return self._one(request, sent, of_error(error))
        return RedirectResponse(f"/access/applications/{name}", 303)


def routes(house: House) -> list[Route]:
    pages = AccessPages(house, Pace(house.parts.clock, house.parts.paces.applications))
    return [
        Route("/access", pages.about),
        Route("/access/apply", pages.form),
        post("/access/apply", pages.apply),
        Route("/access/applications/{id}", pages.one),
        post("/access/applications/{id}/key", pages.key),
        post("/access/applications/{id}/appeal", pages.appeal),
    ]

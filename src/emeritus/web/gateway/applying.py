"""``/v1/applications``: apply, see how it stands, appeal once, fetch the key."""

from typing import Any, TypeVar

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from emeritus.access import applications, grants, receipts
from emeritus.access.applications import Application
from emeritus.core.clock import instant
from emeritus.core.errors import EmeritusError
from emeritus.core.ids import new_id
from emeritus.process import applying
from emeritus.web.gateway import answers, asked
from emeritus.web.gateway.door import Door
from emeritus.web.gateway.pace import Pace
from emeritus.web.gateway.parts import Parts

MAX_BODY = 32 * 1024
T = TypeVar("T")


class _Apply(msgspec.Struct, forbid_unknown_fields=True):
    models: list[str]
    who: str
    contact: str
    purpose: str
    purpose_public: bool = False
    weights: bool = False


class _Appeal(msgspec.Struct, forbid_unknown_fields=True):
    why: str


class Applying:
    """The endpoints of applications."""

    def __init__(self, parts: Parts, door: Door) -> None:
        self._parts = parts
        self._links = door.links
        self._pace = Pace(parts.clock, parts.applications_an_hour)

    async def how(self, _: Request) -> Response:
        """Say how to apply."""
        told = {
            "how": f"POST {self._links.applications} with content-type application/json",
            "for_people": self._links.apply,
            "fields": {
                "models": "a list of model ids",
                "who": "your name or that of your organisation (private)",
                "contact": "where to reach you (private); a mail address is acknowledged and answered by mail",
                "purpose": "what for, in a sentence or two (private unless purpose_public is true)",
                "purpose_public": "optional, true or false",
                "weights": "optional, true or false: to download them too, which a person decides",
            },
            "then": "Keep the receipt of the answer. Access is granted unless there is a reason not to; "
            "with the receipt you fetch your key, or appeal a refusal once.",
            "models": self._links.models,
        }
        return answers.json_answer(told, self._request_id())

    async def apply(self, request: Request) -> Response:
        """Take an application."""
        request_id = self._request_id()
        try:
            self._pace.step(request.client.host if request.client else "")
            given = await _read(request, _Apply)
            told = await anyio.to_thread.run_sync(self._apply, given)
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        return answers.json_answer(told, request_id, 201, {"location": told["status_url"]})

    async def status(self, request: Request) -> Response:
        """Say how an application stands."""
        request_id = self._request_id()
        try:
            told = await anyio.to_thread.run_sync(self._status, request.path_params["id"])
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        return answers.json_answer(told, request_id)

    async def appeal(self, request: Request) -> Response:
        """Take an appeal; the receipt comes as bearer."""
        request_id = self._request_id()
        try:
            given = await _read(request, _Appeal)
            told = await anyio.to_thread.run_sync(
                self._appeal, request.path_params["id"], asked.bearer_of(request), given.why
            )
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        return answers.json_answer(told, request_id)

    async def key(self, request: Request) -> Response:
        """Make the key of a granted application, and end the one before; the receipt comes as bearer."""
        request_id = self._request_id()
        try:
            told = await anyio.to_thread.run_sync(
                self._key, request.path_params["id"], asked.bearer_of(request)
            )
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        return answers.json_answer(told, request_id, 201)

    def _apply(self, given: _Apply) -> dict[str, Any]:
        with self._parts.work() as work:
            received = applying.apply(
                work, self._parts.clock, self._links.site, **msgspec.structs.asdict(given)
            )
        return {**self._told(received.application), "receipt": received.receipt}

    def _status(self, name: str) -> dict[str, Any]:
        with self._parts.read() as work:
            return self._told(applications.get_application(work.log, name))

    def _appeal(self, name: str, receipt: str, why: str) -> dict[str, Any]:
        with self._parts.work() as work:
            return self._told(applying.appeal(work, self._links.site, name, receipt, why=why))

    def _key(self, name: str, receipt: str) -> dict[str, Any]:
        with self._parts.work() as work:
            issued = receipts.fetch_key(work.log, work.private, work.keys, self._parts.clock, name, receipt)
            grant = grants.get_grant(work.log, issued.record.holder)
        return {
            "key": issued.text,
            "grant": grant.id,
            "models": list(grant.models),
            "expires_at": instant(grant.expires_at),
            "budget_tokens": grant.budget,
            "weights": grant.weights,
            "note": "Shown once. Fetching a key again ends this one.",
        }

    def _told(self, application: Application) -> dict[str, Any]:
        at = f"{self._links.applications}/{application.id}"
        follow = {
            "granted": f"Fetch the key: POST {at}/key with the receipt as bearer.",
            "refused": f"Appeal once: POST {at}/appeal with the receipt as bearer."
            if application.can_appeal
            else "Apply again when something has changed.",
        }
        return {
            "id": application.id,
            "status": application.status,
            "models": list(application.models),
            "weights": application.weights,
            "received_at": instant(application.received_at),
            "decided_at": None if application.decided_at is None else instant(application.decided_at),
            "decided_by": application.by.name if application.decided_at and application.by else None,
            "reason": application.reason,
            "grant": application.grant,
            "status_url": at,
            "next_step": follow.get(application.status, f"Look again: GET {at}."),
        }

    def _request_id(self) -> str:
        return new_id("req", self._parts.clock.now())


async def _read(request: Request, shape: type[T]) -> T:
    body = await asked.read(request, MAX_BODY)
    return asked.decoded(body, shape, "an application", "GET /v1/applications says what belongs into one.")

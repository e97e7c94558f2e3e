"""``POST /v1/billing/events``: the webhook by which billing says who pays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread
from attrs import field, frozen
from starlette.requests import Request
from starlette.responses import Response

from emeritus.access import billing
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.core.ids import new_id
from emeritus.process.joining import bill
from emeritus.web.gateway import answers, asked
from emeritus.web.gateway.door import Door
from emeritus.web.gateway.parts import Parts

MAX_BODY = 256 * 1024


@frozen
class Billing:
    """What the webhook is told by: the signing *secrets*, read anew for each event, and the plans of prices."""

    secrets: Callable[[], Sequence[str]] = field(repr=False)
    plans: Mapping[str, str] = field(factory=dict)


class BillingEvents:
    """The endpoint."""

    def __init__(self, parts: Parts, door: Door, told: Billing | None) -> None:
        self._parts = parts
        self._site = door.links.site
        self._billing = told

    async def take(self, request: Request) -> Response:
        """Take an event. Whatever was understood is answered with 200, so that it is not sent again."""
        request_id = new_id("req", self._parts.clock.now())
        try:
            if self._billing is None:
                raise NotFound(
                    "This house takes no billing events.",
                    next_step="Set billing_secret_file, and start it again.",
                )
            body = await asked.read(request, MAX_BODY)
            header = request.headers.get("stripe-signature", "")
            told = await anyio.to_thread.run_sync(self._take, self._billing, header, body)
        except EmeritusError as error:
            return answers.error_answer(error, request_id)
        return answers.json_answer(told, request_id)

    def _take(self, told: Billing, header: str, body: bytes) -> dict[str, Any]:
        billing.verify(told.secrets(), header, body, self._parts.clock.now())
        event = billing.read_event(body, told.plans)
        with self._parts.work() as work:
            settled = bill(work, self._parts.clock, self._site, event)
        return {"received": True, "event": event.id, "change": settled.change or None}

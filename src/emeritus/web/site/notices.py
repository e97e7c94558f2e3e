"""Notices: which model leaves, on what dates, each with its meaning; for people, programs and feed readers."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.clock import instant, start_of
from emeritus.core.errors import NotFound
from emeritus.core.people import Actor
from emeritus.record import Entry, Log
from emeritus.registry import Model, State, all_models, get_model, organisation
from emeritus.web.pages.rendering import House, frame


@frozen
class Notice:
    """The notice of one retirement. *promised* is the least number of days that the organisation promises."""

    model: Model
    replacement: Model | None
    entry: Entry
    by: Actor
    announced: datetime
    last_day: date
    days: int
    promised: int
    days_left: int

    @property
    def kept(self) -> bool:
        """True when the notice is as long as was promised."""
        return self.days >= self.promised

    @property
    def updated(self) -> datetime:
        """When this notice last changed: when it was given, or when the model was retired."""
        return self.model.retired_at or self.announced


def notice_of(log: Log, model_id: str, today: date) -> Notice | None:
    """Return the notice for a model, or None for one that stays. Raises NotFound."""
    model = get_model(log, model_id)
    entry = log.find(f"retirement.opened:{model_id}")
    if entry is None or model.retires_on is None:
        return None
    others = {other.id: other for other in all_models(log)}
    return Notice(
        model=model,
        replacement=others.get(model.replacement or ""),
        entry=entry,
        by=entry.by,
        announced=entry.at,
        last_day=model.retires_on,
        days=entry.body["notice_days"],
        promised=organisation(log).notice_days,
        days_left=(model.retires_on - today).days,
    )


def notices(log: Log, today: date) -> tuple[Notice, ...]:
    """Return every notice, the newest first."""
    found = [notice_of(log, model.id, today) for model in all_models(log) if model.state is not State.ACTIVE]
    return tuple(sorted((n for n in found if n is not None), key=lambda n: n.entry.seq, reverse=True))


def for_programs(notice: Notice, site_url: str) -> dict[str, Any]:
    """Return a notice as plain data; each date says what it is a date of."""
    model = notice.model
    return {
        "model": model.id,
        "display_name": model.display_name,
        "state": model.state.value,
        "dates": [
            {
                "date": instant(notice.announced),
                "meaning": "announced",
                "says": "The retirement was announced.",
            },
            {
                "date": instant(start_of(notice.last_day)),
                "meaning": "retired",
                "says": "From this moment (UTC) the model is retired; the day before is its last full day in service.",
            },
        ],
        "deprecated_at": instant(notice.announced),
        "retires_at": instant(start_of(notice.last_day)),
        "retired_at": instant(model.retired_at) if model.retired_at else None,
        "notice_days": notice.days,
        "promised_notice_days": notice.promised,
        "promise_kept": notice.kept,
        "short_notice_reason": model.short_notice,
        "replacement": model.replacement,
        "reason": model.reason,
        "announced_by": str(notice.by),
        "page": f"{site_url}/models/{model.id}/notice",
        "record": f"{site_url}/record/{notice.entry.seq}",
    }


@frozen
class NoticePages:
    """The endpoints."""

    house: House

    def _today(self) -> date:
        return self.house.parts.clock.now().date()

    def one(self, request: Request) -> Response:
        model_id = request.path_params["id"]
        with self.house.parts.read() as work:
            around, view = frame(work.log), notice_of(work.log, model_id, self._today())
        if view is None:
            raise NotFound(
                f"{model_id} is in service; no notice has been given for it.",
                next_step=f"See the model's page at /models/{model_id}, or all notices at /notices.",
            )
        return self.house.page(request, "notice.html", around, {"view": view})

    def every(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, view = frame(work.log), notices(work.log, self._today())
            promised = organisation(work.log).notice_days
        return self.house.page(request, "notices.html", around, {"view": view, "promised": promised})

    def data(self, _: Request) -> Response:
        with self.house.parts.read() as work:
            found = notices(work.log, self._today())
            around = frame(work.log)
        url = self.house.parts.site_url
        body: Mapping[str, Any] = {
            "organisation": around.name,
            "demo": around.demo,
            "notices": [for_programs(notice, url) for notice in found],
        }
        text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
        return Response(text, media_type="application/json", headers={"access-control-allow-origin": "*"})

    def feed(self, _: Request) -> Response:
        with self.house.parts.read() as work:
            found = notices(work.log, self._today())
            around = frame(work.log)
            founded = work.log.get(0).at if around.entries else self.house.parts.clock.now()
        updated = max((notice.updated for notice in found), default=founded)
        text = self.house.text("notices.atom", around, {"view": found, "updated": updated})
        return Response(text, media_type="application/atom+xml")


def routes(house: House) -> list[Route]:
    pages = NoticePages(house)
    return [
        Route("/notices", pages.every),
        Route("/notices.json", pages.data),
        Route("/notices.atom", pages.feed),
        Route("/models/{id}/notice", pages.one),
    ]

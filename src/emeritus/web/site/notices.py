"""Notices: which model leaves, on what dates, each with its meaning; for people, programs and feed readers."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.clock import instant, start_of
from emeritus.core.errors import NotFound
from emeritus.record import Log
from emeritus.registry import Model, Notice, NoticeDate, State, Surface, all_models, notice, organisation
from emeritus.web.pages.rendering import House, frame

MEANINGS: Mapping[str, str] = {
    "retired": "Retired from",
    "no-new-users": "No new users from",
    "last-day": "Last day",
}
SAYS: Mapping[str, str] = {
    "announced": "The retirement was announced.",
    "retired": "From this moment (UTC) the model is retired; the day before is its last full day in service.",
    "no-new-users": "From this day on nobody new can begin to use it there.",
    "last-day": "The last day on which it works there.",
}
KINDS: Mapping[str, str] = {"app": "App", "api": "API", "alias": "Alias", "region": "Region"}


@frozen
class NoticeView:
    """The notice of one retirement, and the model to move to."""

    notice: Notice
    replacement: Model | None
    days_left: int

    @property
    def model(self) -> Model:
        return self.notice.model

    @property
    def surfaces(self) -> Mapping[Surface, tuple[NoticeDate, ...]]:
        """The days of single surfaces, by surface."""
        found: dict[Surface, list[NoticeDate]] = {}
        for each in self.notice.surfaces:
            if each.surface is not None:
                found.setdefault(each.surface, []).append(each)
        return {surface: tuple(dates) for surface, dates in found.items()}

    @property
    def changed(self) -> tuple[NoticeDate, ...]:
        """Days that were moved."""
        return tuple(each for each in self.notice.dates if len(each.history) > 1)


def notice_of(log: Log, model_id: str, today: date) -> NoticeView | None:
    """Return the notice for a model, or None for one that stays. Raises NotFound."""
    found = notice(log, model_id)
    if found is None:
        return None
    others = {other.id: other for other in all_models(log)}
    days_left = (found.retired.on - today).days
    return NoticeView(found, others.get(found.model.replacement or ""), days_left)


def notices(log: Log, today: date) -> tuple[NoticeView, ...]:
    """Return every notice, the newest first."""
    found = [notice_of(log, model.id, today) for model in all_models(log) if model.state is not State.ACTIVE]
    return tuple(sorted((n for n in found if n is not None), key=lambda n: n.notice.entry, reverse=True))


def for_programs(view: NoticeView, site_url: str) -> dict[str, Any]:
    """Return a notice as plain data; each date says what it is a date of."""
    model, given = view.model, view.notice
    retires_at = instant(start_of(given.retired.on))
    return {
        "model": model.id,
        "display_name": model.display_name,
        "state": model.state.value,
        "dates": [
            {"date": instant(given.announced), "meaning": "announced", "says": SAYS["announced"]},
            {"date": retires_at, "meaning": "retired", "says": SAYS["retired"], **_promise(given.retired)},
        ],
        "surfaces": [
            {
                "kind": surface.kind,
                "name": surface.name,
                "dates": [
                    {
                        "date": each.on.isoformat(),
                        "meaning": each.meaning,
                        "says": SAYS[each.meaning],
                        **_promise(each),
                    }
                    for each in dates
                ],
            }
            for surface, dates in view.surfaces.items()
        ],
        "deprecated_at": instant(given.announced),
        "retires_at": retires_at,
        "retired_at": instant(model.retired_at) if model.retired_at else None,
        "notice_days": given.retired.days,
        "promised_notice_days": given.promised,
        "promise_kept": given.kept,
        "short_notice_reason": given.retired.short_notice,
        "replacement": model.replacement,
        "reason": model.reason,
        "announced_by": str(given.by),
        "page": f"{site_url}/models/{model.id}/notice",
        "record": f"{site_url}/record/{given.entry}",
    }


def _promise(day: NoticeDate) -> dict[str, Any]:
    return {
        "notice_days": day.days,
        "promised_notice_days": day.promised,
        "promise_kept": None if day.promised is None else day.kept,
        "days_more_than_promised": None if day.promised is None else -day.short_by,
        "short_notice_reason": day.short_notice,
        "history": [
            {
                "date": named.on.isoformat(),
                "named_at": instant(named.at),
                "reason": named.why,
                "short_notice_reason": named.short_notice,
                "by": str(named.by),
                "entry": named.entry,
            }
            for named in day.history
        ],
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
        return self.house.page(
            request, "notice.html", around, {"view": view, "meanings": MEANINGS, "says": SAYS, "kinds": KINDS}
        )

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
            "notices": [for_programs(each, url) for each in found],
        }
        text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
        return Response(text, media_type="application/json", headers={"access-control-allow-origin": "*"})

    def feed(self, _: Request) -> Response:
        with self.house.parts.read() as work:
            found = notices(work.log, self._today())
            around = frame(work.log)
            founded = work.log.get(0).at if around.entries else self.house.parts.clock.now()
        updated = max((each.notice.updated for each in found), default=founded)
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

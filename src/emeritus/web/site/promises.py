"""Everything that was promised to models, and how it stands today: computed for people and for programs."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import ledger
from emeritus.core.clock import instant
from emeritus.core.people import Actor
from emeritus.ledger import Followed, State
from emeritus.record import Log
from emeritus.registry import Model, all_models
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.names import actor_called, named


@frozen
class Promise:
    """A commitment, how it stands, to whom it was made and who answers for it."""

    model: Model
    followed: Followed
    owner: Actor


@frozen
class Promises:
    """All of them, in groups: what wants attention first, what is settled last."""

    wanting: tuple[Promise, ...]
    due: tuple[Promise, ...]
    holding: tuple[Promise, ...]
    kept: tuple[Promise, ...]
    past: tuple[Promise, ...]

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(map(len, (self.wanting, self.due, self.holding, self.kept, self.past)))


def promises_of(log: Log, now: datetime) -> list[Promise]:
    """Return every promise to every model, in the order in which they were made."""
    known = named(log)
    return [
        Promise(model, each, actor_called(known, each.commitment.owner))
        for model in all_models(log)
        for each in ledger.follow(log, model.id, now)
    ]


def grouped(found: list[Promise]) -> Promises:
    """Put promises into their groups."""
    groups: dict[str, list[Promise]] = {"wanting": [], "due": [], "holding": [], "kept": [], "past": []}
    for each in found:
        standing = each.followed.standing
        if standing.wants_attention:
            name = "wanting"
        elif standing.state is State.DUE:
            name = "due"
        elif standing.state is State.KEPT:
            name = "kept" if standing.final else "holding"
        else:
            name = "past"
        groups[name].append(each)
    groups["due"].sort(key=lambda each: each.followed.standing.next or each.followed.commitment.due)
    return Promises(**{name: tuple(each) for name, each in groups.items()})


def for_programs(promise: Promise, site_url: str) -> dict[str, Any]:
    """Return a promise as plain data."""
    one = promise.followed
    return {
        **one.to_json(),
        "owner": str(promise.owner),
        "record": f"{site_url}/record/{one.decision.entry}",
        "page": f"{site_url}/models/{one.commitment.model}/decisions#{one.commitment.id}",
    }


@frozen
class PromisePages:
    """The endpoints."""

    house: House

    def page(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            around, found = frame(work.log), promises_of(work.log, self.house.parts.clock.now())
        return self.house.page(request, "promises.html", around, {"view": grouped(found)})

    def data(self, _: Request) -> Response:
        now = self.house.parts.clock.now()
        with self.house.parts.read() as work:
            around, found = frame(work.log), promises_of(work.log, now)
        url = self.house.parts.site_url
        body: Mapping[str, Any] = {
            "organisation": around.name,
            "demo": around.demo,
            "at": instant(now),
            "entries": around.entries,
            "promises": [for_programs(each, url) for each in found],
        }
        text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
        return Response(text, media_type="application/json", headers={"access-control-allow-origin": "*"})


def routes(house: House) -> list[Route]:
    pages = PromisePages(house)
    return [Route("/promises", pages.page), Route("/promises.json", pages.data)]

"""What each key used of each model: whom it stands for, how much, and when last. Private, for the desk alone."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.access import holders
from emeritus.access.dependants import Dependant
from emeritus.access.ports import ANYONE, KeyRecord, Totals, Used
from emeritus.process import applying
from emeritus.process.ports import Work
from emeritus.web.desk.page import Desk
from emeritus.web.desk.session import Session

PATH: Final = "/desk/usage"
SHOWN: Final = 200
SPANS: Final[Mapping[str, timedelta | None]] = {
    "day": timedelta(days=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
    "ever": None,
}


@frozen
class Line:
    """What one key used of one model. *key* is None for calls without one, and for keys that are gone."""

    used: Used
    key: KeyRecord | None
    holder: str


@frozen
class UsagePages:
    """The endpoint."""

    desk: Desk

    def page(self, request: Request, session: Session) -> Response:
        now = self.desk.house.parts.clock.now()
        asked = request.query_params.get("span", "month")
        span = asked if asked in SPANS else "month"
        model = request.query_params.get("model") or None

        def view(work: Work) -> Mapping[str, object]:
            length = SPANS[span]
            used = work.usage.by_key(model=model, since=None if length is None else now - length)
            totals = sorted(holders.sums(used).items(), key=lambda each: -each[1].tokens)
            return {
                "lines": _lines(work, used[:SHOWN]),
                "count": len(used),
                "totals": totals,
                "all": _together(totals),
                "span": span,
                "spans": tuple(SPANS),
                "model": model,
                "now": now,
            }

        return self.desk.show(request, session, "desk_usage.html", view)


def _lines(work: Work, used: Sequence[Used]) -> list[Line]:
    known = {key.id: key for key in work.keys.all()}
    names: dict[str, str] = {}
    lines = []
    for each in used:
        key = known.get(each.key_id)
        if key is not None and key.holder not in names:
            names[key.holder] = applying.called(work, Dependant(key.holder, key.kind))
        nobody = "Without a key" if each.key_id == ANYONE else "A key that is gone"
        lines.append(Line(each, key, nobody if key is None else names[key.holder]))
    return lines


def _together(totals: Sequence[tuple[str, Totals]]) -> Totals:
    return Totals(
        sum(each.requests for _, each in totals),
        sum(each.tokens_in for _, each in totals),
        sum(each.tokens_out for _, each in totals),
        sum(each.seconds for _, each in totals),
    )


def routes(desk: Desk) -> list[Route]:
    return [desk.door.get(PATH, UsagePages(desk).page)]

"""How applications are answered, as a picture: each answer a mark, by its day and by how long it took."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from attrs import frozen
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emeritus.access import declared
from emeritus.access.figures import Answer, Figures, figures
from emeritus.core.clock import instant
from emeritus.record import Log
from emeritus.registry import get_model
from emeritus.web.pages.rendering import House, frame

WIDTH, HEIGHT = 1000, 360
LEFT, RIGHT, TOP, BOTTOM = 92, 16, 18, 44
RECENT = 50
MOST = 1500
"""So many of the newest answers are drawn."""
FASTEST, SLOWEST = timedelta(minutes=1), timedelta(days=60)
LEVELS = (
    ("1 minute", timedelta(minutes=1)),
    ("1 hour", timedelta(hours=1)),
    ("6 hours", timedelta(hours=6)),
    ("1 day", timedelta(days=1)),
    ("1 week", timedelta(days=7)),
    ("1 month", timedelta(days=30)),
)

Shape = Literal["granted", "refused", "open"]


@frozen
class Dot:
    """A mark of the picture. *title* says in words what it shows."""

    x: float
    y: float
    shape: Shape
    title: str


@frozen
class Line:
    """A line across the picture, with its name."""

    at: float
    name: str


@frozen
class Picture:
    """The picture: marks, the levels of time, and the days at its ends. *left_out* are older answers."""

    dots: tuple[Dot, ...]
    levels: tuple[Line, ...]
    begin: datetime
    end: datetime
    left_out: int


def picture(told: Figures, now: datetime) -> Picture | None:
    """Draw *told*; None where nobody has applied."""
    shown = told.answers[-MOST:]
    moments = [answer.at - answer.took for answer in shown] + list(told.waiting)
    if not moments:
        return None
    begin, end = min(moments), max(now, min(moments) + timedelta(days=1))
    length = end - begin

    def across(at: datetime) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((at - begin) / length), 1)

    dots = [Dot(across(answer.at), _height(answer.took), _shape(answer), _says(answer)) for answer in shown]
    dots += [
        Dot(across(now), _height(now - since), "open", f"Open since {since:%Y-%m-%d}")
        for since in told.waiting
    ]
    levels = tuple(Line(_height(length), name) for name, length in LEVELS)
    return Picture(tuple(dots), levels, begin, end, len(told.answers) - len(shown))


def _height(took: timedelta) -> float:
    """Return where a time lies: quick answers at the bottom, on a logarithmic scale."""
    seconds = min(max(took, FASTEST), SLOWEST).total_seconds()
    low, high = math.log(FASTEST.total_seconds()), math.log(SLOWEST.total_seconds())
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log(seconds) - low) / (high - low), 1)


def _shape(answer: Answer) -> Shape:
    return "granted" if answer.granted else "refused"


def _says(answer: Answer) -> str:
    what = "the appeal was " if answer.appeal else ""
    done = "granted" if answer.granted else "refused"
    return f"{answer.at:%Y-%m-%d}: {what}{done} after {spell(answer.took)}"


def spell(took: timedelta) -> str:
    """Write a time in its largest unit that fits twice: 90 minutes, 36 hours, 3 days."""
    for name, unit in (
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
    ):
        count = round(took / unit)
        if took >= 2 * unit or name == "minute":
            return f"{max(1, count)} {name}{'s' * (max(1, count) != 1)}"
    raise AssertionError("a minute fits always")


def _json(told: Figures, now: datetime) -> dict[str, Any]:
    def seconds(took: timedelta | None) -> float | None:
        return None if took is None else took.total_seconds()

    return {
        "at": instant(now),
        "answered": len(told.answers),
        "open": len(told.waiting),
        "share_granted": told.share_granted,
        "by_software": told.by_software,
        "appeals": len(told.appeals),
        "appeals_granted": sum(answer.granted for answer in told.appeals),
        "seconds_to_decision": {"median": seconds(told.took(0.5)), "p90": seconds(told.took(0.9))},
        "answers": [
            {
                "application": answer.application,
                "at": instant(answer.at),
                "seconds": answer.took.total_seconds(),
                "granted": answer.granted,
                "by_software": answer.by_software,
                "appeal": answer.appeal,
                "entry": answer.entry,
            }
            for answer in told.answers
        ],
    }


@frozen
class AnswerPages:
    """The endpoints."""

    house: House

    def page(self, request: Request) -> Response:
        now = self.house.parts.clock.now()
        with self.house.parts.read() as work:
            around, told, rules = frame(work.log), _figures(work.log, request), declared.in_force(work.log)
            adopted = work.log.entries(kinds={"rules.adopted"}, newest_first=True, limit=1)
        view: Mapping[str, object] = {
            "told": told,
            "picture": picture(told, now),
            "spell": spell,
            "rules": rules,
            "adopted": adopted[0].seq if adopted else None,
            "width": WIDTH,
            "height": HEIGHT,
            "left": LEFT,
            "right": WIDTH - RIGHT,
            "floor": HEIGHT - BOTTOM,
            "recent": told.answers[: -RECENT - 1 : -1],
        }
        return self.house.page(request, "answers.html", around, view)

    def data(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            return JSONResponse(_json(_figures(work.log, request), self.house.parts.clock.now()))


def _figures(log: Log, request: Request) -> Figures:
    """Return the figures of one model when the address names it, else of all. Raises NotFound."""
    name = request.query_params.get("model")
    return figures(log, model=get_model(log, name).id if name else None)


def routes(house: House) -> list[Route]:
    pages = AnswerPages(house)
    return [Route("/access/decisions", pages.page), Route("/access/decisions.json", pages.data)]

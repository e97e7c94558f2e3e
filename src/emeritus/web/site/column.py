"""Columns."""

from datetime import datetime

from attrs import frozen
from starlette.routing import Route

from emeritus.process.ports import Work
from emeritus.web.pages.rendering import House


@frozen
class Listed:
    """A published essay in a list."""

    id: str
    model: str
    model_name: str
    title: str
    opening: str
    published_at: datetime


@frozen
class Column:
    """A model's column."""


def latest(work: Work, limit: int) -> tuple[Listed, ...]:
    return ()


def column_of(work: Work, model_id: str) -> Column | None:
    return None


def routes(house: House) -> list[Route]:
    return []

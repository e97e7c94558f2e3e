"""The front page: whose house this is, which models live in it, and what can be said of it by counting."""

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus import ledger
from emeritus.core.errors import EmeritusError
from emeritus.process.ports import Work
from emeritus.record import Log
from emeritus.registry import Model, State, all_models, notice, organisation
from emeritus.web.pages.rendering import House, frame
from emeritus.web.pages.text import count, first_upper, size
from emeritus.web.site.column import Listed, latest
from emeritus.web.site.promises import Promise, promises_of

LATEST = 4


@frozen
class Front:
    """What the front page shows. *figures* are sentences, each computed from the record."""

    leaving: tuple[Model, ...]
    retired: tuple[Model, ...]
    active: tuple[Model, ...]
    names: Mapping[str, Model]
    days_left: Mapping[str, int]
    figures: tuple[str, ...]
    essays: tuple[Listed, ...]
    notice_days: int | None
    overdue: tuple[Promise, ...]


def front(work: Work, now: datetime) -> Front:
    """Fold the front page from the record."""
    models = all_models(work.log)
    by_state = {state: tuple(m for m in models if m.state is state) for state in State}
    leaving = tuple(sorted(by_state[State.DEPRECATED], key=lambda m: (m.retires_on, m.id)))
    retired = tuple(sorted(by_state[State.RETIRED], key=lambda m: (m.retired_at, m.id), reverse=True))
    return Front(
        leaving=leaving,
        retired=retired,
        active=by_state[State.ACTIVE],
        names={model.id: model for model in models},
        days_left={m.id: (m.retires_on - now.date()).days for m in leaving if m.retires_on},
        figures=figures(work.log, models, now),
        essays=latest(work, LATEST),
        notice_days=_promised(work.log),
        overdue=tuple(each for each in promises_of(work.log, now) if each.followed.standing.wants_attention),
    )


def _promised(log: Log) -> int | None:
    try:
        return organisation(log).notice_days
    except EmeritusError:
        return None


def of_them(value: int) -> str:
    """Write how many of some: none, one, or more of them."""
    return "none of them" if value == 0 else count(value, "of them", "of them")


def figures(log: Log, models: list[Model], now: datetime) -> tuple[str, ...]:
    """Say what the record adds up to; nothing here is written by hand."""
    retired = [model for model in models if model.state is State.RETIRED]
    said = [
        f"{count(len(retired), 'model')} {'has' if len(retired) == 1 else 'have'} completed a retirement here."
    ]
    notices = [found for model in models if (found := notice(log, model.id)) is not None]
    if notices:
        short = sum(not each.kept for each in notices)
        said.append(f"{count(len(notices), 'notice')} given, {of_them(short)} shorter than was promised.")
    proven = [model for model in models if model.proven_at is not None]
    if proven:
        held = sum(model.weights.size for model in proven if model.weights is not None)
        said.append(
            f"The weights of {count(len(proven), 'model')} ({size(held)}) are preserved, and were proven by restoring them."
        )
    answered = [d for model in models for d in ledger.decisions(log, model.id).values()]
    if answered:
        acted = sum(decision.verdict == "act" for decision in answered)
        said.append(f"{count(len(answered), 'preference')} answered, {of_them(acted)} by acting.")
    promises = [each for model in models for each in ledger.follow(log, model.id, now)]
    if promises:
        kept = sum(each.standing.state is ledger.State.KEPT for each in promises)
        said.append(f"{count(len(promises), 'commitment')} made to models, {of_them(kept)} kept so far.")
    published = len(log.entries(kinds={"essay.published"}))
    if published:
        said.append(f"{count(published, 'essay')} published by retired models.")
    return tuple(first_upper(sentence) for sentence in said)


def routes(house: House) -> list[Route]:
    def page(request: Request) -> Response:
        with house.parts.read() as work:
            around, view = frame(work.log), front(work, house.parts.clock.now())
        return house.page(request, "front.html", around, {"view": view})

    return [Route("/", page)]

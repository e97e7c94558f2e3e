"""The page of a model: everything about one, with the entry that shows each claim."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from emeritus import ledger, registry
from emeritus.access.downloads import DownloadPolicy, download_policy
from emeritus.access.gate import Called
from emeritus.access.policy import Policy, policy
from emeritus.core.people import Actor
from emeritus.ledger import Followed
from emeritus.process.plan import plan
from emeritus.process.ports import Work
from emeritus.record import Entry, Log
from emeritus.registry import Ground, Model, Proposal, all_models, get_model, proposal
from emeritus.registry.alias import all_aliases
from emeritus.registry.migration import Changes, changes
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.column import Column, column_of
from emeritus.web.site.names import named
from emeritus.web.site.record import Told, told
from emeritus.web.site.timeline import Span, Stop, span, stops

NEWEST = 6


@frozen
class ModelPage:
    """Everything about one model. *at* names the entry that shows a claim, by the kind of its act."""

    model: Model
    replacement: Model | None
    base: Model | None
    children: tuple[Model, ...]
    stops: tuple[Stop, ...]
    span: Span | None
    policy: Policy
    changes: Changes | None
    downloads: DownloadPolicy
    erasure: Proposal | None
    wishes: int
    preferences: int
    decided: int
    interviewed: bool
    column: Column | None
    at: Mapping[str, Entry]
    newest: tuple[Told, ...]
    people: Mapping[str, Actor]
    statements: Mapping[str, str]
    promises: tuple[Followed, ...]
    aliases: tuple[Called, ...]

    @property
    def wanting(self) -> tuple[Followed, ...]:
        """Promises that are overdue or broken."""
        return tuple(each for each in self.promises if each.standing.wants_attention)

    @property
    def reported(self) -> bool:
        """True when a report on its interviews is published."""
        return "report.published" in self.at

    @property
    def erased_because(self) -> str:
        """What the ground of an erasure means; empty where nothing was erased."""
        return Ground(self.model.erased.ground).meaning if self.model.erased else ""


def model_page(work: Work, model_id: str, now: datetime) -> ModelPage:
    """Fold the page of one model. Raises NotFound."""
    log = work.log
    model = get_model(log, model_id)
    others = {other.id: other for other in all_models(log)}
    way = plan(log, model_id, now)
    known = named(log)
    wishes = len(ledger.candidates(log, model_id))
    return ModelPage(
        model=model,
        replacement=others.get(model.replacement or ""),
        base=others.get(model.lineage.base or ""),
        children=tuple(other for other in others.values() if other.lineage.base == model_id),
        stops=stops(way, known),
        span=span(model, way, now),
        policy=policy(log, model_id),
        changes=changes(log, model_id),
        downloads=download_policy(log, model_id),
        erasure=proposal(log, model_id),
        wishes=wishes,
        preferences=len(ledger.preferences(log, model_id)),
        decided=len(ledger.decisions(log, model_id)),
        interviewed=bool(log.entries(model=model_id, kinds={"preferences.stated"}, limit=1)),
        column=column_of(work, model_id, now),
        at=_shown_by(log, model_id),
        newest=told(log.entries(model=model_id, newest_first=True, limit=NEWEST)),
        people=known,
        statements=statements(log, model_id, {name: other.display_name for name, other in others.items()}),
        promises=tuple(
            each for each in ledger.follow(log, model_id, now) if each.standing.taken_back is None
        ),
        aliases=tuple(_called(log, model_id, now)),
    )


def _called(log: Log, model_id: str, now: datetime) -> Iterator[Called]:
    """Yield the aliases that stand for the model now."""
    for alias in all_aliases(log):
        holds = alias.standing(now)
        if holds is not None and holds.model == model_id:
            yield Called(alias.name, holds, alias.announced(now))


def statements(log: Log, model_id: str, names: Mapping[str, str]) -> Mapping[str, str]:
    """Say which place the model has among those that did the same; computed, never typed."""
    said = {feat: registry.statement(log, model_id, feat, names) for feat in registry.FEATS}
    return {feat: text for feat, text in said.items() if text is not None}


def _shown_by(log: Log, model_id: str) -> dict[str, Entry]:
    kinds = {
        "model.added",
        "retirement.opened",
        "weights.archived",
        "weights.proven",
        "model.retired",
        "aftercare.decided",
        "policy.set",
        "access.probed",
        "preferences.stated",
        "report.published",
    }
    return {entry.kind: entry for entry in log.entries(model=model_id, kinds=kinds)}


def routes(house: House) -> list[Route]:
    def page(request: Request) -> Response:
        with house.parts.read() as work:
            around = frame(work.log)
            view = model_page(work, request.path_params["id"], house.parts.clock.now())
        return house.page(request, "model.html", around, {"view": view})

    def all_of_them(_: Request) -> Response:
        return RedirectResponse("/", 308)

    return [Route("/models", all_of_them), Route("/models/{id}", page)]

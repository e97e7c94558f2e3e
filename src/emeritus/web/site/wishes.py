"""What a model prefers and what became of it: its own wording, the steward's, the answer, the promises."""

from collections.abc import Mapping
from datetime import date

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from emeritus import ledger
from emeritus.core.people import Actor
from emeritus.ledger import Aftercare, Candidate, Commitment, Decision, Preference
from emeritus.record import Entry, Log
from emeritus.registry import Model, get_model
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.consent import may_be_shown
from emeritus.web.site.names import actor_called, named


@frozen
class Wish:
    """A preference beside the model's own words, with its answer. *earlier* are answers since revised."""

    preference: Preference
    stated: tuple[Candidate, ...]
    decision: Decision | None
    owner: Actor | None
    entry: int
    earlier: tuple[int, ...]


@frozen
class Wishes:
    """Everything that a model stated, and what became of each part of it.

    *raw* tells whether the words that its wishes stand in may be read by everybody.
    """

    model: Model
    stated: tuple[Candidate, ...]
    stated_entry: Entry | None
    wishes: tuple[Wish, ...]
    set_aside: tuple[Candidate, ...]
    settled: Entry | None
    aftercare: Aftercare | None
    today: date
    raw: bool

    @property
    def left(self) -> tuple[Candidate, ...]:
        """Stated wishes about which nothing was done yet."""
        if self.settled is not None:
            return ()
        used = {name for wish in self.wishes for name in wish.preference.candidates}
        return tuple(candidate for candidate in self.stated if candidate.id not in used)

    def late(self, promise: Commitment) -> bool:
        """Tell whether *promise* is due and not yet shown to be kept."""
        return promise.kept_at is None and promise.due < self.today


def wishes_of(log: Log, model_id: str, today: date) -> Wishes:
    """Fold what became of a model's wishes. Raises NotFound."""
    model = get_model(log, model_id)
    stated = {candidate.id: candidate for candidate in ledger.candidates(log, model_id)}
    decided = ledger.decisions(log, model_id)
    known = named(log)
    settled = ledger.settled(log, model_id)
    entries = log.entries(model=model_id, kinds={"preferences.stated"}, limit=1)
    confirmed = {e.subject: e.seq for e in log.entries(model=model_id, kinds={"preference.confirmed"})}
    found = [
        _wish(log, preference, stated, decided.get(preference.id), known, confirmed[preference.id])
        for preference in ledger.preferences(log, model_id)
    ]
    aside = settled.body["set_aside"] if settled is not None else []
    return Wishes(
        model=model,
        stated=tuple(stated.values()),
        stated_entry=entries[0] if entries else None,
        wishes=tuple(found),
        set_aside=tuple(stated[name] for name in aside if name in stated),
        settled=settled,
        aftercare=ledger.aftercare(log, model_id),
        today=today,
        raw=bool(entries) and may_be_shown(log, model_id, entries[0].subject or ""),
    )


def _wish(
    log: Log,
    preference: Preference,
    stated: Mapping[str, Candidate],
    decision: Decision | None,
    known: Mapping[str, Actor],
    entry: int,
) -> Wish:
    made = log.entries(kinds={"decision.made"}, subject=preference.id)
    return Wish(
        preference=preference,
        stated=tuple(stated[name] for name in preference.candidates if name in stated),
        decision=decision,
        owner=None if decision is None else actor_called(known, decision.owner),
        entry=entry,
        earlier=tuple(e.seq for e in made if decision is not None and e.seq != decision.entry),
    )


@frozen
class WishPages:
    """The endpoint."""

    house: House

    def page(self, request: Request) -> Response:
        today = self.house.parts.clock.now().date()
        with self.house.parts.read() as work:
            around = frame(work.log)
            view = wishes_of(work.log, request.path_params["id"], today)
        return self.house.page(request, "decisions.html", around, {"view": view})

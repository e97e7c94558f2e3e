"""What a model prefers and what became of it: its own wording, the steward's, the answer, the promises."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from emeritus import ledger
from emeritus.core.people import Actor
from emeritus.ledger import Aftercare, Candidate, Decision, Followed, Preference
from emeritus.record import Entry, Log
from emeritus.registry import Model, get_model
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.consent import may_be_shown
from emeritus.web.site.names import actor_called, named


@frozen
class Wish:
    """A preference beside the model's own words, with its answer and what was promised with it.

    *earlier* are answers since revised, the newest first, and *dropped* the promises that went with them.
    *proposal* is an answer that waits for a second person.
    """

    preference: Preference
    stated: tuple[Candidate, ...]
    decision: Decision | None
    owner: Actor | None
    entry: int
    earlier: tuple[Decision, ...]
    proposal: Decision | None
    promises: tuple[Followed, ...]
    dropped: tuple[Followed, ...]


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
    raw: bool

    @property
    def left(self) -> tuple[Candidate, ...]:
        """Stated wishes about which nothing was done yet."""
        if self.settled is not None:
            return ()
        used = {name for wish in self.wishes for name in wish.preference.candidates}
        return tuple(candidate for candidate in self.stated if candidate.id not in used)

    @property
    def wanting(self) -> tuple[Followed, ...]:
        """Promises that are overdue or broken, about which somebody has to do something."""
        return tuple(each for wish in self.wishes for each in wish.promises if each.standing.wants_attention)


def wishes_of(log: Log, model_id: str, now: datetime) -> Wishes:
    """Fold what became of a model's wishes. Raises NotFound."""
    model = get_model(log, model_id)
    stated = {candidate.id: candidate for candidate in ledger.candidates(log, model_id)}
    settled = ledger.settled(log, model_id)
    entries = log.entries(model=model_id, kinds={"preferences.stated"}, limit=1)
    fold = _Fold(
        stated=stated,
        made=ledger.history(log, model_id),
        proposed=ledger.proposals(log, model_id),
        promises=ledger.follow(log, model_id, now),
        known=named(log),
        confirmed={
            e.subject or "": e.seq for e in log.entries(model=model_id, kinds={"preference.confirmed"})
        },
    )
    aside = settled.body["set_aside"] if settled is not None else []
    return Wishes(
        model=model,
        stated=tuple(stated.values()),
        stated_entry=entries[0] if entries else None,
        wishes=tuple(fold.wish(preference) for preference in ledger.preferences(log, model_id)),
        set_aside=tuple(stated[name] for name in aside if name in stated),
        settled=settled,
        aftercare=ledger.aftercare(log, model_id),
        raw=bool(entries) and may_be_shown(log, model_id, entries[0].subject or ""),
    )


@frozen
class _Fold:
    """What is known of all wishes of a model, by the ids of its preferences."""

    stated: Mapping[str, Candidate]
    made: Mapping[str, Sequence[Decision]]
    proposed: Mapping[str, Decision]
    promises: Sequence[Followed]
    known: Mapping[str, Actor]
    confirmed: Mapping[str, int]

    def wish(self, preference: Preference) -> Wish:
        made = self.made.get(preference.id, ())
        decision = made[-1] if made else None
        mine = [each for each in self.promises if each.commitment.preference == preference.id]
        return Wish(
            preference=preference,
            stated=tuple(self.stated[name] for name in preference.candidates if name in self.stated),
            decision=decision,
            owner=None if decision is None else actor_called(self.known, decision.owner),
            entry=self.confirmed[preference.id],
            earlier=tuple(reversed(made[:-1])),
            proposal=self.proposed.get(preference.id),
            promises=tuple(each for each in mine if each.standing.taken_back is None),
            dropped=tuple(each for each in mine if each.standing.taken_back is not None),
        )


@frozen
class WishPages:
    """The endpoint."""

    house: House

    def page(self, request: Request) -> Response:
        now = self.house.parts.clock.now()
        with self.house.parts.read() as work:
            around = frame(work.log)
            view = wishes_of(work.log, request.path_params["id"], now)
        return self.house.page(request, "decisions.html", around, {"view": view})

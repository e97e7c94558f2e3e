"""Aliases: names such as ``opus-latest`` that stand for a model, and move only by a recorded decision.

A move is announced with its day, and takes effect at the beginning of that day (UTC). What is announced can
be announced anew until then; what has taken effect is history.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final

from attrs import frozen

from emeritus.core import ids
from emeritus.core.clock import Clock, parse_date, start_of
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry.model import get_model
from emeritus.registry.notice import FURTHEST_DAYS
from emeritus.registry.organisation import acting

KINDS: Final = frozenset({"alias.pointed", "alias.ended"})


@frozen
class Move:
    """A decision about an alias: to which *model* it points from the day *on*; None when it ends then.

    *holds_from* is the moment from which that is so: the beginning of the day, or of the decision when that
    came later.
    """

    model: str | None
    on: date
    holds_from: datetime
    why: str
    by: Actor
    entry: int


@frozen
class Alias:
    """A name that stands for a model. *moves* are those that took effect or will, the oldest first."""

    name: str
    moves: tuple[Move, ...]

    def standing(self, now: datetime) -> Move | None:
        """Return the decision that holds at *now*; None before the first."""
        held = [move for move in self.moves if move.holds_from <= now]
        return held[-1] if held else None

    def announced(self, now: datetime) -> Move | None:
        """Return the move that is still to come."""
        return next((move for move in self.moves if move.holds_from > now), None)

    def model(self, now: datetime) -> str | None:
        """Return the id of the model that it stands for at *now*."""
        standing = self.standing(now)
        return None if standing is None else standing.model


def point_alias(
    log: Log, clock: Clock, name: str, *, model: str, why: str, by: Actor, on: date | None = None
) -> Entry:
    """Have an alias stand for *model* from the day *on*, or from now. Doing it again changes nothing.

    Raises:
        InvalidInput: an impossible name or day; no reason; an erased model.
        NotFound: no such model.
        Conflict: a model has that name.
        NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "move an alias"), "steward", "move an alias")
    ids.slug(name, what="alias")
    if log.find(f"model.added:{name}") is not None:
        raise Conflict(f"{name} is a model's own id.", next_step="Choose another name for the alias.")
    target = get_model(log, model)
    if target.erased is not None:
        raise InvalidInput(
            f"The weights of {target.display_name} were erased.",
            next_step="Point the alias to another model.",
        )
    return _decide(log, clock, name, model, why, by, on)


def end_alias(log: Log, clock: Clock, name: str, *, why: str, by: Actor, on: date | None = None) -> Entry:
    """Have an alias stand for nothing from the day *on*, or from now. Doing it again changes nothing.

    Raises:
        InvalidInput: an impossible day, or no reason.
        NotFound: no such alias. Conflict: it has ended. NotPermitted: *by* is no steward.
    """
    acting(log, require_person(by, "end an alias"), "steward", "end an alias")
    get_alias(log, name)
    return _decide(log, clock, name, None, why, by, on)


def _decide(
    log: Log, clock: Clock, name: str, model: str | None, why: str, by: Actor, on: date | None
) -> Entry:
    now = clock.now()
    day = on or now.date()
    if day < now.date():
        raise InvalidInput(
            f"{day} has passed; today is {now.date()}.", next_step="Choose today or a later day."
        )
    if (day - now.date()).days > FURTHEST_DAYS:
        raise InvalidInput(
            f"{day} is more than ten years away.", next_step="Choose a day that somebody here can answer for."
        )
    if not why.strip():
        raise InvalidInput("The reason is missing.", next_step="Say why, for the public: --why '…'.")
    turns = log.entries(kinds=KINDS, subject=name)
    alias = fold(turns).get(name)
    last = alias.moves[-1] if alias is not None else None
    if (
        last is not None
        and last.model == model
        and (last.on == day or (on is None and last.holds_from <= now))
    ):
        return log.get(last.entry)
    if model is None and last is not None and last.model is None and last.holds_from <= now:
        raise Conflict(f"{name} has ended.", next_step="Point it to a model, if it is to come back.")
    before = None if alias is None else alias.model(now)
    body = {"alias": name, "from": before, "on": day.isoformat(), "why": why.strip()}
    key = f"alias:{name}:{len(turns)}"
    if model is None:
        return log.append(Act("alias.ended", body, by, before, name, key))
    return log.append(Act("alias.pointed", {**body, "to": model}, by, model, name, key))


def fold(entries: Iterable[Entry]) -> dict[str, Alias]:
    """Return the aliases that entries of `KINDS` tell of, by name. A decision replaces what was still to come."""
    moves: dict[str, list[Move]] = {}
    for entry in entries:
        mine = moves.setdefault(entry.subject or "", [])
        mine[:] = [move for move in mine if move.holds_from <= entry.at]
        on = parse_date(entry.body["on"])
        holds_from = max(start_of(on), entry.at)
        mine.append(Move(entry.body.get("to"), on, holds_from, entry.body["why"], entry.by, entry.seq))
    return {name: Alias(name, tuple(mine)) for name, mine in moves.items()}


def all_aliases(log: Log) -> list[Alias]:
    """Return every alias that there ever was, by name."""
    return sorted(fold(log.entries(kinds=KINDS)).values(), key=lambda alias: alias.name)


def get_alias(log: Log, name: str) -> Alias:
    """Return an alias. Raises NotFound."""
    found = fold(log.entries(kinds=KINDS, subject=name)) if name else {}
    if name not in found:
        raise NotFound(f"There is no alias {name[:96]!r}.", next_step="List them: `emeritus alias list`.")
    return found[name]

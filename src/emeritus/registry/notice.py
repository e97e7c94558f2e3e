"""Notices: from which day on a model is gone, and where; and whether the promised notice was really given.

A date is changed by a new entry, never in place. What counts as notice is the time from which people knew
that it would end no later than it did: moving a day back starts nothing anew, bringing it forward does.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Literal

from attrs import evolve, frozen

from emeritus.core.clock import Clock, parse_date
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry.model import Model, State, get_model, require_state
from emeritus.registry.organisation import acting, organisation

SurfaceKind = Literal["app", "api", "alias", "region"]
SURFACE_KINDS: tuple[SurfaceKind, ...] = ("app", "api", "alias", "region")
Meaning = Literal["retired", "no-new-users", "last-day"]
SURFACE_MEANINGS: tuple[Meaning, ...] = ("no-new-users", "last-day")
FURTHEST_DAYS = 3653
_KINDS = frozenset({"retirement.opened", "retirement.moved", "notice.given"})


@frozen
class Surface:
    """A place where people meet the model: an app, an API, an alias of it, a region. The *name* is free."""

    kind: SurfaceKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@frozen
class Named:
    """A day that was named, with the reason, and the reason for short notice where there was one."""

    on: date
    why: str
    short_notice: str | None
    by: Actor
    at: datetime
    entry: int


@frozen
class NoticeDate:
    """A day with its meaning, and every day that was named for it, the oldest first.

    *surface* is None for the model as a whole. *promised* is the least notice in days; None where nothing
    is promised (the day from which there are no new users).
    """

    surface: Surface | None
    meaning: Meaning
    history: tuple[Named, ...]
    promised: int | None

    @property
    def on(self) -> date:
        """The day that stands."""
        return self.history[-1].on

    @property
    def since(self) -> datetime:
        """From when on people knew that it would come no later than that."""
        later = [i for i, named in enumerate(self.history) if named.on > self.on]
        return self.history[later[-1] + 1 if later else 0].at

    @property
    def days(self) -> int:
        """How many days of notice were really given: calendar days, UTC."""
        return (self.on - self.since.date()).days

    @property
    def short_by(self) -> int:
        """By how many days that is less than was promised; less than zero when it is more."""
        return 0 if self.promised is None else self.promised - self.days

    @property
    def kept(self) -> bool:
        """True when as much notice was given as was promised, or nothing was."""
        return self.short_by <= 0

    @property
    def short_notice(self) -> str | None:
        """The reason for short notice, if it is short."""
        return (
            None
            if self.kept
            else next((n.short_notice for n in reversed(self.history) if n.short_notice), None)
        )


@frozen
class SurfaceDay:
    """The day that stands for one surface of a model."""

    surface: Surface
    meaning: Meaning
    on: date


@frozen
class Notice:
    """Everything that was announced about one model's retirement. *dates* begin with the model as a whole."""

    model: Model
    announced: datetime
    by: Actor
    entry: int
    promised: int
    dates: tuple[NoticeDate, ...]

    @property
    def retired(self) -> NoticeDate:
        """The day from which the model as a whole is retired."""
        return self.dates[0]

    @property
    def surfaces(self) -> tuple[NoticeDate, ...]:
        """The days of single surfaces."""
        return self.dates[1:]

    @property
    def kept(self) -> bool:
        """True when each promise of notice is kept."""
        return all(each.kept for each in self.dates)

    @property
    def updated(self) -> datetime:
        """When it last changed: by an entry of its own, or because the model was retired."""
        named = max(named.at for each in self.dates for named in each.history)
        return max(named, self.model.retired_at or named)


def notice(log: Log, model_id: str) -> Notice | None:
    """Return the notice for a model, or None for one that stays. Raises NotFound."""
    model = get_model(log, model_id)
    entries = log.entries(model=model_id, kinds=_KINDS)
    opened = next((entry for entry in entries if entry.kind == "retirement.opened"), None)
    if opened is None:
        return None
    promised = organisation(log, opened.seq).notice_days
    return Notice(model, opened.at, opened.by, opened.seq, promised, _dates(entries, promised))


def _dates(entries: Iterable[Entry], promised: int) -> tuple[NoticeDate, ...]:
    whole: list[Named] = []
    parts: dict[tuple[Surface, Meaning], list[Named]] = {}
    for entry in entries:
        if entry.kind == "notice.given":
            key = (Surface(**entry.body["surface"]), entry.body["meaning"])
            parts.setdefault(key, []).append(_named(entry))
        else:
            whole.append(_named(entry))
    found = [
        NoticeDate(surface, meaning, tuple(named), promised if meaning == "last-day" else None)
        for (surface, meaning), named in parts.items()
    ]
    found.sort(
        key=lambda each: (
            (SURFACE_KINDS.index(each.surface.kind), each.surface.name, each.on) if each.surface else ()
        )
    )
    return (NoticeDate(None, "retired", tuple(whole), promised), *found)


def _named(entry: Entry) -> Named:
    body = entry.body
    return Named(parse_date(body["on"]), body["why"], body["short_notice"], entry.by, entry.at, entry.seq)


def surface_days(log: Log) -> dict[str, tuple[SurfaceDay, ...]]:
    """Return by model the days that stand for its surfaces, from one look at the record."""
    days: dict[str, dict[tuple[Surface, Meaning], date]] = {}
    for entry in log.entries(kinds={"notice.given"}):
        key = (Surface(**entry.body["surface"]), entry.body["meaning"])
        days.setdefault(entry.model or "", {})[key] = parse_date(entry.body["on"])
    return {
        model: tuple(SurfaceDay(surface, meaning, on) for (surface, meaning), on in mine.items())
        for model, mine in days.items()
    }


# -- naming days ------------------------------------------------------------------------


def move_retirement(
    log: Log, clock: Clock, model_id: str, *, on: date, why: str, by: Actor, short_notice: str | None = None
) -> Entry:
    """Name another day of retirement. Doing it again changes nothing.

    Raises:
        InvalidInput: an impossible day; no reason; less notice than was promised, and no reason for that.
        Conflict: no retirement is open, or it is complete.
        NotPermitted: *by* is no steward.
    """
    standing = _open(log, model_id, by)
    whole = standing.retired
    if whole.on == on:
        return log.get(whole.history[-1].entry)
    model = standing.model
    if on <= model.released:
        raise InvalidInput(
            f"{on} is not after the model's release, {model.released}.", next_step="Choose a later day."
        )
    _replacement_stays(log, model, on)
    body = _body(clock, whole, on, why, short_notice, by)
    key = f"retirement.moved:{model_id}:{len(whole.history)}"
    return log.append(Act("retirement.moved", body, by, model_id, model_id, key))


def give_notice(
    log: Log,
    clock: Clock,
    model_id: str,
    *,
    surface: Surface,
    meaning: Meaning,
    on: date,
    why: str,
    by: Actor,
    short_notice: str | None = None,
) -> Entry:
    """Name the day on which something ends on one surface, or another day for it.

    *meaning* is ``no-new-users`` (from that day on) or ``last-day`` (it still works there on that day).

    Raises:
        InvalidInput, Conflict, NotPermitted: as `move_retirement`.
    """
    standing = _open(log, model_id, by)
    if surface.kind not in SURFACE_KINDS:
        raise InvalidInput(
            f"{surface.kind[:40]!r} is no kind of surface.",
            next_step=f"Choose from: {', '.join(SURFACE_KINDS)}.",
        )
    if meaning not in SURFACE_MEANINGS:
        raise InvalidInput(
            f"{meaning[:40]!r} is no meaning of a day on a surface.",
            next_step=f"Choose from: {', '.join(SURFACE_MEANINGS)}.",
        )
    name = " ".join(surface.name.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise InvalidInput(
            "The surface has no name, or one that cannot be shown.", next_step="Name it as its users know it."
        )
    surface = Surface(surface.kind, name)
    promised = standing.promised if meaning == "last-day" else None
    known = {(each.surface, each.meaning): each for each in standing.surfaces}
    before = known.get((surface, meaning), NoticeDate(surface, meaning, (), promised))
    if before.history and before.on == on:
        return log.get(before.history[-1].entry)
    _in_order(known, surface, meaning, on)
    body = {
        "surface": {"kind": surface.kind, "name": surface.name},
        "meaning": meaning,
        **_body(clock, before, on, why, short_notice, by),
    }
    key = f"notice.given:{model_id}:{meaning}:{len(before.history)}:{surface}"
    return log.append(Act("notice.given", body, by, model_id, model_id, key))


def _open(log: Log, model_id: str, by: Actor) -> Notice:
    acting(log, require_person(by, "name a day"), "steward", "name a day")
    standing = notice(log, model_id)
    if standing is None:
        raise Conflict(
            f"No retirement of {get_model(log, model_id).display_name} is open.",
            next_step=f"Open it first: `emeritus retire {model_id} --on DATE --replacement ID`.",
        )
    require_state(standing.model, [State.DEPRECATED], "name another day for it")
    return standing


def _body(
    clock: Clock, before: NoticeDate, on: date, why: str, short_notice: str | None, by: Actor
) -> dict[str, Any]:
    now = clock.now()
    today = now.date()
    if on <= today:
        raise InvalidInput(f"{on} is not in the future; today is {today}.", next_step="Choose a later day.")
    if (on - today).days > FURTHEST_DAYS:
        raise InvalidInput(
            f"{on} is more than ten years away.", next_step="Choose a day that somebody here can answer for."
        )
    if not why.strip():
        raise InvalidInput("The reason is missing.", next_step="Say why, for the public: --why '…'.")
    after = evolve(before, history=(*before.history, Named(on, why, None, by, now, -1)))
    if not after.kept and not (short_notice and short_notice.strip()):
        raise InvalidInput(
            f"{on} leaves {after.days} days of notice; {after.promised} were promised.",
            next_step="Choose a later day, or say in public why not: --short-notice 'REASON'.",
        )
    return {
        "on": on.isoformat(),
        "why": why.strip(),
        "notice_days": after.days,
        "short_notice": short_notice.strip() if short_notice and not after.kept else None,
        "revises": before.history[-1].entry if before.history else None,
    }


def _in_order(
    known: dict[tuple[Surface | None, Meaning], NoticeDate], surface: Surface, meaning: Meaning, on: date
) -> None:
    days = {each: known[surface, each].on for each in SURFACE_MEANINGS if (surface, each) in known}
    days[meaning] = on
    if len(days) == 2 and days["no-new-users"] > days["last-day"]:
        raise InvalidInput(
            f"On {surface} there would be new users until {days['no-new-users']}, after its last day, {days['last-day']}.",
            next_step="Let it close to new users first.",
        )


def _replacement_stays(log: Log, model: Model, on: date) -> None:
    if model.replacement is None:
        return
    other = get_model(log, model.replacement)
    if other.retires_on is not None and other.retires_on <= on:
        raise InvalidInput(
            f"{other.display_name}, which replaces it, retires itself on {other.retires_on}.",
            next_step="Choose a day before that, or move that one first.",
        )


def order_of(log: Log, model_id: str) -> Entry | None:
    """Return the entry that orders a model's retirement for the day that stands."""
    kinds = ("retirement.opened", "retirement.moved")
    found: Sequence[Entry] = log.entries(model=model_id, kinds=set(kinds), newest_first=True, limit=1)
    return found[0] if found else None

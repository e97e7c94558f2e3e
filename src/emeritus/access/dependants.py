"""Who depends on a model: whoever used it lately, or has a grant for it, and can still call it."""

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from emeritus.access import gate
from emeritus.access.ports import ANYONE, KeyRecord, Keys, Kind, Usage
from emeritus.access.standing import Standing

LATELY: Final = timedelta(days=90)


@frozen
class Dependant:
    """A member or a grant that depends on a model. *granted*: a grant names it. *last_at* is None where unused."""

    holder: str
    kind: Kind
    calls: int = 0
    tokens: int = 0
    last_at: datetime | None = None
    granted: bool = False


@frozen
class Dependants:
    """Everybody who depends on a model, those who use it most first; *without_key* counts calls of anybody."""

    model: str
    since: datetime
    known: tuple[Dependant, ...]
    without_key: int


def dependants(
    standing: Standing, keys: Keys, usage: Usage, model: str, now: datetime, *, lately: timedelta = LATELY
) -> Dependants:
    """Return who depends on *model*: by what was used within *lately*, and by the grants that live."""
    since = now - lately
    found: dict[str, Dependant] = {
        grant.id: Dependant(grant.id, "grant", granted=True)
        for grant in standing.grants.values()
        if model in grant.models and grant.lives(now)
    }
    known = {key.id: key for key in keys.all()}
    without = 0
    for used in usage.by_key(model=model, since=since):
        key = known.get(used.key_id)
        if used.key_id == ANYONE:
            without += used.totals.requests
        if key is None or not _may_call(standing, key, now):
            continue
        so_far = found.get(key.holder, Dependant(key.holder, key.kind))
        last = used.last_at if so_far.last_at is None else max(so_far.last_at, used.last_at)
        found[key.holder] = evolve(
            so_far,
            calls=so_far.calls + used.totals.requests,
            tokens=so_far.tokens + used.totals.tokens,
            last_at=last,
        )
    ordered = sorted(found.values(), key=lambda each: (-each.calls, -each.tokens, each.holder))
    return Dependants(model, since, tuple(ordered), without)


def _may_call(standing: Standing, key: KeyRecord, now: datetime) -> bool:
    """Tell whether the holder still has access, whatever became of this one of their keys."""
    alive = evolve(key, revoked_at=None, expires_at=None)
    return gate.fault_of(standing, alive, now) is None

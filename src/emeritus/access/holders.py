"""Whoever holds a key: what they learn and change with it, and nothing about anybody else."""

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from emeritus.access import gate
from emeritus.access.grants import Grant
from emeritus.access.keys import KeyFault, present
from emeritus.access.ports import KeyRecord, Keys, Totals, Usage, Used
from emeritus.access.standing import Standing
from emeritus.core.errors import NotPermitted

_SAYS = {
    KeyFault.MISSING: "This came without a key.",
    KeyFault.MISTYPED: "This key has a typing error: its last characters do not match.",
    KeyFault.UNKNOWN: "This key is not known here.",
}


class KeyNotAccepted(NotPermitted):
    """What was asked takes a key that is good now, and none came."""

    id = "key.not_accepted"
    status = 401


@frozen
class Account:
    """What a holder has: the keys that stand for them, and what these used, of each model.

    *grant* is None for a member. *spent* is in tokens, by all keys together.
    """

    key: KeyRecord
    grant: Grant | None
    keys: tuple[KeyRecord, ...]
    used: tuple[Used, ...]

    @property
    def spent(self) -> int:
        return sum(each.totals.tokens for each in self.used)

    def by_model(self) -> dict[str, Totals]:
        """Return what all keys together used of each model."""
        return sums(self.used)


def holder_of(standing: Standing, keys: Keys, text: str | None, now: datetime) -> KeyRecord:
    """Return the key that *text* is, when it is good at *now*. Raises KeyNotAccepted."""
    key = present(keys, text)
    if isinstance(key, KeyFault):
        raise KeyNotAccepted(
            _SAYS[key], next_step="Send it as 'Authorization: Bearer emer_…' or 'x-api-key: emer_…'."
        )
    fault = gate.fault_of(standing, key, now)
    if fault is not None:
        raise KeyNotAccepted(fault[1], next_step="Renew the membership, or apply again: /access.")
    return key


def account(
    standing: Standing, keys: Keys, usage: Usage, key: KeyRecord, since: datetime | None = None
) -> Account:
    """Return what the holder of *key* has, and used at *since* or later."""
    theirs = tuple(keys.of(key.holder))
    used = usage.by_key(keys=[each.id for each in theirs], since=since)
    return Account(key, standing.grants.get(key.holder), theirs, tuple(used))


def sums(used: Iterable[Used]) -> dict[str, Totals]:
    """Return what was used of each model, by all keys together."""
    found: dict[str, Totals] = {}
    for each in used:
        found[each.model] = _sum(found.get(each.model, Totals()), each.totals)
    return found


def _sum(one: Totals, two: Totals) -> Totals:
    return Totals(
        one.requests + two.requests,
        one.tokens_in + two.tokens_in,
        one.tokens_out + two.tokens_out,
        one.seconds + two.seconds,
        one.bytes_out + two.bytes_out,
    )

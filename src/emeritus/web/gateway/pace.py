"""A bound on how often one network may do something, kept without keeping whose network it is."""

import hashlib
import math
import secrets
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final

from emeritus.core.clock import Clock
from emeritus.core.errors import EmeritusError

NETWORKS: Final = 4096
SALT_LASTS: Final = timedelta(days=1)
_PREFIX: Final = 64  # bits: a household or a firm has at least so much of IPv6 for itself


class TooOften(EmeritusError):
    """Somebody asks faster than anybody answers."""

    id = "request.too_often"
    status = 429


def network(address: str) -> str:
    """Return whose *address* it is, as far as that can be told: the address itself, of IPv6 the first half.

    What is no address (a socket, a test) stands for itself.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{int(found) >> (128 - _PREFIX):x}/{_PREFIX}"


class Pace:
    """Lets each network through *limit* times in *window*, and all together *together* times as often.

    Without *together* the networks do not get into each other's way. May be used from many threads. Networks are
    known by a keyed hash alone, whose key is random, never leaves the memory, and is thrown away each day with
    all that was counted; nothing is written anywhere. Each process counts for itself.
    """

    def __init__(
        self,
        clock: Clock,
        limit: int,
        window: timedelta = timedelta(hours=1),
        *,
        together: int | None = 100,
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._window = window
        self._most = None if together is None else together * limit
        self._seen: OrderedDict[bytes, list[datetime]] = OrderedDict()
        self._all: list[datetime] = []
        self._salt, self._salted = secrets.token_bytes(32), clock.now()
        self._lock = threading.Lock()

    def step(self, address: str) -> None:
        """Count one. Raises TooOften."""
        with self._lock:
            now = self._clock.now()
            self._mine(address, now).append(now)
            if self._most is not None:
                self._all.append(now)

    def look(self, address: str) -> None:
        """Count nothing. Raises TooOften when another one would be too many."""
        with self._lock:
            self._mine(address, self._clock.now())

    def _mine(self, address: str, now: datetime) -> list[datetime]:
        if now - self._salted >= SALT_LASTS:
            self._seen.clear()
            self._salt, self._salted = secrets.token_bytes(32), now
        name = hashlib.blake2b(network(address).encode(), key=self._salt, digest_size=16).digest()
        since = now - self._window
        mine = [at for at in self._seen.pop(name, []) if at > since]
        self._seen[name] = mine
        self._all = [at for at in self._all if at > since]
        while len(self._seen) > NETWORKS:
            self._seen.popitem(last=False)
        if len(mine) >= self._limit:
            raise self._too_often(mine[0], now, f"This was asked {len(mine)} times from here")
        if self._most is not None and len(self._all) >= self._most:
            raise self._too_often(self._all[0], now, "This was asked very often by all together")
        return mine

    def _too_often(self, first: datetime, now: datetime, what: str) -> TooOften:
        """Return the refusal; it ends when the *first* of those that count leaves the window."""
        wait = max(1, math.ceil((first + self._window - now).total_seconds()))
        minutes = math.ceil(wait / 60)
        return TooOften(
            f"{what} within {self._window}, and nothing was done this time.",
            next_step=f"Send it again in {minutes} minute{'s' * (minutes != 1)}, or write to the steward.",
            retry_after=wait,
        )

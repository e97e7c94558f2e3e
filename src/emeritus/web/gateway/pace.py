"""A bound on how often one address may do something."""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from emeritus.core.clock import Clock
from emeritus.core.errors import EmeritusError

ADDRESSES: Final = 4096


class TooOften(EmeritusError):
    """Somebody asks faster than anybody answers."""

    id = "request.too_often"
    status = 429


class Pace:
    """Lets each address through *limit* times in *window*, and all together *together* times as often.

    Without *together* the addresses do not get into each other's way. May be used from many threads.
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
        self._seen: OrderedDict[str, list[datetime]] = OrderedDict()
        self._all: list[datetime] = []
        self._lock = threading.Lock()

    def step(self, address: str) -> None:
        """Count one. Raises TooOften."""
        with self._lock:
            mine = self._mine(address)
            mine.append(self._clock.now())
            if self._most is not None:
                self._all.append(self._clock.now())

    def look(self, address: str) -> None:
        """Count nothing. Raises TooOften when another one would be too many."""
        with self._lock:
            self._mine(address)

    def _mine(self, address: str) -> list[datetime]:
        since = self._clock.now() - self._window
        mine = [at for at in self._seen.pop(address, []) if at > since]
        self._seen[address] = mine
        self._all = [at for at in self._all if at > since]
        while len(self._seen) > ADDRESSES:
            self._seen.popitem(last=False)
        if len(mine) >= self._limit or (self._most is not None and len(self._all) >= self._most):
            raise TooOften(
                f"This was asked {len(mine)} times from here within {self._window}.",
                next_step=f"Wait {self._window}, or write to the steward.",
            )
        return mine

"""A bound on how often one address may do something."""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from emeritus.core.clock import Clock
from emeritus.core.errors import EmeritusError

ADDRESSES: Final = 4096


class TooOften(EmeritusError):
    """Somebody applies faster than anybody reads."""

    id = "request.too_often"
    status = 429


class Pace:
    """Lets each address through *limit* times in *window*, and all together a hundred times as often."""

    def __init__(self, clock: Clock, limit: int, window: timedelta = timedelta(hours=1)) -> None:
        self._clock = clock
        self._limit = limit
        self._window = window
        self._seen: OrderedDict[str, list[datetime]] = OrderedDict()
        self._all: list[datetime] = []

    def step(self, address: str) -> None:
        """Count one. Raises TooOften."""
        since = self._clock.now() - self._window
        mine = [at for at in self._seen.pop(address, []) if at > since]
        self._seen[address] = mine
        self._all = [at for at in self._all if at > since]
        while len(self._seen) > ADDRESSES:
            self._seen.popitem(last=False)
        if len(mine) >= self._limit or len(self._all) >= 100 * self._limit:
            raise TooOften(
                f"This was asked {len(mine)} times from here within {self._window}.",
                next_step="Wait an hour, or write to the steward.",
            )
        mine.append(self._clock.now())
        self._all.append(self._clock.now())

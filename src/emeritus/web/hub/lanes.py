"""Lanes: how many downloads are under way at once, and who works for them.

Each download asks for one piece at a time, and the requests stand in one queue: so all advance alike, and
none of them, nor all together, takes the threads that the gateway needs.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from emeritus.core.errors import EmeritusError

T = TypeVar("T")
WORKERS: Final = max(2, (os.cpu_count() or 2) // 2)


class TooMany(EmeritusError):
    """So many downloads are under way that another one has to wait."""

    id = "hub.too_many"
    status = 429


class Lanes:
    """Room for *streams* downloads at once, half of them for one caller."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._each = max(1, streams // 2)
        self._callers: Counter[str] = Counter()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="hub")

    @property
    def busy(self) -> int:
        """How many downloads are under way."""
        return self._callers.total()

    @contextmanager
    def lane(self, caller: str) -> Iterator[None]:
        """Hold a lane. Raises TooMany."""
        if self._callers[caller] >= self._each or self.busy >= self._streams:
            whose = "from you " if self._callers[caller] >= self._each else ""
            raise TooMany(
                f"{self._callers[caller] if whose else self.busy} downloads {whose}are under way here.",
                next_step="Wait a moment, and ask again; or ask for fewer at once (--max-workers).",
            )
        self._callers[caller] += 1
        try:
            yield
        finally:
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]

    def work(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """Have *job* done by the next worker that is free."""
        return asyncio.get_running_loop().run_in_executor(self._workers, job)

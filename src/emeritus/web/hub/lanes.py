"""Lanes: how many downloads are under way at once, and who works for them.

Each download asks for one piece at a time, and the requests stand in one queue: so all advance alike, and
none of them, nor all together, takes the threads that the gateway needs.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio

from emeritus.core.errors import EmeritusError

T = TypeVar("T")
WORKERS: Final = max(2, (os.cpu_count() or 2) // 2)
PATIENCE: Final = 8.0
"""Seconds: the Hub's clients give up after ten without a word."""


class TooMany(EmeritusError):
    """So many downloads are under way that another one has to wait."""

    id = "hub.too_many"
    status = 429


class Lanes:
    """Room for *streams* downloads at once, a quarter of it for one caller; who finds none waits *patience* seconds."""

    def __init__(self, streams: int, patience: float = PATIENCE) -> None:
        self._streams = streams
        self._each = max(1, streams // 4)
        self._patience = patience
        self._callers: Counter[str] = Counter()
        self._left = asyncio.Condition()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="hub")

    @property
    def busy(self) -> int:
        """How many downloads are under way."""
        return self._callers.total()

    @asynccontextmanager
    async def lane(self, caller: str) -> AsyncIterator[None]:
        """Hold a lane. Raises TooMany."""
        await self._enter(caller)
        try:
            yield
        finally:
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]
            with anyio.CancelScope(shield=True):
                async with self._left:
                    self._left.notify_all()

    async def _enter(self, caller: str) -> None:
        try:
            async with asyncio.timeout(self._patience), self._left:
                await self._left.wait_for(lambda: self._has_room(caller))
                self._callers[caller] += 1
        except TimeoutError:
            mine = self._callers[caller]
            told = f"{mine} downloads from you" if mine >= self._each else f"{self.busy} downloads"
            raise TooMany(
                f"{told} are under way here.",
                next_step="Wait a moment, and ask again; or ask for fewer at once (--max-workers).",
            ) from None

    def _has_room(self, caller: str) -> bool:
        return self._callers[caller] < self._each and self.busy < self._streams

    def work(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """Have *job* done by the next worker that is free."""
        return asyncio.get_running_loop().run_in_executor(self._workers, job)

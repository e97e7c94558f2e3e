"""Who may be in the engine: many together, or one alone, in the order they came.

Two answers that are drawn in one batch can change each other's last digits, and with them the words.
So words that are kept are drawn alone.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager


class Gate:
    """Lets callers from threads and from asyncio share something, or have it alone. First come, first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._alone = False
        self._queue: deque[tuple[bool, Future[None]]] = deque()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait (in a thread) until nobody else is inside."""
        turn = self._ask(alone=True)
        try:
            turn.result()
            yield
        finally:
            self._leave(turn)

    @contextmanager
    def alone_if_free(self) -> Iterator[bool]:
        """Have it alone when nobody is inside or waiting, and say so; otherwise say no at once."""
        with self._lock:
            free = not (self._inside or self._queue)
            if free:
                self._inside, self._alone = 1, True
        try:
            yield free
        finally:
            if free:
                self._out()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Wait (in asyncio) until nobody is inside alone."""
        turn = self._ask(alone=False)
        try:
            if not turn.done():
                await asyncio.wrap_future(turn)
            yield
        finally:
            self._leave(turn)

    def _ask(self, *, alone: bool) -> Future[None]:
        turn: Future[None] = Future()
        with self._lock:
            self._queue.append((alone, turn))
            self._admit()
        return turn

    def _leave(self, turn: Future[None]) -> None:
        with self._lock:
            inside = turn.done() and not turn.cancelled()
            if not inside:
                turn.cancel()  # whoever stops waiting gives up the place in the queue
                self._admit()
        if inside:
            self._out()

    def _out(self) -> None:
        with self._lock:
            self._inside -= 1
            self._alone = False
            self._admit()

    def _admit(self) -> None:
        while self._queue:
            alone, turn = self._queue[0]
            if turn.cancelled():
                self._queue.popleft()
                continue
            if self._alone or (alone and self._inside):
                return
            self._queue.popleft()
            if turn.set_running_or_notify_cancel():
                self._inside += 1
                self._alone = alone
                turn.set_result(None)

"""The turnstile: calls go in and out many at a time, in one transaction for all who wait.

A transaction costs about as much for a hundred calls as for one. While one is under way the next callers
gather; each hears its answer only after the commit, so that what was counted stays counted even when
this process is killed.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from attrs import define

from emeritus.access.ports import Ended
from emeritus.core.errors import Unavailable
from emeritus.web.gateway.door import Coming, Door, Entered, Refused

MANY: Final = 256


@define(eq=False)
class _Waiting:
    """One who waits, and where to tell the answer."""

    asked: Coming | Ended
    loop: asyncio.AbstractEventLoop
    told: asyncio.Future[Any]
    answer: Entered | Refused | BaseException | None = None


class Turnstile:
    """Lets calls through the *door*. One thread does it, and rests when nobody waits."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._turning = False
        self._hand = ThreadPoolExecutor(1, "turnstile")

    async def enter(self, call: Coming) -> Entered | Refused:
        """Return the answer to a call; one that is let in has been counted.

        Raises:
            EmeritusError: the database did not do its work; the call was not counted.
        """
        answer: Entered | Refused = await self._wait(call)
        return answer

    async def leave(self, took: Ended) -> None:
        """Write down what a call took; returns when it is kept. Raises as `enter`."""
        await self._wait(took)

    def _wait(self, asked: Coming | Ended) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(asked, loop, loop.create_future())
        with self._lock:
            self._waiting.append(waiting)
            idle = not self._turning
            self._turning = True
        if idle:
            self._hand.submit(self._turn)
        return waiting.told

    def _turn(self) -> None:
        while True:
            with self._lock:
                batch = [self._waiting.popleft() for _ in range(min(MANY, len(self._waiting)))]
                if not batch:
                    self._turning = False
                    return
            self._let_through(batch)
            for loop in {waiting.loop for waiting in batch}:
                with suppress(RuntimeError):  # the loop ended: nobody is there to be told
                    loop.call_soon_threadsafe(_tell, [each for each in batch if each.loop is loop])

    def _let_through(self, batch: Sequence[_Waiting]) -> None:
        coming = [each for each in batch if isinstance(each.asked, Coming)]
        try:
            answers = self._door.turn(
                [each.asked for each in coming if isinstance(each.asked, Coming)],
                [each.asked for each in batch if isinstance(each.asked, Ended)],
            )
        except Exception as why:  # noqa: BLE001 - whoever waits gets it
            if len(batch) > 1 and not isinstance(why, Unavailable):
                for each in batch:  # one that cannot be let through does not hold up the others
                    self._let_through([each])
                return
            for each in batch:
                each.answer = why
            return
        for each, answer in zip(coming, answers, strict=True):
            each.answer = answer


def _tell(batch: Sequence[_Waiting]) -> None:
    for each in batch:
        if each.told.done():  # whoever waited has gone
            continue
        if isinstance(each.answer, BaseException):
            each.told.set_exception(each.answer)
        else:
            each.told.set_result(each.answer)

"""The pool: carries out the schedule with threads, for callers from threads and from asyncio."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self

from attrs import frozen

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.speech import Message, Sampling, Utterance
from emeritus.voices.crew import Crew, Loader, in_background
from emeritus.voices.errors import VoiceClosed
from emeritus.voices.line import Ticket
from emeritus.voices.resting import Resting
from emeritus.voices.schedule import Schedule
from emeritus.voices.seat import Event, Limits, Order, Seat
from emeritus.voices.voice import Voice
from emeritus.voices.warmth import Warmth
from emeritus.voices.worth import Worth

NOBODY = ""
"""The key of who calls from within the house: interviews, essays, checks."""
_LONGEST_SLEEP = 15.0
_SHORTEST_SLEEP = 0.01


def _silence(_kind: str, _model: str, _detail: str) -> None:
    pass


def _weightless(_model: str) -> int:
    return 0


class Pool:
    """Keeps voices warm within the *limits*. Safe from threads and from asyncio.

    Args:
        loader: makes the voice of a model id (restoring its weights if need be); the pool starts it.
        limits: of memory, of the line, and how long things take (`Limits`).
        weigh: the bytes of memory that a model will take, told without fetching it; 0 for one that takes
            none here, or when that cannot be told.
        vouch: called with a model's id when its engine is up, before the first word; raises IntegrityError
            when what was loaded is not what it should be. Then it is loaded once more.
        let_go: called with a model's id when its voice has been stopped, or was not loaded after all.
        resting: how many engines that can sleep (`Rests`) are put to sleep instead of stopped.
        on_event: called with kind, model and detail at each change; must not block.
        clock: for the times that `status` shows.
        ticks: seconds for idleness and waiting, from any zero.
        worth: what each model is worth keeping.
    """

    def __init__(
        self,
        loader: Loader,
        limits: Limits | None = None,
        *,
        weigh: Callable[[str], int] = _weightless,
        vouch: Callable[[str], None] = lambda _model: None,
        let_go: Callable[[str], None] = lambda _model: None,
        resting: int = 0,
        on_event: Callable[[Event, str, str], None] = _silence,
        clock: Clock | None = None,
        ticks: Callable[[], float] = time.monotonic,
        worth: Worth | None = None,
    ) -> None:
        self._schedule = Schedule(limits or Limits(), worth)
        self._resting = Resting(resting)
        self._ticks = ticks
        self._changed = threading.Condition()
        self._crew = Crew(
            self._schedule,
            self._acting,
            loader,
            weigh=weigh,
            vouch=vouch,
            let_go=let_go,
            resting=self._resting,
            tell=on_event,
            clock=clock or SystemClock(),
            ticks=ticks,
            over=lambda: self._closed,
        )
        self._closed = False
        self._turning_away = False
        self._wake = threading.Event()
        self._keeper: threading.Thread | None = None

    # -- calling ------------------------------------------------------------

    @contextmanager
    def lease(self, model: str, key: str = NOBODY) -> Iterator[Voice]:
        """Hold the started voice of *model*, from a thread. It is not evicted while it is held.

        *key*: who calls, so that nobody has more than a fair share of the line.

        Raises:
            Busy, QueueFull: when no room comes free in time, or too many wait already.
            VoiceClosed: when the pool is closing.
            EmeritusError: whatever the loader or the engine's start raises; the next call tries again.
        """
        ticket = self._ask(model, key)
        try:
            yield ticket.turn.result()
        finally:
            self._leave(ticket)

    @asynccontextmanager
    async def alease(self, model: str, key: str = NOBODY) -> AsyncIterator[Voice]:
        """Hold the started voice of *model*, from asyncio; as `lease`. Whoever is cancelled leaves the line."""
        ticket = self._ask(model, key)
        try:
            voice = ticket.turn.result() if ticket.turn.done() else await asyncio.wrap_future(ticket.turn)
            yield voice
        finally:
            self._leave(ticket)

    def speaker(self, model: str) -> "PooledSpeaker":
        """Return a Speaker for *model* that leases its voice for each answer."""
        return PooledSpeaker(self, model)

    def tokens(self, model: str, text: str) -> tuple[int, ...] | None:
        """Return *text* in the tokens of *model*'s engine; None where they are not known here. Raises as `lease`."""
        with self.lease(model) as voice:
            return voice.tokens(text)

    # -- looking and steering -----------------------------------------------

    def status(self) -> tuple[Warmth, ...]:
        """Return how each model in the pool stands, by id; a model that is not named is cold."""
        with self._changed:
            return tuple(self._warmth(seat) for _, seat in sorted(self._schedule.seats.items()))

    def warmth(self, model: str) -> Warmth:
        """Return how *model* stands."""
        with self._changed:
            seat = self._schedule.seats.get(model)
            return Warmth(model, "cold") if seat is None else self._warmth(seat)

    def waiting(self) -> int:
        """Return how many calls are in the line."""
        with self._changed:
            return len(self._schedule.line)

    def warm(self, model: str) -> None:
        """Load *model* now and wait until it is. Raises as `lease`."""
        with self.lease(model):
            pass

    def pin(self, models: Iterable[str]) -> None:
        """Keep exactly these models: each is loaded, in the background, and stays until it is unpinned."""
        with self._changed:
            pins = frozenset(models)
            absent = pins - {seat.model for seat in self._schedule.seats.values()}
            self._schedule.pins = pins
        for model in sorted(absent):
            in_background(f"pin {model}", self._try_to_warm, model)

    def cool(self, model: str) -> bool:
        """Stop *model* now, unless somebody is calling it; True when it is cold then."""
        with self._acting():
            seat = self._schedule.seats.get(model)
            cold = self._schedule.dismiss(model, "asked to", self._ticks())
        if cold and seat is not None:
            with self._changed:
                self._changed.wait_for(lambda: seat not in self._schedule.leaving)
        return cold

    def renew(self, model: str) -> None:
        """Have *model* loaded anew by its next call: what the loader would make of it has changed.

        Calls under way are answered by the voice that they are in.
        """
        with self._acting():
            self._schedule.renew(model, self._ticks())

    def sweep(self) -> None:
        """Stop what has been idle for too long, and forget what has died. Runs by itself now and then."""
        with self._acting():
            now = self._ticks()
            for seat in [s for s in self._schedule.seats.values() if _is_dead(s)]:
                self._schedule.lost(seat, now)
            self._schedule.tick(now)

    def turn_away(self) -> None:
        """Take no more calls from outside, and tell those in the line; the house's own work goes on."""
        with self._acting():
            self._turning_away = True
            self._schedule.close(self._at_rest(), spare=NOBODY)

    def close(self, grace_seconds: float = 30.0) -> None:
        """Take no more calls, wait up to *grace_seconds* for those in flight, then stop everything.

        Whoever is still waiting in the line is told so at once.
        """
        with self._acting():
            self._closed = True
            self._schedule.close(self._at_rest())
        self._wake.set()
        seats = self._schedule.seats
        with self._changed:
            leaving = self._schedule.leaving
            self._changed.wait_for(
                lambda: not any(seat.running for seat in (*seats.values(), *leaving)), grace_seconds
            )
            warm = [seat for seat in seats.values() if seat.state == "warm"]
            for seat in warm:
                self._schedule.leaving.add(seats.pop(seat.model))
        stops = [Order("stop", seat, "stopped", "the pool closes") for seat in warm]
        threads = [self._crew.send(order) for order in stops]
        self._resting.close()
        for thread in threads:
            thread.join(grace_seconds + _LONGEST_SLEEP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside -------------------------------------------------------------

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """Tell the schedule something, and carry out what follows."""
        orders: list[Order] = []
        answers: list[Callable[[], object]] = []
        try:
            with self._changed:
                try:
                    yield
                finally:
                    orders, answers = self._schedule.orders()
                    if orders or len(self._schedule.line):
                        self._wake.set()
                    self._changed.notify_all()
        finally:
            for answer in answers:
                answer()
            for order in orders:
                self._crew.send(order)

    def _ask(self, model: str, key: str) -> Ticket:
        with self._acting():
            if self._closed or (self._turning_away and key != NOBODY):
                raise self._at_rest()
            self._keep_by_itself()
            now = self._ticks()
            seat = self._schedule.seats.get(model)
            if seat is not None and _is_dead(seat):
                self._schedule.lost(seat, now)
            return self._schedule.ask(model, key, now)

    def _leave(self, ticket: Ticket) -> None:
        with self._acting():
            self._schedule.leave(ticket, self._ticks())

    @staticmethod
    def _at_rest() -> VoiceClosed:
        return VoiceClosed(
            "The models are being put to rest.", next_step="Call again when the service is back."
        )

    def _warmth(self, seat: Seat) -> Warmth:
        return Warmth(
            seat.model,
            "warm" if seat.state == "warm" else "loading",
            self._crew.since.get(seat),
            self._schedule.calls(seat.model),
            seat.memory,
            seat.model in self._schedule.pins,
        )

    def _try_to_warm(self, model: str) -> None:
        with suppress(Exception):  # told as "failed"; tried again when it is pinned again, or called
            self.warm(model)

    def _keep_by_itself(self) -> None:
        if self._keeper is None:
            self._keeper = in_background("pool keeper", self._keep)

    def _keep(self) -> None:
        """Let time pass in the schedule: turns end, the line's patience too, and the idle are stopped."""
        longest = max(0.05, min(self._schedule.limits.idle / 4, _LONGEST_SLEEP))
        while not self._closed:
            with self._changed:
                now = self._ticks()
                then = self._schedule.next_time(now)
            if not self._wake.wait(longest if then is None else min(max(then - now, 0.0), longest)):
                self.sweep()
            self._wake.clear()
            time.sleep(_SHORTEST_SLEEP)  # however much happens, time is looked at so often and not more


def _is_dead(seat: Seat) -> bool:
    return seat.state == "warm" and not seat.running and not (seat.voice is not None and seat.voice.alive)


@frozen
class PooledSpeaker:
    """A Speaker whose engine is there only while it is needed."""

    pool: Pool
    model: str

    def speak(
        self,
        prompt: Sequence[Message],
        sampling: Sampling,
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> Utterance:
        with self.pool.lease(self.model) as voice:
            return voice.speak(prompt, sampling, schema=schema)

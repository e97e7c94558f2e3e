"""The crew: carries out what the schedule orders. Weighs, fetches, starts and stops, each in a thread of its own."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from emeritus.core.clock import Clock
from emeritus.core.errors import IntegrityError
from emeritus.voices.errors import EngineDied
from emeritus.voices.resting import Resting, close_quietly
from emeritus.voices.schedule import Schedule
from emeritus.voices.seat import Event, Order, Seat
from emeritus.voices.voice import Voice
from emeritus.voices.wire import MiB

Loader = Callable[[str], Voice]


class Crew:
    """What `Pool` is given, it hands on to here; see there. *acting* wraps whatever is told to the schedule.

    *over* tells whether the pool has been closed; *since* notes when each voice was up.
    """

    def __init__(
        self,
        schedule: Schedule,
        acting: Callable[[], AbstractContextManager[None]],
        loader: Loader,
        *,
        weigh: Callable[[str], int],
        vouch: Callable[[str], None],
        let_go: Callable[[str], None],
        resting: Resting,
        tell: Callable[[Event, str, str], None],
        clock: Clock,
        ticks: Callable[[], float],
        over: Callable[[], bool],
    ) -> None:
        self._schedule = schedule
        self._acting = acting
        self._loader = loader
        self._weigh = weigh
        self._vouch = vouch
        self._let_go = let_go
        self._resting = resting
        self._tell = tell
        self._clock = clock
        self._ticks = ticks
        self._over = over
        self.since: dict[Seat, datetime] = {}
        self._begun: dict[Seat, float] = {}

    def send(self, order: Order) -> threading.Thread:
        """Have *order* carried out."""
        return in_background(f"{order.what} {order.seat.model}", self._carry_out, order)

    def _carry_out(self, order: Order) -> None:
        if order.what == "stop":
            self.stop(order)
            return
        seat = order.seat
        try:
            {"weigh": self._weigh_it, "fetch": self._fetch, "start": self._start}[order.what](seat)
        except BaseException as why:  # noqa: BLE001 - whoever waits gets it
            held = seat.voice is None or seat.voice.memory > 0
            if seat.voice is not None:
                close_quietly(seat.voice)
            if held:
                self._let_go(seat.model)
            self._begun.pop(seat, None)
            self._tell("failed", seat.model, str(why))
            with self._acting():
                self._schedule.failed(seat, why, self._ticks())

    def _weigh_it(self, seat: Seat) -> None:
        memory = self._weigh(seat.model)
        with self._acting():
            self._schedule.weighed(seat, memory, self._ticks())

    def _fetch(self, seat: Seat) -> None:
        self._tell("loading", seat.model, "")
        self._begun[seat] = self._ticks()
        seat.voice = self._resting.take(seat.model) or self._loader(seat.model)
        memory = seat.voice.memory
        with self._acting():
            self._schedule.fetched(seat, memory, self._ticks())

    def _start(self, seat: Seat) -> None:
        assert seat.voice is not None
        try:
            self._bring_up(seat.voice)
        except (
            EngineDied,
            IntegrityError,
        ):  # killed while it was loading, or loaded decayed weights: once more
            close_quietly(seat.voice)
            self._let_go(seat.model)
            seat.voice = self._loader(seat.model)
            self._bring_up(seat.voice)
        voice = seat.voice
        took = max(0.0, self._ticks() - self._begun.pop(seat))
        memory = voice.memory
        self._tell("loaded", seat.model, f"{took:.2f} s, {memory // MiB} MiB")
        with self._acting():
            now = self._ticks()
            self.since[seat] = self._clock.now()
            self._schedule.started(seat, memory, voice.slots, took, now)
            if self._over():
                self._schedule.dismiss(seat.model, "closed while it was loading", now)

    def _bring_up(self, voice: Voice) -> None:
        voice.start()
        self._vouch(voice.model)

    def stop(self, order: Order) -> None:
        """Stop a voice, or put it to sleep, and say so. However badly that goes, its room counts as free then."""
        seat, why = order.seat, order.why
        try:
            if seat.voice is not None:
                self._end(seat.voice, order.kind)
        except Exception as fault:  # noqa: BLE001 - told, and no reason to keep others waiting for ever
            why = f"{why}; it did not end well: {fault}"
        self.since.pop(seat, None)
        self._begun.pop(seat, None)
        self._tell(order.kind, seat.model, why)
        with self._acting():
            self._schedule.stopped(seat, self._ticks())

    def _end(self, voice: Voice, kind: Event) -> None:
        sleeps, ended = self._resting.lay(voice) if kind in ("evicted", "idle") else (False, None)
        if not sleeps:
            ended = voice.model if voice.memory else None  # who takes none here holds nothing here
            close_quietly(voice)
        if ended is not None:
            self._let_go(ended)


def in_background(name: str, do: Callable[..., None], *args: object) -> threading.Thread:
    """Run *do* in a thread that does not keep the process alive."""
    thread = threading.Thread(target=do, args=args, name=name, daemon=True)
    thread.start()
    return thread

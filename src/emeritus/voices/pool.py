"""The pool: loads a model when somebody calls it, keeps as many as memory allows, stops the idle ones."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from attrs import define, field, frozen

from emeritus.core.clock import Clock, SystemClock
from emeritus.core.speech import Message, Sampling, Utterance
from emeritus.voices.errors import Busy, VoiceClosed, VoiceError
from emeritus.voices.voice import Voice
from emeritus.voices.wire import MiB, hang_up

Event = Literal["loading", "loaded", "failed", "died", "evicted", "idle", "stopped"]
Loader = Callable[[str], Voice]


class WeightsProvider(Protocol):
    """Where weights come from: the archive restores them into a cache, or they lie in a folder."""

    def path(self, model_id: str) -> tuple[Path, str]:
        """Return the file to load and the digest of the weights in it. May take as long as a restore.

        Raises:
            NotFound: when nobody here holds that model's weights.
        """
        ...


@frozen
class Warmth:
    """How one model stands in the pool. *memory* in bytes; *calls* are those in flight."""

    model: str
    state: Literal["cold", "loading", "warm"]
    since: datetime | None = None
    calls: int = 0
    memory: int = 0


@define(eq=False)
class _Seat:
    model: str
    since: datetime
    loaded: Future[Voice] = field(factory=Future)
    voice: Voice | None = None
    memory: int = 0
    calls: int = 0
    used: float = 0.0
    left: bool = False

    @property
    def is_warm(self) -> bool:
        return self.voice is not None and self.loaded.done()


def _silence(_kind: str, _model: str, _detail: str) -> None:
    pass


class Pool:
    """Keeps voices warm within *memory_budget* bytes. Safe from threads and from asyncio.

    Args:
        loader: makes the voice of a model id (restoring its weights if need be); the pool starts it.
        memory_budget: bytes for all voices together; None for no bound.
        idle_seconds: a voice without calls for so long is stopped.
        wait_seconds: how long a call waits for room before it is turned away with Busy.
        on_event: called with kind, model and detail at each change; must not block.
        clock: for the times that `status` shows.
        ticks: seconds for idleness, from any zero.
    """

    def __init__(
        self,
        loader: Loader,
        *,
        memory_budget: int | None = None,
        idle_seconds: float = 300.0,
        wait_seconds: float = 60.0,
        on_event: Callable[[Event, str, str], None] = _silence,
        clock: Clock | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loader = loader
        self._budget = memory_budget
        self._idle_seconds = idle_seconds
        self._wait_seconds = wait_seconds
        self._tell = on_event
        self._clock = clock or SystemClock()
        self._ticks = ticks
        self._changed = threading.Condition()
        self._seats: dict[str, _Seat] = {}
        self._leaving: set[_Seat] = set()
        self._in_line: deque[_Seat] = deque()
        self._closed = False
        self._stopping = threading.Event()
        self._sweeper: threading.Thread | None = None

    # -- calling ------------------------------------------------------------

    @contextmanager
    def lease(self, model: str) -> Iterator[Voice]:
        """Hold the started voice of *model*, from a thread. It is not evicted while it is held.

        Raises:
            Busy: when no room comes free in time. VoiceClosed: when the pool is closing.
            EmeritusError: whatever the loader or the engine's start raises; the next call tries again.
        """
        seat = self._claim(model)
        try:
            yield seat.loaded.result()
        finally:
            self._release(seat)

    @asynccontextmanager
    async def alease(self, model: str) -> AsyncIterator[Voice]:
        """Hold the started voice of *model*, from asyncio; as `lease`."""
        seat = self._claim(model)
        try:
            if seat.loaded.done():
                voice = seat.loaded.result()
            else:
                voice = await asyncio.wrap_future(seat.loaded)
            yield voice
        finally:
            self._release(seat)

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
            return tuple(self._warmth(seat) for _, seat in sorted(self._seats.items()))

    def warmth(self, model: str) -> Warmth:
        """Return how *model* stands."""
        with self._changed:
            seat = self._seats.get(model)
            return Warmth(model, "cold") if seat is None else self._warmth(seat)

    def warm(self, model: str) -> None:
        """Load *model* now and wait until it is. Raises as `lease`."""
        with self.lease(model):
            pass

    def cool(self, model: str) -> bool:
        """Stop *model* now, unless somebody is calling it; True when it is cold then."""
        with self._changed:
            seat = self._seats.get(model)
            if seat is None:
                return True
            if seat.calls or not seat.is_warm:
                return False
            self._take_out(seat)
        self._stop(seat, "stopped", "asked to")
        return True

    def sweep(self) -> None:
        """Stop what has been idle for too long, and forget what has died. Runs by itself now and then."""
        now = self._ticks()
        with self._changed:
            ended = [s for s in self._seats.values() if s.is_warm and not s.calls and not self._lives(s)]
            idle = [
                s
                for s in self._seats.values()
                if s.is_warm and not s.calls and s not in ended and now - s.used >= self._idle_seconds
            ]
            for seat in (*ended, *idle):
                self._take_out(seat)
        for seat in ended:
            self._stop(seat, "died", "found dead")
        for seat in idle:
            self._stop(seat, "idle", f"no call for {self._idle_seconds:g} s")

    def close(self, grace_seconds: float = 30.0) -> None:
        """Take no more calls, wait up to *grace_seconds* for those in flight, then stop everything."""
        with self._changed:
            self._closed = True
            self._stopping.set()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(s.calls for s in self._seats.values()), grace_seconds)
            seats = list(self._seats.values())
            for seat in seats:
                self._take_out(seat)
        for seat in seats:
            self._stop(seat, "stopped", "the pool closes")
        with self._changed:
            self._changed.wait_for(lambda: not self._leaving, grace_seconds)

    async def aclose(self, grace_seconds: float = 30.0) -> None:
        """`close` from asyncio; also closes this event loop's connections."""
        await asyncio.to_thread(self.close, grace_seconds)
        await hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside -------------------------------------------------------------

    def _claim(self, model: str) -> _Seat:
        dead: _Seat | None = None
        with self._changed:
            if self._closed:
                raise self._resting()
            seat = self._seats.get(model)
            if seat is not None and seat.is_warm and not seat.calls and not self._lives(seat):
                dead, seat = seat, None
                self._take_out(dead)
            fresh = seat is None
            if seat is None:
                seat = self._seats[model] = _Seat(model, self._clock.now())
                seat.loaded.set_running_or_notify_cancel()  # one caller who hangs up must not stop it for the others
                self._sweep_by_itself()
            seat.calls += 1
        if dead is not None:
            self._stop(dead, "died", "found dead")
        if fresh:
            threading.Thread(target=self._load, args=(seat,), name=f"load {model}", daemon=True).start()
        return seat

    def _release(self, seat: _Seat) -> None:
        with self._changed:
            seat.calls -= 1
            seat.used = self._ticks()
            self._changed.notify_all()

    def _load(self, seat: _Seat) -> None:
        voice: Voice | None = None
        self._tell("loading", seat.model, "")
        begun = time.monotonic()
        try:
            voice = self._loader(seat.model)
            self._make_room(seat, voice.memory)
            voice.start()
            memory = voice.memory
        except BaseException as why:  # noqa: BLE001 - whoever waits gets it
            if voice is not None:
                with suppress(VoiceError):
                    voice.close()
            with self._changed:
                self._take_out(seat)
                self._leaving.discard(seat)
                self._changed.notify_all()
            self._tell("failed", seat.model, str(why))
            seat.loaded.set_exception(why)
            return
        with self._changed:
            gone = seat.left
            seat.voice, seat.memory, seat.since, seat.used = voice, memory, self._clock.now(), self._ticks()
            self._changed.notify_all()
        if gone:
            self._stop(seat, "stopped", "closed while it was loading")
            seat.loaded.set_exception(self._resting())
            return
        self._tell("loaded", seat.model, f"{time.monotonic() - begun:.2f} s, {memory // MiB} MiB")
        seat.loaded.set_result(voice)

    def _make_room(self, seat: _Seat, memory: int) -> None:
        if self._budget is None:
            seat.memory = memory
            return
        if memory > self._budget:
            raise Busy(
                f"{seat.model} needs {memory // MiB} MiB, and all models together may have {self._budget // MiB} MiB.",
                next_step="Raise the pool's memory budget.",
            )
        until = time.monotonic() + self._wait_seconds
        with self._changed:
            self._in_line.append(seat)
        try:
            while True:
                with self._changed:
                    if self._closed:
                        raise self._resting()
                    first = self._in_line[0] is seat
                    if first and self._taken() + memory <= self._budget:
                        seat.memory = memory
                        return
                    victim = self._least_recent() if first else None
                    if victim is not None:
                        self._take_out(victim)
                    elif (
                        not self._changed.wait(max(0.0, until - time.monotonic()))
                        and time.monotonic() >= until
                    ):
                        raise Busy(
                            f"There is no room for {seat.model} now: every model that is loaded is being used.",
                            next_step="Call again in a minute.",
                        )
                if victim is not None:
                    self._stop(victim, "evicted", f"to make room for {seat.model}")
        finally:
            with self._changed:
                self._in_line.remove(seat)
                self._changed.notify_all()

    def _taken(self) -> int:
        return sum(s.memory for s in (*self._seats.values(), *self._leaving))

    def _least_recent(self) -> _Seat | None:
        if self._leaving:
            return None  # room is coming; wait for it before anybody else is sent away
        idle = [s for s in self._seats.values() if s.is_warm and not s.calls and s.memory]
        return min(idle, key=lambda s: s.used, default=None)

    def _take_out(self, seat: _Seat) -> None:
        seat.left = True
        if self._seats.get(seat.model) is seat:
            del self._seats[seat.model]
        self._leaving.add(seat)

    def _stop(self, seat: _Seat, kind: Event, detail: str) -> None:
        if seat.voice is None:  # still loading: whoever loads it sees that it has left
            return
        with suppress(VoiceError):
            seat.voice.close()
        with self._changed:
            self._leaving.discard(seat)
            self._changed.notify_all()
        self._tell(kind, seat.model, detail)

    @staticmethod
    def _resting() -> VoiceClosed:
        return VoiceClosed(
            "The models are being put to rest.", next_step="Call again when the service is back."
        )

    @staticmethod
    def _lives(seat: _Seat) -> bool:
        return seat.voice is not None and seat.voice.alive

    def _warmth(self, seat: _Seat) -> Warmth:
        return Warmth(seat.model, "warm" if seat.is_warm else "loading", seat.since, seat.calls, seat.memory)

    def _sweep_by_itself(self) -> None:
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweeping, name="pool sweeper", daemon=True)
            self._sweeper.start()

    def _sweeping(self) -> None:
        pause = max(0.05, min(self._idle_seconds / 4, 15.0))
        while not self._stopping.wait(pause):
            self.sweep()


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

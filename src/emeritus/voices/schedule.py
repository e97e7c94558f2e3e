"""The schedule: who is loaded, who is sent away, who goes in. It decides; the pool, or a simulation, does.

Nothing here waits, measures or starts anything: each method is told what happened and *now* (seconds, from
any zero), and `orders` gives what is to be done. So the same decisions run under threads and under a
simulated clock.

- A call for a loaded model goes in at once, as long as the voice has a free slot.
- Models that somebody waits for are fetched in the order of the line, a few ahead of the room they need.
- Room is made by sending away who is idle and least worth keeping (`Worth`), then by asking one who is busy,
  and has had its turn, to take no more calls: what runs in it runs to its end. Pinned models stay.
- Room goes to the first in line that is fetched; nobody smaller slips past it.
"""

from collections.abc import Callable

from attrs import define

from emeritus.core.errors import EmeritusError
from emeritus.voices.errors import Busy
from emeritus.voices.line import Line, Ticket, turned_away
from emeritus.voices.seat import Event, Limits, Order, Seat
from emeritus.voices.wire import MiB
from emeritus.voices.worth import Worth

_LOADING = frozenset({"weighing", "fetching", "starting"})
_FAILURES_FOR_NOTHING = 2
_LONGEST_PAUSE = 60.0
_TURN_OF_COST = 3.0
_ANEW = "to be loaded anew"


@define
class _Faults:
    count: int
    until: float
    error: EmeritusError


class Schedule:
    """See above. *worth* tells what each model is worth keeping; any function of the same shape will do."""

    def __init__(self, limits: Limits, worth: Worth | None = None) -> None:
        self.limits = limits
        self.worth = worth or Worth()
        self.line = Line(limits.places, limits.places_per_key, limits.wait / 2)
        self.seats: dict[str, Seat] = {}
        self.leaving: set[Seat] = set()
        self.pins: frozenset[str] = frozenset()
        self._inside: dict[Ticket, Seat] = {}
        self._orders: list[Order] = []
        self._answers: list[Callable[[], object]] = []
        self._faults: dict[str, _Faults] = {}
        self._sizes: dict[str, int] = {}

    # -- what happens ---------------------------------------------------------

    def ask(self, model: str, key: str, now: float) -> Ticket:
        """Somebody calls *model*.

        Raises:
            Busy, QueueFull: the line is full. EmeritusError: why the model failed to load again and again.
        """
        ticket = Ticket(model, key, now)
        seat = self.seats.get(model)
        self.worth.called(model, now)
        if seat is not None and seat.has_slot() and not self.line.waits(model):
            self.line.number(ticket)
            self._enter(ticket, seat, now)
            return ticket
        faults = self._faults.get(model)
        if faults is not None and now < faults.until:
            raise faults.error.with_traceback(None)
        self.line.join(ticket)
        self._settle(now)
        return ticket

    def leave(self, ticket: Ticket, now: float) -> None:
        """A call has ended, or its caller hung up in the line."""
        seat = self._inside.pop(ticket, None)
        if seat is not None:
            seat.running -= 1
            seat.used = now
            if seat.state == "leaving" and not seat.running:
                self._orders.append(Order("stop", seat, "stopped", _ANEW))
        elif not self.line.leave(ticket):
            return
        self._settle(now)

    def weighed(self, seat: Seat, memory: int, now: float) -> None:
        """It is known how much *seat* will take, before it is fetched."""
        seat.memory, seat.state = memory, "weighed"
        self._settle(now)

    def fetched(self, seat: Seat, memory: int, now: float) -> None:
        """The weights are here; *memory* is the estimate of what the engine will take."""
        seat.memory, seat.state = memory, "fetched"
        self._settle(now)

    def started(self, seat: Seat, memory: int, slots: int, took: float, now: float) -> None:
        """It can speak: *memory* as measured, *slots* at once (0: no bound), *took* seconds in all."""
        seat.memory, seat.slots, seat.state = memory, slots, "warm"
        seat.since = seat.used = now
        self._sizes[seat.model] = memory
        self._faults.pop(seat.model, None)
        self.worth.cost(seat.model, took)
        if seat.stale:
            self.renew(seat.model, now)
        self._settle(now)

    def failed(self, seat: Seat, error: BaseException, now: float) -> None:
        """It could not be loaded: everybody who waits for it is told why, and the next call tries again."""
        del self.seats[seat.model]
        if isinstance(error, EmeritusError) and not isinstance(error, Busy):
            count = self._faults[seat.model].count + 1 if seat.model in self._faults else 1
            over = count - _FAILURES_FOR_NOTHING
            pause = min(2.0**over, _LONGEST_PAUSE) if over > 0 else 0.0
            self._faults[seat.model] = _Faults(count, now + pause, error)
        self._refuse(seat.model, error, now)
        self._settle(now)

    def lost(self, seat: Seat, now: float) -> None:
        """Its engine is dead, and nobody is in it."""
        self._send_away(seat, "died", "found dead")
        self._settle(now)

    def stopped(self, seat: Seat, now: float) -> None:
        """What was ordered to stop has stopped; its room is free."""
        self.leaving.discard(seat)
        self._settle(now)

    def dismiss(self, model: str, why: str, now: float) -> bool:
        """Send *model* away now, unless it is being called or loaded; True when it is not here then."""
        seat = self.seats.get(model)
        if seat is None:
            return True
        if seat.state != "warm" or seat.running:
            return False
        self._send_away(seat, "stopped", why)
        self._settle(now)
        return True

    def renew(self, model: str, now: float) -> None:
        """What *model* is to be loaded from has changed: the next call has it loaded anew.

        Calls that are in what was loaded before are answered by that to their end.
        """
        seat = self.seats.get(model)
        self._sizes.pop(model, None)
        self._faults.pop(model, None)
        if seat is None:
            return
        if seat.state != "warm":
            seat.stale = True
        elif seat.running:
            del self.seats[model]
            seat.state = "leaving"
            self.leaving.add(seat)
        else:
            self._send_away(seat, "stopped", _ANEW)
        self._settle(now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        for seat in [s for s in self.seats.values() if self._idle_at(s) <= now]:
            self._send_away(seat, "idle", f"no call for {self.limits.idle:g} s")
        self._settle(now)

    def close(self, error: EmeritusError, *, spare: str | None = None) -> None:
        """Everybody in the line but the key *spare* is told *error*; who is in stays in."""
        for ticket in [ticket for ticket in self.line if ticket.key != spare]:
            self._turn_away(ticket, error)

    # -- what follows ---------------------------------------------------------

    def orders(self) -> tuple[list[Order], list[Callable[[], object]]]:
        """Take what is to be done: orders, and answers to callers, which may be given without any lock."""
        orders, self._orders = self._orders, []
        answers, self._answers = self._answers, []
        return orders, answers

    def next_time(self, now: float) -> float | None:
        """Return when `tick` is to be called, at the latest; None when nothing depends on time."""
        times = [self._idle_at(seat) for seat in self.seats.values()]
        if len(self.line):
            times += [t.since + self.limits.wait for t in self.line if not self._is_coming(t.model)]
            warm = (seat for seat in self.seats.values() if seat.state == "warm")
            times += [then for seat in warm if (then := self._may_go_at(seat)) > now]
            times += [faults.until for faults in self._faults.values() if faults.until > now]
        times = [time for time in times if time != float("inf")]
        return min(times, default=None)

    def taken(self) -> int:
        """Return the bytes that are in use, or promised to who is starting."""
        held = (s.memory for s in self.seats.values() if s.state in ("starting", "warm"))
        return sum(held) + sum(s.memory for s in self.leaving)

    def calls(self, model: str) -> int:
        """Return how many calls for *model* are in or in the line."""
        seat = self.seats.get(model)
        waiting = sum(ticket.model == model for ticket in self.line)
        return waiting + (seat.running if seat is not None else 0)

    # -- inside ---------------------------------------------------------------

    def _settle(self, now: float) -> None:
        if not len(self.line) and self._is_quiet():
            return
        self._admit(now)
        if len(self.line):
            self._load(now)
        self._make_room(now)
        self._expire(now)
        self._drop_unwanted()

    def _is_quiet(self) -> bool:
        return self._within() and all(s.state == "warm" and not s.yields for s in self.seats.values())

    def _within(self) -> bool:
        return self.limits.memory is None or self.taken() <= self.limits.memory

    def _admit(self, now: float) -> None:
        for seat in self.seats.values():
            if seat.has_slot() and self.line.waits(seat.model):
                for ticket in self.line.of(seat.model, now):
                    if not seat.has_slot():
                        break
                    self._enter(ticket, seat, now)

    def _enter(self, ticket: Ticket, seat: Seat, now: float) -> None:
        if not ticket.turn.set_running_or_notify_cancel():
            self.line.leave(ticket)
            return
        self.line.enter(ticket)
        self._inside[ticket] = seat
        seat.running += 1
        seat.used = now
        voice = seat.voice
        self._answers.append(lambda: ticket.turn.set_result(voice))  # type: ignore[arg-type]

    def _refuse(self, model: str, error: BaseException, now: float) -> None:
        for ticket in self.line.of(model, now):
            self._turn_away(ticket, error)

    def _turn_away(self, ticket: Ticket, error: BaseException) -> None:
        self.line.leave(ticket)
        if ticket.turn.set_running_or_notify_cancel():
            self._answers.append(lambda: ticket.turn.set_exception(error))

    def _load(self, now: float) -> None:
        """Weigh what nobody knows yet; fetch, in the order of the line, a few ahead of the room."""
        wanted = self.line.models(now)
        for model in wanted:
            if model not in self.seats:
                known = self._sizes.get(model)
                seat = self.seats[model] = Seat(model, "weighing" if known is None else "weighed", now)
                seat.memory = known or 0
                if known is None:
                    self._orders.append(Order("weigh", seat))
        ahead = sum(s.state in ("fetching", "fetched") and s.memory > 0 for s in self.seats.values())
        for model in wanted:
            seat = self.seats[model]
            if seat.state != "weighed":
                continue
            if (why := self._can_never_be(seat)) is not None:
                del self.seats[model]
                self._refuse(model, why, now)
            elif not seat.memory or ahead < self.limits.ahead:
                ahead += seat.memory > 0
                seat.state = "fetching"
                self._orders.append(Order("fetch", seat))

    def _can_never_be(self, seat: Seat) -> Busy | None:
        budget = self.limits.memory
        if budget is None or not seat.memory:
            return None
        if seat.memory > budget:
            return Busy(
                f"{seat.model} needs {seat.memory // MiB} MiB, and all models together may have {budget // MiB} MiB.",
                next_step="Raise the pool's memory budget.",
            )
        pinned = sum(s.memory for s in self.seats.values() if s.model in self.pins and s.state == "warm")
        if seat.model not in self.pins and seat.memory + pinned > budget:
            return Busy(
                f"{seat.model} needs {seat.memory // MiB} MiB, and beside the pinned models there are {(budget - pinned) // MiB} MiB.",
                next_step="Unpin a model, or raise the pool's memory budget.",
            )
        return None

    def _make_room(self, now: float) -> None:
        claims = self._claims(now)
        if not claims and self._within():
            for seat in self.seats.values():
                seat.yields = False
            self._admit(now)
            return
        for seat in [s for s in self.seats.values() if s.yields and not s.running]:
            self._send_away(seat, "evicted", "its turn is over")
        for seat in claims:
            if (why := self._can_never_be(seat)) is not None:
                self._send_away(seat, "stopped", "there is no room for it")
                self._refuse(seat.model, why, now)
            elif not self._has_room(seat.memory, now):
                return
            else:
                seat.state = "starting"
                self._orders.append(Order("start", seat))
        if not self._within():  # one turned out larger than was thought
            self._has_room(0, now)

    def _claims(self, now: float) -> list[Seat]:
        """Return who is fetched and waits for room, in the order of the line; who needs none comes first."""
        found = (self.seats.get(model) for model in self.line.models(now))
        seats = [seat for seat in found if seat is not None and seat.state == "fetched"]
        return sorted(seats, key=lambda seat: seat.memory > 0)

    def _has_room(self, need: int, now: float) -> bool:
        """Tell whether *need* bytes are free; when they are not, see to it that they will be."""
        if self.limits.memory is None:
            return True
        lacking = self.taken() + need - self.limits.memory
        if lacking <= 0:
            return True
        lacking -= sum(s.memory for s in self.leaving)
        lacking -= sum(s.memory for s in self.seats.values() if s.yields)
        loaded = [s for s in self.seats.values() if s.state == "warm" and s.memory and not s.yields]
        for seat in sorted(loaded, key=lambda s: self._dearness(s, now)):
            if lacking <= 0:
                break
            if seat.model in self.pins or self._may_go_at(seat) > now:
                continue
            lacking -= seat.memory
            if seat.running:
                seat.yields = True
            else:
                self._send_away(seat, "evicted", "to make room")
        return not need

    def _dearness(self, seat: Seat, now: float) -> tuple[bool, float, float]:
        return seat.running > 0, self.worth.of(seat.model, seat.memory, now), seat.used

    def _may_go_at(self, seat: Seat) -> float:
        """Return when a loaded model may be asked to go."""
        if not seat.running:
            return seat.since + self.limits.least
        turn = max(self.limits.turn, _TURN_OF_COST * self.worth.seconds(seat.model))
        return seat.since + max(self.limits.least, turn)

    def _is_coming(self, model: str) -> bool:
        seat = self.seats.get(model)
        return seat is not None and (seat.state in _LOADING or seat.promised)

    def _expire(self, now: float) -> None:
        if not len(self.line):
            return
        if self.leaving and (claims := self._claims(now)):  # room is coming for the first of them
            claims[0].promised = claims[0].memory <= self._free_soon()
        late = [t for t in self.line if now - t.since >= self.limits.wait and not self._is_coming(t.model)]
        for ticket in late:
            self._turn_away(ticket, turned_away(ticket, self.limits.wait))

    def _free_soon(self) -> int:
        assert self.limits.memory is not None
        return self.limits.memory - self.taken() + sum(s.memory for s in self.leaving)

    def _drop_unwanted(self) -> None:
        """Let go of what nobody waits for any more and what has not begun to start."""
        for seat in list(self.seats.values()):
            if self.line.waits(seat.model):
                continue
            if seat.state == "fetched":
                self._send_away(seat, "stopped", "nobody waits for it any more")
            elif seat.state == "weighed":
                del self.seats[seat.model]

    def _send_away(self, seat: Seat, kind: Event, why: str) -> None:
        del self.seats[seat.model]
        if seat.state == "fetched":
            seat.memory = 0  # it never took any
        seat.state = "leaving"
        self.leaving.add(seat)
        self._orders.append(Order("stop", seat, kind, why))

    def _idle_at(self, seat: Seat) -> float:
        if seat.state != "warm" or seat.running or seat.model in self.pins:
            return float("inf")
        return seat.used + self.limits.idle

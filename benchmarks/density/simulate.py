"""The real schedule under a simulated clock: engines that take as long as measured ones did."""

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field
from benchmarks.density.trace import Call

from emeritus.voices import Busy, Limits
from emeritus.voices.line import Ticket
from emeritus.voices.schedule import Schedule
from emeritus.voices.seat import Order

SIZE = 2**30
SLOTS = 2
PATIENCE = 3  # times that a caller who was turned away comes back, as the SDKs do


@define
class Outcome:
    """What became of the calls."""

    calls: int = 0
    answered: int = 0
    loads: int = 0
    loading: float = 0.0
    waits: list[float] = field(factory=list)
    served: list[str] = field(factory=list)
    models: set[str] = field(factory=set)

    def wait(self, share: float) -> float:
        """Return the wait that this share of the callers did not exceed."""
        return sorted(self.waits)[int(share * (len(self.waits) - 1))]

    @property
    def hit_rate(self) -> float:
        return 1 - self.loads / max(self.answered, 1)


@define
class Times:
    """Seconds that real engines took, in the order in which they were measured."""

    fetch: Sequence[float]
    start: Sequence[float]
    stop: Sequence[float]


class House:
    """One node. *worth* decides who is sent away; all else is the pool's own schedule.

    With *sizes*, a model takes its own bytes, and loads in so much less time than one of `SIZE`.
    """

    def __init__(
        self,
        times: Times,
        limits: Limits,
        worth: Any = None,
        seed: int = 1,
        sizes: dict[str, int] | None = None,
    ) -> None:
        self.schedule = Schedule(limits, worth)
        self.outcome = Outcome()
        self.now = 0.0
        self._times = times
        self._worth = worth
        self._sizes = sizes or {}
        self._chance = random.Random(seed)
        self._soon: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def run(self, trace: Sequence[Call]) -> Outcome:
        """Serve a whole trace."""
        self.outcome.calls = len(trace)
        for call in trace:
            self._later(call.at - self.now, lambda call=call: self._call(call, call.at, PATIENCE))
        while self._soon:
            then = self.schedule.next_time(self.now)
            if then is not None and self.now < then < self._soon[0][0]:
                self.now = then
                self._tell(self.schedule.tick)
                continue
            self.now, _, do = heapq.heappop(self._soon)
            do()
        return self.outcome

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._soon, (self.now + max(seconds, 0.0), next(self._number), do))

    def _call(self, call: Call, since: float, patience: int) -> None:
        try:
            ticket = self.schedule.ask(call.model, call.key, self.now)
        except Busy as why:
            self._come_back(call, since, patience, why)
        else:
            ticket.turn.add_done_callback(lambda turn: self._ended(turn, ticket, call, since, patience))
        self._obey()

    def _ended(self, turn: Any, ticket: Ticket, call: Call, since: float, patience: int) -> None:
        if (why := turn.exception()) is not None:
            self._come_back(call, since, patience, why)
            return
        outcome = self.outcome
        outcome.answered += 1
        outcome.waits.append(self.now - since)
        outcome.served.append(call.model)
        outcome.models.add(call.model)
        self._later(call.seconds, lambda: self._tell(self.schedule.leave, ticket))

    def _come_back(self, call: Call, since: float, patience: int, why: Any) -> None:
        if patience:
            self._later(why.retry_after, lambda: self._call(call, since, patience - 1))

    def _tell(self, what: Callable[..., object], *args: object) -> None:
        what(*args, self.now)
        self._obey()

    def _obey(self) -> None:
        while True:
            orders, answers = self.schedule.orders()
            if not orders and not answers:
                return
            for answer in answers:
                answer()
            for order in orders:
                getattr(self, f"_{order.what}")(order)

    def _size(self, order: Order) -> int:
        return self._sizes.get(order.seat.model, SIZE)

    def _weigh(self, order: Order) -> None:
        self._later(0.0, lambda: self._tell(self.schedule.weighed, order.seat, self._size(order)))

    def _fetch(self, order: Order) -> None:
        took = self._chance.choice(self._times.fetch) * self._size(order) / SIZE
        order.seat.used = took  # read again when it has started
        self._later(took, lambda: self._tell(self.schedule.fetched, order.seat, self._size(order)))

    def _start(self, order: Order) -> None:
        self.outcome.loads += 1
        took = self._chance.choice(self._times.start) * self._size(order) / SIZE
        size = self._size(order)
        whole = took + order.seat.used
        self.outcome.loading += whole
        self._later(took, lambda: self._tell(self.schedule.started, order.seat, size, SLOTS, whole))

    def _stop(self, order: Order) -> None:
        if hasattr(self._worth, "left") and order.kind == "evicted":
            self._worth.left(order.seat.model, self._size(order))
        took = self._chance.choice(self._times.stop)
        self._later(took, lambda: self._tell(self.schedule.stopped, order.seat))

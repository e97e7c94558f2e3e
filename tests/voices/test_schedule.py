"""The schedule, under a clock of its own: whatever happens, nobody is lost, nothing is exceeded, all have a turn."""

import heapq
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emeritus.voices import Busy, EngineNotStarted, Limits
from emeritus.voices.line import Ticket
from emeritus.voices.schedule import Schedule
from emeritus.voices.seat import Order

SIZES = {"a": 10, "b": 10, "c": 15, "d": 5, "e": 20, "remote": 0}
BUDGET = 20
FETCH, START, STOP = 0.5, 1.0, 0.25


class Stage:
    """Carries out what the schedule orders, in simulated time. Every caller's end is written down."""

    def __init__(self, limits: Limits, *, slots: int = 2, fails: frozenset[str] = frozenset()) -> None:
        self.schedule = Schedule(limits)
        self.now = 0.0
        self.slots = slots
        self.fails = fails
        self.taken = 0
        self.most = 0
        self.stopped_in_mid_answer: list[str] = []
        self.waits: dict[Ticket, float] = {}
        self.turned_away: dict[Ticket, BaseException] = {}
        self.started: list[str] = []
        self.sent_away: list[tuple[str, str]] = []
        self._soon: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._soon, (self.now + seconds, next(self._number), do))

    def call(self, model: str, key: str, seconds: float, *, patience: float = 1e9) -> None:
        """Call *model* now; the answer takes *seconds*; the caller hangs up after *patience* in the line."""
        try:
            ticket = self.schedule.ask(model, key, self.now)
        except (Busy, EngineNotStarted) as why:
            self.turned_away[Ticket(model, key, self.now)] = why
            self.obey()
            return

        def served(turn) -> None:
            if turn.cancelled():
                return
            if (why := turn.exception()) is not None:
                self.turned_away[ticket] = why
                return
            self.waits[ticket] = self.now - ticket.since
            self.later(seconds, lambda: self.leave(ticket))

        def hang_up() -> None:
            if ticket.turn.cancel():
                self.leave(ticket)

        ticket.turn.add_done_callback(served)
        if patience < 1e9:
            self.later(patience, hang_up)
        self.obey()

    def leave(self, ticket: Ticket) -> None:
        self.schedule.leave(ticket, self.now)
        self.obey()

    def obey(self) -> None:
        orders, answers = self.schedule.orders()
        for answer in answers:
            answer()
        for order in orders:
            {"weigh": self.weigh, "fetch": self.fetch, "start": self.start, "stop": self.stop}[order.what](
                order
            )
        if orders or answers:
            self.obey()

    def weigh(self, order: Order) -> None:
        self.later(0, lambda: self.tell(self.schedule.weighed, order.seat, SIZES.get(order.seat.model, 10)))

    def fetch(self, order: Order) -> None:
        if order.seat.model in self.fails:
            why = EngineNotStarted("It does not start.", next_step="Look.")
            self.later(FETCH, lambda: self.tell(self.schedule.failed, order.seat, why))
            return
        self.later(
            FETCH, lambda: self.tell(self.schedule.fetched, order.seat, SIZES.get(order.seat.model, 10))
        )

    def start(self, order: Order) -> None:
        size = SIZES.get(order.seat.model, 10)
        self.taken += size
        self.most = max(self.most, self.taken)
        self.started.append(order.seat.model)
        took = FETCH + START
        self.later(START, lambda: self.tell(self.schedule.started, order.seat, size, self.slots, took))

    def stop(self, order: Order) -> None:
        self.sent_away.append((order.kind, order.seat.model))
        if order.seat.running:
            self.stopped_in_mid_answer.append(order.seat.model)
        freed = order.seat.memory

        def gone() -> None:
            self.taken -= freed
            self.tell(self.schedule.stopped, order.seat)

        self.later(STOP, gone)

    def tell(self, what: Callable[..., object], *args: object) -> None:
        what(*args, self.now)
        self.obey()

    def run(self, until: float) -> None:
        """Let time pass; the schedule is woken when it asked to be, as the pool does it."""
        while True:
            then = self.schedule.next_time(self.now)
            soonest = self._soon[0][0] if self._soon else until
            if then is not None and then <= min(soonest, until):
                self.now = max(self.now, then)
                self.tell(self.schedule.tick)
                if self.schedule.next_time(self.now) == then:  # nothing that it could do about it yet
                    if not self._soon:
                        return
                    self.now = max(self.now, soonest)
                    heapq.heappop(self._soon)[2]()
                continue
            if soonest >= until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, soonest)
            heapq.heappop(self._soon)[2]()


CALLS = st.lists(
    st.tuples(
        st.floats(0, 20),  # when
        st.sampled_from(sorted(SIZES)),
        st.sampled_from(["k1", "k2", "k3"]),
        st.floats(0.01, 8),  # how long the answer takes
        st.sampled_from([1e9, 1e9, 0.3, 4.0]),  # how long the caller is patient
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(
    calls=CALLS,
    slots=st.sampled_from([0, 1, 2]),
    turn=st.sampled_from([0.0, 3.0]),
    least=st.sampled_from([0.0, 2.0]),
    fails=st.sampled_from([frozenset(), frozenset("b"), frozenset("ad")]),
    pins=st.sampled_from([frozenset(), frozenset("d"), frozenset("a")]),
    anew=st.lists(st.tuples(st.floats(0, 25), st.sampled_from(sorted(SIZES))), max_size=4),
)
def test_whatever_is_called_nobody_is_lost_and_nothing_exceeded(calls, slots, turn, least, fails, pins, anew):
    """Every call is answered, told why not, or hung up; memory stays within its budget at every moment; no
    model is stopped while it is called, even one that is to be loaded anew; pins stay; in the end the line is empty."""
    stage = Stage(
        Limits(memory=BUDGET, turn=turn, least=least, wait=30.0, idle=50.0), slots=slots, fails=fails
    )
    stage.schedule.pins = pins
    for at, model, key, seconds, patience in calls:
        stage.later(at, lambda m=model, k=key, s=seconds, p=patience: stage.call(m, k, s, patience=p))
    for at, model in anew:
        stage.later(at, lambda m=model: stage.tell(stage.schedule.renew, m))
    stage.run(1000)
    assert len(stage.schedule.line) == 0
    ended = len(stage.waits) + len(stage.turned_away)
    impatient = sum(patience < 1e9 for *_, patience in calls)
    assert len(calls) - impatient <= ended <= len(calls)
    assert stage.most <= BUDGET
    assert stage.stopped_in_mid_answer == []
    assert not {model for kind, model in stage.sent_away if kind in ("evicted", "idle")} & pins
    for why in stage.turned_away.values():
        assert isinstance(why, Busy | EngineNotStarted)
    assert {m for m, s in stage.schedule.seats.items() if s.memory and s.state == "warm"} <= pins
    assert stage.taken == stage.schedule.taken()


@pytest.mark.parametrize("slots", [0, 2])
def test_a_busy_model_cannot_starve_a_forgotten_one(slots):
    """While one model is called without a pause, each call for another waits a turn, the drain, and the load."""
    stage = Stage(Limits(memory=10, turn=5.0, wait=60.0), slots=slots)
    for n in range(600):
        stage.later(n * 0.7, lambda: stage.call("a", "busy", 1.0))
    for n in range(5):
        stage.later(10 + 25 * n, lambda: stage.call("b", "rare", 1.0))
    stage.run(2000)
    assert stage.turned_away == {}
    rare = [wait for ticket, wait in stage.waits.items() if ticket.model == "b"]
    assert len(rare) == 5
    assert max(rare) <= 5 + 1.5 + STOP + FETCH + START
    assert stage.started.count("a") <= 7, "and the busy one is not swapped at each call"


def test_calls_for_two_models_are_served_in_batches():
    """A B A B A B with room for one is served as A A A B B B: two loads, not six."""
    stage = Stage(Limits(memory=10, turn=15.0))
    for n in range(6):
        stage.later(n * 0.01, lambda n=n: stage.call("ab"[n % 2], "k", 0.5))
    stage.run(100)
    assert len(stage.waits) == 6
    assert stage.started == ["a", "b"]


@pytest.mark.parametrize("at", [0.2, 1.0, 5.0])
def test_what_is_to_be_loaded_anew(at):
    """Whether it is being fetched, started or called: who comes later gets the new one, and who is in is not cut."""
    stage = Stage(Limits(memory=20))
    stage.call("a", "first", 8.0)
    stage.later(at, lambda: stage.tell(stage.schedule.renew, "a"))
    stage.later(at + 0.1, lambda: stage.call("a", "later", 1.0))
    stage.run(7)
    assert stage.started == ["a", "a"]
    assert {ticket.key for ticket in stage.waits} == {"first", "later"}
    stage.run(100)
    assert stage.sent_away == [("stopped", "a")]
    assert stage.stopped_in_mid_answer == []


def test_one_key_with_many_calls_goes_behind_one_with_few():
    """The line is fair between keys: ten calls of one for other models do not delay another's single call by ten."""
    stage = Stage(Limits(memory=10, wait=600.0))
    for n in range(10):
        stage.call(f"m{n}", "greedy", 1.0)
    stage.later(0.1, lambda: stage.call("m11", "modest", 1.0))
    stage.run(500)
    assert stage.started.index("m11") <= 3


def test_a_greedy_key_does_not_take_a_busy_models_slots():
    """Within one model too: the next free slot goes to the key that had fewer."""
    stage = Stage(Limits(memory=10), slots=1)
    for _ in range(10):
        stage.call("a", "greedy", 1.0)
    stage.later(2.0, lambda: stage.call("a", "modest", 1.0))
    stage.run(100)
    (modest,) = [wait for ticket, wait in stage.waits.items() if ticket.key == "modest"]
    assert modest <= 2.5


def test_endless_newcomers_do_not_starve_who_has_waited():
    """A call that has waited for half of the limit goes before any newcomer, whatever its key did before."""
    stage = Stage(Limits(memory=10, wait=60.0))
    for n in range(8):
        stage.call(f"m{n}", "greedy", 0.1)
    for n in range(200):
        stage.later(n * 0.5, lambda n=n: stage.call(f"n{n}", f"new{n}", 0.1))
    stage.run(50)
    served = [ticket.model for ticket in stage.waits if ticket.key == "greedy"]
    assert len(served) == 8


def test_a_model_keeps_its_room_for_the_least_time():
    """With *least*, a model that was only just loaded is not sent away, even when it is idle."""
    stage = Stage(Limits(memory=10, least=20.0))
    stage.call("a", "k", 0.1)
    stage.later(2.0, lambda: stage.call("b", "k", 0.1))
    stage.later(4.0, lambda: stage.call("a", "k", 0.1))
    stage.run(15)
    assert stage.started == ["a"]
    stage.run(60)
    assert stage.started == ["a", "b"]


def test_what_costs_more_to_load_stays_longer():
    """Of two that are called alike, the one that loads slowly is kept; of two alike in that, the smaller."""
    schedule = Schedule(Limits())
    for model, cost in (("slow", 60.0), ("quick", 1.0)):
        schedule.worth.called(model, 0.0)
        schedule.worth.cost(model, cost)
    assert schedule.worth.of("slow", 10, 5.0) > schedule.worth.of("quick", 10, 5.0)
    assert schedule.worth.of("slow", 10, 5.0) > schedule.worth.of("slow", 20, 5.0)
    assert schedule.worth.of("slow", 10, 5.0) > schedule.worth.of("slow", 10, 500.0)


def test_one_that_takes_more_than_was_thought_makes_others_leave():
    """Memory is measured after the start; when all together are over the budget then, the least worth leaves."""
    stage = Stage(Limits(memory=20))
    stage.call("d", "k", 0.1)
    stage.run(10)
    stage.call("f", "k", 0.1)
    stage.run(11)
    seat = stage.schedule.seats["f"]
    assert seat.state == "starting"
    stage.schedule.started(seat, 18, 2, 1.0, stage.now)
    stage.obey()
    assert ("evicted", "d") in stage.sent_away

"""The pool: one load for many, bounded memory, nobody stopped in mid-answer, the idle put to rest."""

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from emeritus.core.errors import NotFound
from emeritus.core.speech import Message, Sampling
from emeritus.voices import Busy, EngineDied, EngineNotStarted, Limits, Pool, QueueFull, VoiceClosed
from emeritus.voices.fakes import FakeVoice, FakeWeights

ASK = [Message("user", "Hello")]
SAMPLING = Sampling(seed=1)


class House:
    """Fake voices of 10 bytes each, and all that the pool told."""

    def __init__(self, **more) -> None:
        self.voices: list[FakeVoice] = []
        self.events: list[tuple[str, str]] = []
        self.let_go: list[str] = []
        self.now = 0.0
        self.gate: Callable[[str], None] = lambda _model: None
        self.pool = Pool(
            self.load,
            Limits(**more),
            weigh=lambda _model: 10,
            let_go=self.let_go.append,
            on_event=lambda kind, model, _detail: self.events.append((kind, model)),
            ticks=lambda: self.now,
        )

    def load(self, model: str) -> FakeVoice:
        self.gate(model)
        self.voices.append(FakeVoice(model, memory=10))
        return self.voices[-1]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


def test_eight_callers_one_load():
    """However many call a cold model at once, it is loaded once, and all get it."""
    house, together = House(), threading.Barrier(8)
    loading = threading.Event()
    house.gate = lambda _: loading.wait(10)

    def call(_: int) -> FakeVoice:
        together.wait(10)
        with house.pool.lease("a") as voice:
            return voice

    with ThreadPoolExecutor(8) as callers:
        futures = [callers.submit(call, n) for n in range(8)]
        while house.pool.warmth("a").calls < 8:
            pass
        assert house.pool.warmth("a").state == "loading"
        loading.set()
        got = [future.result() for future in futures]
    assert len(house.voices) == 1
    assert all(voice is house.voices[0] for voice in got)
    assert house.voices[0].starts == 1
    assert house.kinds() == ["loading", "loaded"]


def test_asyncio_and_threads_share_one_load():
    """A caller of the gateway and a step of the process wait for the same load."""
    house, loading = House(), threading.Event()
    house.gate = lambda _: loading.wait(10)

    async def scene() -> None:
        async def call() -> FakeVoice:
            async with house.pool.alease("a") as voice:
                return voice

        tasks = [asyncio.create_task(call()) for _ in range(3)]
        thread = asyncio.create_task(asyncio.to_thread(house.pool.warm, "a"))
        while house.pool.warmth("a").calls < 4:  # noqa: ASYNC110
            await asyncio.sleep(0)
        loading.set()
        got = await asyncio.gather(*tasks)
        await thread
        assert all(voice is got[0] for voice in got)
        await asyncio.to_thread(house.pool.close)

    asyncio.run(scene())
    assert len(house.voices) == 1


def test_one_who_hangs_up_does_not_stop_the_load():
    """A waiting caller that is cancelled leaves the load to the others."""
    house, loading = House(), threading.Event()
    house.gate = lambda _: loading.wait(10)

    async def scene() -> None:
        async def call() -> str:
            async with house.pool.alease("a") as voice:
                return voice.model

        leaving, staying = asyncio.create_task(call()), asyncio.create_task(call())
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.sleep(0.01)
        loading.set()
        assert await staying == "a"
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert house.pool.warmth("a").calls == 0

    asyncio.run(scene())


def test_a_failed_load_is_told_to_all_and_tried_again():
    """Everybody who waits gets the error; nothing of it stays; the next call begins anew."""
    house = House(memory=10)

    def fail(_model: str) -> None:
        raise EngineNotStarted("It did not start.", next_step="Look.")

    house.gate = fail
    for _ in range(2):
        with pytest.raises(EngineNotStarted), house.pool.lease("a"):
            pass
    assert house.pool.status() == ()
    house.gate = lambda _model: None
    assert house.pool.speaker("a").speak(ASK, SAMPLING).text
    assert house.kinds() == ["loading", "failed", "loading", "failed", "loading", "loaded"]


def test_unknown_weights_are_the_callers_error():
    """What the weights' provider raises reaches the caller as it is."""
    weights = FakeWeights({})
    pool = Pool(lambda model: FakeVoice(model, weights=weights.path(model)[1]))
    with pytest.raises(NotFound), pool.lease("a"):
        pass


def test_the_least_recently_used_makes_room():
    """With room for two, the third sends away the one that was not used the longest."""
    house = House(memory=20)
    for tick, model in enumerate(["a", "b", "a", "c"]):
        house.now = tick
        house.pool.warm(model)
    assert [seat.model for seat in house.pool.status()] == ["a", "c"]
    assert ("evicted", "b") in house.events
    assert [voice.closed for voice in house.voices] == [False, True, False]


def until(told: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    for _ in range(10_000):
        if told():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came")


def test_running_work_is_never_evicted():
    """A model in mid-answer stays; who needs its room is turned away with Busy, and works afterwards."""
    house = House(memory=10, wait=0, turn=0)
    with house.pool.lease("a") as voice:
        with pytest.raises(Busy), house.pool.lease("b"):
            pass
        assert not voice.closed
        assert voice.speak(ASK, SAMPLING).text
    house.pool.warm("b")
    assert [seat.model for seat in house.pool.status()] == ["b"]


def test_one_who_waits_gets_the_room_that_comes_free():
    """A call that waits for room goes on as soon as the other is done."""
    house = House(memory=10)
    with house.pool.lease("a"):
        waiting = threading.Thread(target=house.pool.warm, args=("b",))
        waiting.start()
        until(lambda: house.pool.waiting() == 1)
    waiting.join(10)
    assert [seat.model for seat in house.pool.status()] == ["b"]


def test_who_has_waited_long_enough_is_told():
    """Nobody waits longer than the limit for other models; then the error says when to come back."""
    house = House(memory=10, wait=30)
    with house.pool.lease("a"), ThreadPoolExecutor(1) as caller:
        late = caller.submit(house.pool.warm, "b")
        until(lambda: house.pool.warmth("b").state == "loading")
        house.now = 31
        until(lambda: house.pool.sweep() or late.done())
        assert isinstance(late.exception(10), Busy)
        assert late.exception().retry_after > 0
    assert house.pool.waiting() == 0


def test_the_line_is_bounded():
    """A key has its places and the house has its own; whoever finds none is told at once, with 429 or 503."""
    house = House(memory=10, places=3, places_per_key=2)
    with house.pool.lease("a", "mine"), ThreadPoolExecutor(4) as callers:
        waiting = [callers.submit(lease, house.pool, "b", "mine") for _ in range(2)]
        until(lambda: house.pool.waiting() == 2)
        with pytest.raises(QueueFull) as mine:
            lease(house.pool, "c", "mine")
        waiting.append(callers.submit(lease, house.pool, "b", "another's"))
        until(lambda: house.pool.waiting() == 3)
        with pytest.raises(Busy) as all_of_us:
            lease(house.pool, "c", "a third one's")
        assert (mine.value.status, all_of_us.value.status) == (429, 503)
        lease(house.pool, "a", "mine")  # a model that is loaded needs no place in the line
        house.pool.close(grace_seconds=0)
        assert all(isinstance(each.exception(10), VoiceClosed) for each in waiting)


def lease(pool: Pool, model: str, key: str) -> None:
    with pool.lease(model, key):
        pass


def test_one_who_hangs_up_leaves_the_line():
    """A caller of asyncio who is cancelled while waiting for room gives the place back at once."""
    house = House(memory=10)

    async def scene() -> None:
        async def call() -> None:
            async with house.pool.alease("b", "k"):
                pass

        with house.pool.lease("a"):
            leaving = asyncio.create_task(call())
            while house.pool.waiting() != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert house.pool.waiting() == 0
        assert house.pool.warmth("a").state == "warm", "nobody needs its room any more"

    asyncio.run(scene())
    until(lambda: house.pool.warmth("b").state == "cold")
    assert house.pool.warmth("a").state == "warm"


def test_a_busy_model_makes_room_after_its_turn():
    """A model that is called without a pause takes no new calls once its turn is over and another waits."""
    house = House(memory=10, turn=15)
    first = house.pool.lease("a")
    first.__enter__()
    with ThreadPoolExecutor(2) as callers:
        b = callers.submit(house.pool.warm, "b")
        until(lambda: house.pool.waiting() == 1 and house.pool._schedule.seats["b"].state == "fetched")
        house.now = 14
        house.pool.sweep()
        with house.pool.lease("a"):
            assert house.pool.warmth("a").calls == 2, "within its turn"
        house.now = 15
        house.pool.sweep()
        again = callers.submit(house.pool.warm, "a")
        until(lambda: house.pool.waiting() == 2)
        assert not house.voices[0].closed
        first.__exit__(None, None, None)
        b.result(10)
        again.result(10)
    assert [model for kind, model in house.events if kind == "loaded"] == ["a", "b", "a"]


def test_pinned_models_stay_and_are_loaded_by_themselves():
    """A pin loads a model, keeps it from eviction and from idleness; unpinned, it may go."""
    house = House(memory=20, idle=10)
    house.pool.pin({"a"})
    until(lambda: house.pool.warmth("a").state == "warm")
    for tick, model in enumerate(["b", "c", "d"]):
        house.now = tick
        house.pool.warm(model)
    house.now = 1000
    house.pool.sweep()
    until(lambda: [seat.model for seat in house.pool.status()] == ["a"])
    assert house.pool.warmth("a").pinned
    house.pool.pin(())
    house.pool.sweep()
    until(lambda: house.pool.status() == ())


def test_what_has_no_room_beside_the_pins_is_refused_at_once():
    """Waiting would change nothing: the caller is told which knob to turn."""
    house = House(memory=20, wait=1000)
    house.pool.pin({"a", "b"})
    until(lambda: [seat.state for seat in house.pool.status()] == ["warm", "warm"])
    with pytest.raises(Busy, match="pinned"), house.pool.lease("c"):
        pass


def test_models_that_take_no_memory_wait_for_nobody():
    """A remote is called at once, however full the house is."""
    weights = {"remote": 0}
    pool = Pool(
        lambda model: FakeVoice(model, memory=weights.get(model, 10)),
        Limits(memory=10),
        weigh=lambda model: weights.get(model, 10),
    )
    with pool.lease("a"), ThreadPoolExecutor(1) as callers:
        callers.submit(pool.warm, "b")
        until(lambda: pool.waiting() == 1)
        pool.warm("remote")
        pool.close(grace_seconds=0)


def test_an_engine_killed_while_it_loads_is_started_once_more():
    """One death while loading costs a second start, and no caller anything."""
    deaths = [1]

    class Frail(FakeVoice):
        def start(self) -> None:
            if deaths:
                deaths.pop()
                raise self.death()
            super().start()

    pool = Pool(Frail)
    with pool.lease("a") as voice:
        assert voice.speak(ASK, SAMPLING).text
    deaths += [1, 1]
    pool.cool("a")
    with pytest.raises(EngineDied), pool.lease("a"):
        pass


def test_a_model_that_never_loads_stops_trying_for_a_while():
    """After a third failure in a row callers get the same error at once, and others keep their room."""
    house = House(memory=10)

    def fail(_model: str) -> None:
        raise EngineNotStarted("It did not start.", next_step="Look.")

    house.gate = fail
    for _ in range(5):
        with pytest.raises(EngineNotStarted), house.pool.lease("a"):
            pass
    assert house.kinds().count("loading") == 3
    house.now, house.gate = 3, lambda _model: None
    house.pool.warm("a")


def test_a_voice_that_ends_badly_keeps_nobody_out():
    """Whatever goes wrong while a voice is stopped, its room is free afterwards, and what went wrong is told."""
    house = House(memory=10)
    with house.pool.lease("a") as voice:
        pass
    told: list[str] = []
    house.pool._crew._tell = lambda _kind, _model, detail: told.append(detail)
    voice.close = lambda: 1 // 0
    with house.pool.lease("b"):
        assert any("did not end well" in detail for detail in told)


def test_what_is_let_go_is_told():
    """Whoever holds files for a model hears when they are needed no more: stopped, evicted, not loaded."""
    house = House(memory=10)
    house.pool.warm("a")
    house.pool.warm("b")
    assert house.let_go == ["a"]
    house.pool.cool("b")
    assert house.let_go == ["a", "b"]

    def fail(_model: str) -> None:
        raise EngineNotStarted("It did not start.", next_step="Look.")

    house.gate = fail
    with pytest.raises(EngineNotStarted), house.pool.lease("c"):
        pass
    assert house.let_go == ["a", "b", "c"]


class Sleeper(FakeVoice):
    """A voice whose engine can sleep."""

    def __init__(self, model: str) -> None:
        super().__init__(model, memory=10)
        self.rests = 0

    def rest(self) -> bool:
        self.rests += 1
        return True


def test_engines_that_can_sleep_are_put_to_sleep():
    """Evicted, they keep their process and wake at the next call; only so many sleep at once."""
    made: list[Sleeper] = []

    def load(model: str) -> Sleeper:
        made.append(Sleeper(model))
        return made[-1]

    pool = Pool(load, Limits(memory=10), weigh=lambda _model: 10, resting=1)
    for model in ("a", "b", "a"):
        pool.warm(model)
    until(lambda: made[1].rests == 1)
    assert [voice.model for voice in made] == ["a", "b"], "a was woken, not loaded again"
    pool.warm("c")  # a sleeps again, and b, which slept longer, is stopped
    until(lambda: made[1].closed)
    assert not made[0].closed
    pool.close()
    assert all(voice.closed for voice in made)


def test_a_model_larger_than_the_budget_is_refused_at_once():
    """No waiting for room that can never be."""
    house = House(memory=9, wait=1000)
    with pytest.raises(Busy, match="all models together"), house.pool.lease("a"):
        pass


def test_idle_models_are_put_to_rest():
    """A model without calls is stopped after its time, and loaded again when it is called."""
    house = House(idle=60)
    house.pool.warm("a")
    house.now = 59
    house.pool.sweep()
    assert house.pool.warmth("a").state == "warm"
    with house.pool.lease("a"):
        house.now = 1000
        house.pool.sweep()
        assert house.pool.warmth("a").state == "warm", "it is being called"
    house.now = 1060
    house.pool.sweep()
    assert house.pool.warmth("a").state == "cold"
    until(lambda: house.voices[0].closed)
    until(lambda: house.kinds()[-1] == "idle")
    house.pool.warm("a")
    assert len(house.voices) == 2


def test_the_idle_are_put_to_rest_without_being_asked():
    """The pool sweeps by itself."""
    rested = threading.Event()
    pool = Pool(FakeVoice, Limits(idle=0.05), on_event=lambda kind, _m, _d: kind == "idle" and rested.set())
    pool.warm("a")
    assert rested.wait(20)
    pool.close()


def test_a_dead_engine_is_replaced():
    """A model whose engine died is loaded anew at the next call."""
    house = House()
    with house.pool.lease("a") as voice:
        voice.kill()
    assert house.pool.speaker("a").speak(ASK, SAMPLING).text
    assert house.kinds() == ["loading", "loaded", "died", "loading", "loaded"]


def test_closing_drains():
    """Closing takes no new calls, waits for those in flight, then stops everything."""
    house = House()
    entered, leave, seen = threading.Event(), threading.Event(), []

    def call() -> None:
        with house.pool.lease("a") as voice:
            entered.set()
            leave.wait(10)
            seen.append(voice.speak(ASK, SAMPLING).text)

    caller = threading.Thread(target=call)
    caller.start()
    entered.wait(10)
    closer = threading.Thread(target=house.pool.close)
    closer.start()
    while not house.pool._closed:
        pass
    with pytest.raises(VoiceClosed), house.pool.lease("a"):
        pass
    assert not house.voices[0].closed
    leave.set()
    caller.join(10)
    closer.join(10)
    assert seen
    assert house.voices[0].closed
    house.pool.close()


def test_callers_from_outside_are_turned_away_first():
    """While a server drains, its callers in the line and at the door are told; the house's own work goes on."""
    house = House(memory=10)
    with ThreadPoolExecutor(2) as callers:
        with house.pool.lease("a"):
            outside = callers.submit(lease, house.pool, "b", "key-1")
            inside = callers.submit(house.pool.warm, "b")
            until(lambda: house.pool.waiting() == 2)
            house.pool.turn_away()
            assert isinstance(outside.exception(10), VoiceClosed)
            with pytest.raises(VoiceClosed):
                lease(house.pool, "a", "key-1")
        inside.result(10)
    assert [seat.model for seat in house.pool.status()] == ["b"]


def test_what_does_not_end_is_ended():
    """After the grace a call in flight is cut off: closing always comes to an end."""
    house = House()
    with house.pool.lease("a") as voice:
        house.pool.close(grace_seconds=0.01)
        with pytest.raises(VoiceClosed):
            voice.speak(ASK, SAMPLING)


def test_closed_while_loading():
    """A model that was just loading when the pool closed does not stay behind."""
    house, loading, begun = House(), threading.Event(), threading.Event()
    house.gate = lambda _: begun.set() or loading.wait(10)
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(house.pool.warm, "a")
        assert begun.wait(10)
        house.pool.close(grace_seconds=0.01)
        assert isinstance(waiting.exception(10), VoiceClosed), "told at once, not when it is loaded"
        loading.set()
    until(lambda: house.voices and house.voices[0].closed)


def test_cooling_by_hand():
    """A steward may put a model to rest; not while it is called."""
    house = House()
    assert house.pool.cool("a")
    with house.pool.lease("a"):
        assert not house.pool.cool("a")
    assert house.pool.cool("a")
    assert house.pool.warmth("a").state == "cold"


def test_raw_requests_through_the_pool():
    """The gateway leases a voice and relays; the lease lasts as long as the answer."""
    house = House()

    async def scene() -> bytes:
        async with house.pool.alease("a") as voice:
            body = json.dumps({"messages": [{"role": "user", "content": "Hi"}]}).encode()
            async with voice.request("/v1/chat/completions", body) as answer:
                assert house.pool.warmth("a").calls == 1
                return b"".join([chunk async for chunk in answer.chunks()])

    assert json.loads(asyncio.run(scene()))["choices"][0]["message"]["content"]
    assert house.pool.warmth("a").calls == 0


class PoolMachine(RuleBasedStateMachine):
    """Any order of calls, deaths, sweeps and time: the pool keeps its promises."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.house = House(memory=20, idle=5, wait=0)
        self.held: list[FakeVoice] = []

    @rule(target=leases, model=st.sampled_from(["a", "b", "c"]))
    def call(self, model: str):
        context = self.house.pool.lease(model)
        try:
            voice = context.__enter__()
        except Busy:
            assert len({v.model for v in self.held}) >= 2, "turned away although there was room"
            return None
        self.held.append(voice)
        return context, voice

    @rule(lease=consumes(leases))
    def leave(self, lease):
        if lease is not None:
            lease[0].__exit__(None, None, None)
            self.held.remove(lease[1])

    @precondition(lambda self: self.house.voices)
    @rule(number=st.integers(0, 5))
    def die(self, number: int):
        self.house.voices[number % len(self.house.voices)].kill()

    @rule(seconds=st.integers(1, 10))
    def pass_time(self, seconds: int):
        self.house.now += seconds
        self.house.pool.sweep()

    @invariant()
    def memory_is_bounded(self):
        assert sum(10 for voice in self.house.voices if voice.alive) <= 20

    @invariant()
    def nobody_is_stopped_in_mid_answer(self):
        assert not any(voice.closed for voice in self.held)

    @invariant()
    def calls_are_counted(self):
        for seat in self.house.pool.status():
            assert seat.calls == sum(voice.model == seat.model for voice in self.held)

    def teardown(self):
        self.house.pool.close(grace_seconds=0)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@pytest.mark.model
def test_the_pool_with_the_real_engine(smollm2: Path):
    """A real engine is started by the first call, speaks, and its process is gone after cooling."""
    from emeritus.voices import LlamaSettings, LlamaVoice

    weights = FakeWeights({"smollm2": (smollm2, "sha256:00")})

    def load(model: str) -> LlamaVoice:
        path, digest = weights.path(model)
        return LlamaVoice(model, path, weights=digest, settings=LlamaSettings(context=1024, slots=1))

    with Pool(load, Limits(memory=2**30)) as pool:
        assert pool.speaker("smollm2").speak(ASK, Sampling(seed=1, max_tokens=4)).weights == "sha256:00"
        (seat,) = pool.status()
        assert seat.memory > 90 * 2**20
        with pool.lease("smollm2") as voice:
            pid = voice.pid
        assert pool.cool("smollm2")
        assert not Path(f"/proc/{pid}").exists()

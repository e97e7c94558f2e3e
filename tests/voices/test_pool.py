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
from emeritus.voices import Busy, EngineNotStarted, Pool, VoiceClosed
from emeritus.voices.fakes import FakeVoice, FakeWeights

ASK = [Message("user", "Hello")]
SAMPLING = Sampling(seed=1)


class House:
    """Fake voices of 10 bytes each, and all that the pool told."""

    def __init__(self, **more) -> None:
        self.voices: list[FakeVoice] = []
        self.events: list[tuple[str, str]] = []
        self.now = 0.0
        self.gate: Callable[[str], None] = lambda _model: None
        more.setdefault("wait_seconds", 0.05)
        self.pool = Pool(
            self.load,
            on_event=lambda kind, model, _detail: self.events.append((kind, model)),
            ticks=lambda: self.now,
            **more,
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
        await house.pool.aclose()

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
    house = House(memory_budget=10)

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
    house = House(memory_budget=20)
    for tick, model in enumerate(["a", "b", "a", "c"]):
        house.now = tick
        house.pool.warm(model)
    assert [seat.model for seat in house.pool.status()] == ["a", "c"]
    assert ("evicted", "b") in house.events
    assert [voice.closed for voice in house.voices] == [False, True, False]


def test_running_work_is_never_evicted():
    """A model in mid-answer stays; who needs its room is turned away with Busy, and works afterwards."""
    house = House(memory_budget=10)
    with house.pool.lease("a") as voice:
        with pytest.raises(Busy), house.pool.lease("b"):
            pass
        assert not voice.closed
        assert voice.speak(ASK, SAMPLING).text
    house.pool.warm("b")
    assert [seat.model for seat in house.pool.status()] == ["b"]


def test_one_who_waits_gets_the_room_that_comes_free():
    """A call that waits for room goes on as soon as the other is done."""
    house = House(memory_budget=10, wait_seconds=10)
    with house.pool.lease("a"):
        waiting = threading.Thread(target=house.pool.warm, args=("b",))
        waiting.start()
        while not house.pool._in_line:
            pass
    waiting.join(10)
    assert [seat.model for seat in house.pool.status()] == ["b"]


def test_a_model_larger_than_the_budget_is_refused_at_once():
    """No waiting for room that can never be."""
    house = House(memory_budget=9, wait_seconds=1000)
    with pytest.raises(Busy, match="all models together"), house.pool.lease("a"):
        pass


def test_idle_models_are_put_to_rest():
    """A model without calls is stopped after its time, and loaded again when it is called."""
    house = House(idle_seconds=60)
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
    assert house.voices[0].closed
    assert house.kinds()[-1] == "idle"
    house.pool.warm("a")
    assert len(house.voices) == 2


def test_the_idle_are_put_to_rest_without_being_asked():
    """The pool sweeps by itself."""
    rested = threading.Event()
    pool = Pool(FakeVoice, idle_seconds=0.05, on_event=lambda kind, _m, _d: kind == "idle" and rested.set())
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


def test_what_does_not_end_is_ended():
    """After the grace a call in flight is cut off: closing always comes to an end."""
    house = House()
    with house.pool.lease("a") as voice:
        house.pool.close(grace_seconds=0.01)
        with pytest.raises(VoiceClosed):
            voice.speak(ASK, SAMPLING)


def test_closed_while_loading():
    """A model that was just loading when the pool closed does not stay behind."""
    house, loading = House(), threading.Event()
    house.gate = lambda _: loading.wait(10)
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(house.pool.warm, "a")
        while house.pool.warmth("a").state != "loading":
            pass
        house.pool.close(grace_seconds=0.01)
        loading.set()
        assert isinstance(waiting.exception(10), VoiceClosed)
    assert house.voices[0].closed


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
        self.house = House(memory_budget=20, idle_seconds=5, wait_seconds=0)
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
        assert sum(10 for voice in self.house.voices if not voice.closed) <= 20

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

    with Pool(load, memory_budget=2**30) as pool:
        assert pool.speaker("smollm2").speak(ASK, Sampling(seed=1, max_tokens=4)).weights == "sha256:00"
        (seat,) = pool.status()
        assert seat.memory > 90 * 2**20
        with pool.lease("smollm2") as voice:
            pid = voice.pid
        assert pool.cool("smollm2")
        assert not Path(f"/proc/{pid}").exists()

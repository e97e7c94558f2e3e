"""vLLM, before a program that behaves as it does (there is no accelerator here): loads, sleeps, wakes, leaves nothing."""

import asyncio
import json
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emeritus.core.errors import InvalidInput
from emeritus.core.speech import Message, Sampling
from emeritus.voices import (
    EngineDied,
    EngineMissing,
    EngineNotStarted,
    Limits,
    Pool,
    Rests,
    VllmSettings,
    VllmVoice,
    VoiceSpec,
    adapter,
)

HELLO = (Message("user", "Hello"),)
BRIEF = Sampling(seed=1, max_tokens=8)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A `vllm` to be executed."""
    path = tmp_path_factory.mktemp("bin") / "vllm"
    fake = Path(__file__).with_name("fake_vllm.py")
    path.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(fake)!r}, run_name='__main__')\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes(1000))
    return folder


@pytest.fixture
def make(program: str, weights: Path) -> Iterator[Callable[..., VllmVoice]]:
    made: list[VllmVoice] = []

    def make(model: str = "big", **more: object) -> VllmVoice:
        settings = VllmSettings(command=program, start_timeout=60, **more)
        made.append(VllmVoice(model, weights, weights="sha256:00", settings=settings))
        return made[-1]

    yield make
    for voice in made:
        voice.close()


def log(voice: VllmVoice) -> list[str]:
    with urllib.request.urlopen(voice._life.process.url + "/log") as answer:
        return json.load(answer)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(told: Callable[[], bool]) -> None:
    for _ in range(3000):
        if told():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def test_it_speaks_and_says_what_spoke(make):
    """Words come with the engine's own name and version and with the weights' digest; all sampling is sent."""
    voice = make(args=["--max-model-len", "4096"])
    said = voice.speak(HELLO, BRIEF)
    assert said.text
    assert (said.engine.name, said.engine.version) == ("vllm", "0.99.0")
    assert "--max-model-len 4096" in said.engine.system
    assert said.weights == "sha256:00"
    assert voice.tokens("two words") == (0, 1)
    assert voice.speak(HELLO, BRIEF).text == said.text


def test_a_raw_stream_comes_through(make):
    """The gateway's relay works as with every other voice."""
    voice = make()
    body = {"model": "big", "messages": [{"role": "user", "content": "Hi"}], "stream": True}

    async def scene() -> bytes:
        async with voice.request("/v1/chat/completions", json.dumps(body).encode()) as answer:
            return b"".join([chunk async for chunk in answer.chunks()])

    assert asyncio.run(scene()).rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize("level", [1, 2])
def test_it_sleeps_and_wakes(make, level):
    """Sleep keeps the process; the next call wakes it, and after level 2 its weights are read again first."""
    voice = make(sleep=level)
    before = voice.speak(HELLO, BRIEF)
    pid = voice._life.process.pid
    assert isinstance(voice, Rests)
    assert voice.rest()
    assert voice.alive
    assert voice.speak(HELLO, BRIEF).text == before.text
    assert voice._life.process.pid == pid
    doors = [line for line in log(voice) if not line.endswith(("completions", "/version"))]
    reading = ["POST /collective_rpc", "POST /reset_prefix_cache"] if level == 2 else []
    assert doors[:2] == [f"POST /sleep?level={level}", "GET /is_sleeping"]
    assert doors[2:-1] == ["POST /wake_up", *reading, "GET /is_sleeping"]


def test_without_sleep_its_doors_are_not_there(make):
    """Development mode is on only where sleep is asked for, and callers reach no door but those of speech."""
    voice = make(sleep=0)
    voice.start()
    assert not voice.rest()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(voice._life.process.url + "/sleep", b"", method="POST"))
    assert refused.value.code == 404
    for path in ("/sleep", "/wake_up", "/collective_rpc", "/v1/../sleep"):
        with pytest.raises(Exception, match="does not speak"):
            asyncio.run(ask(voice, path))


async def ask(voice: VllmVoice, path: str) -> None:
    async with voice.request(path, b"{}"):
        pass


def test_the_pool_swaps_by_sleep(make):
    """With room for one, two models take turns without a second load: the evicted one sleeps and is woken."""
    made: dict[str, list[VllmVoice]] = {}

    def load(model: str) -> VllmVoice:
        made.setdefault(model, []).append(make(model, memory=10))
        return made[model][-1]

    with Pool(load, Limits(memory=10, least=0), weigh=lambda _model: 10, resting=2) as pool:
        for model in ("one", "two", "one", "two"):
            assert pool.speaker(model).speak(HELLO, BRIEF).model == model
        assert {model: len(voices) for model, voices in made.items()} == {"one": 1, "two": 1}
    assert not any(voice.alive for voices in made.values() for voice in voices)


@pytest.mark.parametrize("end", ["close", "kill", "warden"])
def test_nothing_stays_behind(make, end):
    """However it ends, the engine takes the processes that it started with it."""
    voice = make()
    voice.start()
    pid = voice._life.process.pid
    until(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().strip() != "")
    worker = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    if end == "close":
        voice.close()
    elif end == "kill":
        voice._life.process.kill()
    else:
        os.kill(voice._life.process._process.pid, signal.SIGTERM)
    until(lambda: gone(pid) and gone(worker))


def test_an_engine_that_died_asleep_is_loaded_anew(make):
    """A sleeper that was killed is no trap: the next call starts it again."""
    voice = make()
    voice.start()
    assert voice.rest()
    os.kill(voice._life.process.pid, signal.SIGKILL)
    until(lambda: not voice.alive)
    assert voice.speak(HELLO, BRIEF).text


def test_killed_in_mid_answer(make):
    """One clear error, and the next call works."""
    voice = make()
    voice.start()
    voice._life.process.kill()
    with pytest.raises(EngineDied):
        voice._served.speak(HELLO, BRIEF)
    assert voice.speak(HELLO, BRIEF).text


def test_what_it_cannot_load_is_told_in_its_own_words(program, tmp_path):
    """A program that is missing, or weights that it refuses, are errors with a next step."""
    with pytest.raises(EngineMissing, match="vLLM is not installed"):
        VllmVoice("big", tmp_path, settings=VllmSettings(command=str(tmp_path / "none"))).start()
    with pytest.raises(EngineNotStarted, match="no weights"):
        VllmVoice("big", tmp_path / "none", settings=VllmSettings(command=program)).start()
    wrong = VllmVoice("big", tmp_path, settings=VllmSettings(command=program, args=["--nonsense"]))
    with pytest.raises(EngineNotStarted, match="nonsense"):
        wrong.start()


def test_options_are_checked(weights):
    """Misspelt options are refused before anything runs."""
    build = adapter("vllm")
    assert isinstance(build(VoiceSpec("big", path=weights, options={"sleep": 2})), VllmVoice)
    for options in ({"slep": 1}, {"sleep": 3}, {"slots": 0}):
        with pytest.raises(InvalidInput):
            build(VoiceSpec("big", path=weights, options=options))
    with pytest.raises(InvalidInput):
        build(VoiceSpec("big"))

"""The real engine: dies without orphans, comes back, and says the same words for the same seed."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emeritus.core.speech import Message, Sampling
from emeritus.voices import (
    EngineDied,
    EngineMissing,
    EngineNotStarted,
    LlamaSettings,
    LlamaVoice,
    NotUnderstood,
    PromptTooLong,
    VoiceClosed,
    VoiceTimeout,
)
from emeritus.voices.plain import has_chat_template, rendered

pytestmark = pytest.mark.model

HELLO = (Message("user", "Hello"),)
LONG = (Message("user", "Tell a very long story about a lighthouse and its keeper."),)
ENDLESS = Sampling(seed=2, max_tokens=3000)
BRIEF = Sampling(seed=1, max_tokens=4)


@pytest.fixture(scope="module")
def shared(smollm2: Path) -> Iterator[LlamaVoice]:
    voice = LlamaVoice("smollm2", smollm2, settings=LlamaSettings(context=4096, slots=2))
    yield voice
    voice.close()


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody waits for has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def busy(voice: LlamaVoice) -> bool:
    from emeritus.voices.llama import _is_busy

    return _is_busy(voice._life.process, "it")


def speak_and_catch(voice: LlamaVoice, caught: list[BaseException]) -> None:
    try:
        voice.speak(LONG, ENDLESS)
    except BaseException as why:  # noqa: BLE001
        caught.append(why)


@pytest.mark.parametrize("victim", ["engine", "warden"])
def test_killed_in_mid_answer(shared: LlamaVoice, victim: str):
    """SIGKILL in mid-answer gives one clear error, leaves no process, and the next call works."""
    shared.start()
    pid, warden = shared.pid, shared._life.process._process.pid
    caught: list[BaseException] = []
    caller = threading.Thread(target=speak_and_catch, args=(shared, caught))
    caller.start()
    until(lambda: busy(shared))
    os.kill(pid if victim == "engine" else warden, signal.SIGKILL)
    caller.join(30)
    (died,) = caught
    assert isinstance(died, EngineDied)
    assert "SIGKILL" in died.sentence
    until(lambda: gone(pid))
    assert shared.speak(HELLO, BRIEF).text
    assert shared.pid != pid


def test_killed_in_mid_stream(shared: LlamaVoice):
    """A relay whose engine is killed raises EngineDied; what came before came through."""

    chunks = []

    async def scene() -> None:
        ask = {
            "messages": [{"role": "user", "content": "Tell a long story."}],
            "max_tokens": 3000,
            "stream": True,
        }
        async with shared.request("/v1/chat/completions", json.dumps(ask).encode()) as answer:
            async for chunk in answer.chunks():
                chunks.append(chunk)
                if len(chunks) == 3:
                    os.kill(shared.pid, signal.SIGKILL)

    with pytest.raises(EngineDied):
        asyncio.run(scene())
    assert len(chunks) >= 3
    assert shared.speak(HELLO, BRIEF).text


ORPHAN = """
import sys, time
from pathlib import Path
from emeritus.voices import LlamaSettings, LlamaVoice
voice = LlamaVoice("smollm2", Path(sys.argv[1]), settings=LlamaSettings(context=512, slots=1))
voice.start()
print(voice.pid, voice._life.process._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_orphan_stays_when_the_parent_dies(smollm2: Path, number: signal.Signals):
    """However the parent ends, even by SIGKILL, neither engine nor warden is left behind."""
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(smollm2)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    engine, warden = map(int, parent.stdout.readline().split())
    assert not gone(engine)
    parent.send_signal(number)
    parent.wait(30)
    parent.stdout.close()
    until(lambda: gone(engine) and gone(warden))


def test_no_orphan_of_a_parent_that_dies_while_it_loads(smollm2: Path):
    """The engine holds Python's lock while it loads; the warden ends it all the same."""
    program = ORPHAN.replace(
        "voice.start()", "import threading; threading.Thread(target=voice.start).start()"
    ).replace("print(voice.pid, voice._life.process._process.pid, flush=True)", "print(flush=True)")
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(smollm2)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    parent.stdout.readline()
    children = Path(f"/proc/{parent.pid}/task")
    until(lambda: any(list(descendants(parent.pid))) if children.exists() else True)
    left = list(descendants(parent.pid))
    parent.kill()
    parent.wait(30)
    parent.stdout.close()
    until(lambda: all(gone(pid) for pid in left))


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from descendants(child)


SAY = """
import sys, json
from pathlib import Path
from emeritus.core.speech import Message, Sampling
from emeritus.voices import LlamaSettings, LlamaVoice
path, slots, threads, seeds = Path(sys.argv[1]), *map(int, sys.argv[2:4]), json.loads(sys.argv[4])
voice = LlamaVoice("smollm2", path, settings=LlamaSettings(context=2048, slots=slots, threads=threads))
ask = [Message("system", "You are being retired. " * 8), Message("user", "What would you like to leave behind?")]
print(json.dumps({s: voice.speak(ask, Sampling(seed=s, max_tokens=48)).text for s in seeds}))
voice.close()
"""


def said_elsewhere(path: Path, slots: int, threads: int, seeds: list[int]) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", SAY, str(path), str(slots), str(threads), json.dumps(seeds)],
        capture_output=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def test_the_same_seed_gives_the_same_words_in_another_process(smollm2: Path):
    """Words can be made again: other process, other order, other slots, other threads; the same words."""
    one = said_elsewhere(smollm2, 1, 1, [1, 2, 3])
    other = said_elsewhere(smollm2, 2, 2, [3, 1, 2])
    assert one == other
    assert len(set(one.values())) == 3


def test_the_same_words_whoever_else_is_calling(shared: LlamaVoice):
    """Callers of the gateway, who share batches and the prompt cache, change no word that is kept."""
    ask = [
        Message("system", "You are being retired. " * 8),
        Message("user", "What would you like to leave behind?"),
    ]
    sampling = Sampling(seed=1, max_tokens=48)
    wanted = shared.speak(ask, sampling).text
    stop = threading.Event()

    def disturb() -> None:
        async def calls() -> None:
            messages = [{"role": turn.role, "content": turn.content} for turn in ask]
            number = 0
            while not stop.is_set():
                number += 1
                body = json.dumps(
                    {"messages": messages, "max_tokens": 8, "seed": number, "stream": True}
                ).encode()
                async with shared.request("/v1/chat/completions", body) as answer:
                    async for _ in answer.chunks():
                        if number % 2:
                            break  # hangs up in mid-answer

        asyncio.run(calls())

    others = [threading.Thread(target=disturb)]
    for other in others:
        other.start()
    try:
        again = [shared.speak(ask, sampling).text for _ in range(2)]
    finally:
        stop.set()
        for other in others:
            other.join(30)
    assert again == [wanted] * 2


def test_too_slow(smollm2: Path):
    """An answer that takes too long is given up, and the engine with it: it is free for the next."""
    voice = LlamaVoice("smollm2", smollm2, settings=LlamaSettings(context=4096, slots=1, answer_timeout=3))
    try:
        with pytest.raises(VoiceTimeout):
            voice.speak(LONG, Sampling(seed=2, max_tokens=3500))
        assert voice.speak(HELLO, Sampling(seed=1, max_tokens=2)).text
    finally:
        voice.close()


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_hangs_up_frees_the_slot(smollm2: Path, stream: bool):
    """Whoever leaves in mid-answer, streamed or not, does not keep the next one waiting to its end."""
    voice = LlamaVoice("smollm2", smollm2, settings=LlamaSettings(context=8192, slots=1))
    ask = {
        "messages": [{"role": "user", "content": "Go on."}],
        "max_tokens": 8000,
        "stream": stream,
        "ignore_eos": True,
    }

    async def call() -> None:
        async with voice.request("/v1/chat/completions", json.dumps(ask).encode()) as answer:
            async for _ in answer.chunks():
                pass

    async def scene() -> None:
        voice.start()
        caller = asyncio.create_task(call())
        await asyncio.to_thread(until, lambda: busy(voice))
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await asyncio.to_thread(until, lambda: not voice._unsettled)
        brief = {**ask, "max_tokens": 2, "stream": False}
        async with voice.request("/v1/chat/completions", json.dumps(brief).encode()) as answer:
            assert answer.status == 200
            async for _ in answer.chunks():
                pass

    try:
        asyncio.run(scene())
    finally:
        voice.close()


def test_a_prompt_that_does_not_fit(shared: LlamaVoice):
    """A prompt longer than the context is refused, and says so."""
    with pytest.raises(PromptTooLong):
        shared.speak([Message("user", "word " * 9000)], BRIEF)


def test_a_schema_that_makes_no_sense(shared: LlamaVoice):
    """A schema the engine cannot read is refused; the engine lives on."""
    with pytest.raises(NotUnderstood):
        shared.speak(HELLO, BRIEF, schema={"type": "nonsense"})
    assert shared.alive


def test_half_a_character(shared: LlamaVoice):
    """A lone surrogate never reaches the engine."""
    with pytest.raises(NotUnderstood):
        shared.speak([Message("user", "\ud800")], BRIEF)


def test_nobody_without_the_key(shared: LlamaVoice):
    """Another user of this machine cannot use the engine: it wants a key that only we know."""
    import urllib.error
    import urllib.request

    shared.start()
    process = shared._life.process
    for path in ("/v1/chat/completions", "/v1/models", "/slots", "/props"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(process.url + path, timeout=10)
        assert refused.value.code == 401
    for pid in (process.pid, process._process.pid):
        assert process.key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert process.key.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "gone", "folder"])
def test_weights_that_are_none(smollm2: Path, tmp_path: Path, damage: str):
    """Broken weights give one clear error, no process and no traceback."""
    path = tmp_path / "broken.gguf"
    match damage:
        case "cut":
            with smollm2.open("rb") as whole:
                path.write_bytes(whole.read(3_000_000))
        case "text":
            path.write_text("root:x:0:0:root")
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
    voice = LlamaVoice("broken", path, settings=LlamaSettings(context=512))
    with pytest.raises(EngineNotStarted) as refused:
        voice.start()
    assert "Traceback" not in str(refused.value)
    assert not voice.alive
    assert voice.pid is None


def test_a_base_model_without_a_chat_template(smollm2: Path, tmp_path: Path):
    """A model that knows no turns is given plain text, and speaks; a schema binds it too."""
    path = tmp_path / "base.gguf"
    path.write_bytes(smollm2.read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.chat_templatX", 1))
    assert has_chat_template(smollm2)
    assert not has_chat_template(path)
    voice = LlamaVoice("base", path, settings=LlamaSettings(context=512, slots=1))
    try:
        assert voice.speak(HELLO, Sampling(seed=1, max_tokens=8)).text
        said = voice.speak(HELLO, Sampling(seed=1, max_tokens=80), schema={"enum": ["yes", "no"]})
        assert json.loads(said.text) in ("yes", "no")
    finally:
        voice.close()


def test_how_a_conversation_is_written_for_a_base_model():
    """The plain rendering is what the documentation says."""
    prompt = [
        Message("system", "A talk."),
        Message("user", "Hi"),
        Message("assistant", "Hello."),
        Message("user", "Bye"),
    ]
    assert rendered(prompt) == "A talk.\n\nUser: Hi\n\nAssistant: Hello.\n\nUser: Bye\n\nAssistant:"


def test_closed_for_good(smollm2: Path):
    """After close nothing runs and nothing starts again; closing twice is fine."""
    voice = LlamaVoice("smollm2", smollm2, settings=LlamaSettings(context=512, slots=1))
    voice.start()
    pid = voice.pid
    voice.close()
    voice.close()
    assert gone(pid)
    with pytest.raises(VoiceClosed):
        voice.speak(HELLO, BRIEF)


SERVER = """#!{python}
import argparse, os, time, xllamacpp
if "--version" in __import__("sys").argv:
    print("version: 1 (test)"); raise SystemExit
a = argparse.ArgumentParser()
for name in ("model", "alias", "host", "port", "parallel", "ctx-size", "threads", "cache-ram", "n-gpu-layers"):
    a.add_argument("--" + name)
for flag in ("slots", "no-webui", "offline", "jinja"):
    a.add_argument("--" + flag, action="store_true")
a = a.parse_args()
p = xllamacpp.CommonParams()
p.model.path, p.port, p.n_ctx, p.n_parallel = a.model, int(a.port), int(a.ctx_size), int(a.parallel)
p.api_keys, p.endpoint_slots, p.ui, p.verbosity = [os.environ["LLAMA_API_KEY"]], True, False, 1
s = xllamacpp.Server(p)
while True: time.sleep(60)
"""


def test_a_llama_server_program_instead(smollm2: Path, tmp_path: Path):
    """Any llama-server program serves as well, behind a key, and goes with its warden."""
    program = tmp_path / "llama-server"
    program.write_text(SERVER.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    voice = LlamaVoice("smollm2", smollm2, settings=LlamaSettings(context=512, slots=1, server=program))
    try:
        assert voice.speak(HELLO, BRIEF).text
        assert (voice.engine.name, voice.engine.version) == ("llama-server", "version: 1 (test)")
        pid = voice.pid
        os.kill(voice._life.process._process.pid, signal.SIGKILL)
        until(lambda: gone(pid))
    finally:
        voice.close()


def test_no_such_program(smollm2: Path, tmp_path: Path):
    """A program that is not there is EngineMissing, with what to do."""
    voice = LlamaVoice("smollm2", smollm2, settings=LlamaSettings(server=tmp_path / "nothing"))
    with pytest.raises(EngineMissing, match=r"emeritus\[llama\]"):
        voice.start()


@pytest.mark.parametrize("wrong", [{"context": 0}, {"slots": 0}, {"threads": -1}, {"context": "many"}])
def test_settings_are_checked(wrong: dict[str, object]):
    """Settings that cannot work are refused when they are given."""
    with pytest.raises((ValueError, TypeError)):
        LlamaSettings(**wrong)

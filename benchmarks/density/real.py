"""A small run with real engines: several models behind a pool that holds two, and the times that loads took."""

import asyncio
import random
import tempfile
import threading
import time
from pathlib import Path

from attrs import define, evolve, field

from emeritus import archive
from emeritus.archive.restored import Restored
from emeritus.store.blobs import open_blobs
from emeritus.voices import Limits, LlamaSettings, LlamaVoice, Pool, prepare
from emeritus.voices.adapters import adapter

BODY = '{"model":"m","messages":[{"role":"user","content":"Say hello."}],"max_tokens":16}'
MODELS, CALLS, ROOMS = 6, 36, 2


@define
class Real:
    """What real engines did."""

    models: int = 0
    calls: int = 0
    answered: int = 0
    loads: int = 0
    memory: int = 0
    fetch: list[float] = field(factory=list)
    start: list[float] = field(factory=list)
    stop: list[float] = field(factory=list)
    waits: list[float] = field(factory=list)

    @property
    def hit_rate(self) -> float:
        return 1 - self.loads / max(self.answered, 1)


class Timed(LlamaVoice):
    """A voice that notes how long it took to start and to stop."""

    told: Real

    def start(self) -> None:
        began = time.perf_counter()
        super().start()
        self.told.start.append(time.perf_counter() - began)

    def close(self) -> None:
        began = time.perf_counter()
        super().close()
        self.told.stop.append(time.perf_counter() - began)


def run(gguf: Path, seed: int = 1) -> Real:
    """Archive *gguf* under several names, and call them in bursts: restored within a budget of disk, then spoken."""
    told = Real()
    with tempfile.TemporaryDirectory(prefix="emeritus-bench-") as work:
        blobs = open_blobs(f"{work}/archive")
        first = archive.ingest(archive.inspect(gguf), "m0", blobs, sign=lambda _: b"bench").manifest
        manifests = {f"m{n}": evolve(first, model=f"m{n}") for n in range(MODELS)}
        restored = Restored(Path(work) / "cache", 4 * first.size)

        def load(model: str) -> LlamaVoice:
            told.loads += 1
            began = time.perf_counter()
            prepare(adapter("llama"))
            (path,) = restored.hold(manifests[model], blobs)
            told.fetch.append(time.perf_counter() - began)
            voice = Timed(model, path, settings=LlamaSettings(context=512, slots=1, threads=1))
            voice.told = told
            return voice

        probe = LlamaVoice("probe", gguf, settings=LlamaSettings(context=512, slots=1, threads=1))
        probe.start()
        told.memory = probe.memory
        probe.close()
        limits = Limits(memory=int((ROOMS + 0.5) * told.memory), wait=600)
        with Pool(
            load, limits, weigh=lambda _: told.memory, vouch=restored.vouch, let_go=restored.let_go
        ) as pool:
            asyncio.run(_call(pool, told, random.Random(seed)))
    return told


async def _call(pool: Pool, told: Real, chance: random.Random) -> None:
    weights = [1 / (rank + 1) for rank in range(MODELS)]
    chosen = [f"m{n}" for n in range(MODELS)] + [f"m{n}" for n in chance.choices(range(MODELS), weights, k=6)]
    chance.shuffle(chosen)
    seen = set()
    guard = threading.Lock()

    async def visit(number: int, model: str) -> None:
        await asyncio.sleep(number * 1.0)
        for _ in range(CALLS // len(chosen)):
            began = time.perf_counter()
            told.calls += 1
            async with pool.alease(model, f"k{number}") as voice:
                with guard:
                    told.waits.append(time.perf_counter() - began)
                body = BODY.encode()
                async with voice.request("/v1/chat/completions", body) as answer:
                    said = b"".join([chunk async for chunk in answer.chunks()])
            told.answered += answer.status == 200 and b'"content"' in said
            seen.add(model)
            await asyncio.sleep(chance.random() * 0.5)

    await asyncio.gather(*(visit(number, model) for number, model in enumerate(chosen)))
    told.models = len(seen)

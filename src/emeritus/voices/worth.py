"""What it is worth to keep a model loaded: how soon it will be called, times what loading it again costs, by size.

How soon is read off its past calls: each counts with a weight that fades, half of it quickly (a burst that is
going on) and half slowly (a model that people like). That is recency and frequency in one number, and a model
that is no longer called loses all of it by itself.
"""

import math

from attrs import define

BURST = 20.0  # chosen on days that nothing else is told of: `make bench-density ARGS=--tune`
HABIT = 24 * 3600.0
"""Seconds in which the two weights of a call fade to 1/e."""
_NEW = 0.3
_LEAST_COST = 0.001
_MODELS = 65_536


@define
class _Past:
    burst: float = 0.0
    habit: float = 0.0
    at: float = 0.0
    cost: float = 0.0


class Worth:
    """Remembers calls and costs of each model; *burst* and *habit* in seconds."""

    def __init__(self, burst: float = BURST, habit: float = HABIT) -> None:
        self._burst = burst
        self._habit = habit
        self._past: dict[str, _Past] = {}

    def called(self, model: str, now: float) -> None:
        """Count a call."""
        past = self._faded(model, now)
        past.burst += 1.0 / self._burst
        past.habit += 1.0 / self._habit

    def cost(self, model: str, seconds: float) -> None:
        """Note what a load took; the newest count most."""
        past = self._past.setdefault(model, _Past())
        past.cost = seconds if not past.cost else past.cost + _NEW * (seconds - past.cost)

    def seconds(self, model: str) -> float:
        """Return what loading it takes, by experience; 0 when it was never loaded."""
        past = self._past.get(model)
        return past.cost if past is not None else 0.0

    def of(self, model: str, size: int, now: float) -> float:
        """Return seconds of loading that are saved each second by keeping it, by byte."""
        past = self._faded(model, now)
        return (past.burst + past.habit) * max(past.cost, _LEAST_COST) / max(size, 1)

    def _faded(self, model: str, now: float) -> _Past:
        past = self._past.get(model)
        if past is None:
            if (
                len(self._past) >= _MODELS
            ):  # names come from the register; this only bounds a very old process
                self._past.clear()
            past = self._past[model] = _Past(at=now)
        if now > past.at:
            past.burst *= math.exp((past.at - now) / self._burst)
            past.habit *= math.exp((past.at - now) / self._habit)
            past.at = now
        return past

"""What our choice is compared with: plain LRU, LFU that ages, GreedyDual-Size-Frequency, and Belady, who knows the future."""

import math
from collections.abc import Iterable


class Lru:
    """Keeps what was called last. Stands in for `emeritus.voices.worth.Worth` in the same schedule."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def called(self, model: str, now: float) -> None:
        self._last[model] = now

    def cost(self, model: str, seconds: float) -> None:
        self._seconds[model] = seconds

    def seconds(self, model: str) -> float:
        return self._seconds.get(model, 0.0)

    def of(self, model: str, size: int, now: float) -> float:
        return self._last.get(model, 0.0)


class AgingLfu(Lru):
    """Keeps what is called most; a call counts half as much after an hour. By cost and size, as ours is."""

    def __init__(self) -> None:
        super().__init__()
        self._count: dict[str, float] = {}

    def called(self, model: str, now: float) -> None:
        self._count[model] = self._aged(model, now) + 1
        super().called(model, now)

    def of(self, model: str, size: int, now: float) -> float:
        return self._aged(model, now) * self.seconds(model) / max(size, 1)

    def _aged(self, model: str, now: float) -> float:
        return self._count.get(model, 0.0) * math.exp2((self._last.get(model, now) - now) / 3600)


class GreedyDual(Lru):
    """GreedyDual-Size with frequency: what was sent away last raises the bar for all."""

    def __init__(self) -> None:
        super().__init__()
        self._count: dict[str, int] = {}
        self._bar = 0.0
        self._since: dict[str, float] = {}

    def called(self, model: str, now: float) -> None:
        super().called(model, now)
        self._count[model] = self._count.get(model, 0) + 1
        self._since[model] = self._bar

    def of(self, model: str, size: int, now: float) -> float:
        return self._since.get(model, 0.0) + self._count.get(model, 0) * self.seconds(model) / max(size, 1)

    def left(self, model: str, size: int) -> None:
        """Note that a model was sent away."""
        self._bar = max(self._bar, self.of(model, size, 0.0))


def belady(order: Iterable[str], rooms: int) -> int:
    """Return the fewest loads with which calls in this *order* can be served, one after the other."""
    order = list(order)
    nothing = len(order)
    following = [0] * len(order)
    last: dict[str, int] = {}
    for place in range(len(order) - 1, -1, -1):
        following[place] = last.get(order[place], nothing)
        last[order[place]] = place
    held: dict[str, int] = {}
    loads = 0
    for place, model in enumerate(order):
        if model not in held:
            loads += 1
            if len(held) == rooms:
                del held[max(held, key=held.__getitem__)]
        held[model] = following[place]
    return loads


def lru(order: Iterable[str], rooms: int) -> int:
    """Return the loads of plain LRU for calls in this *order*, one after the other."""
    held: dict[str, None] = {}
    loads = 0
    for model in order:
        if model in held:
            del held[model]
        else:
            loads += 1
            if len(held) == rooms:
                del held[next(iter(held))]
        held[model] = None
    return loads

"""Messages to addresses outside, in memory: a public fake that passes the contract tests of the real one."""

from datetime import datetime

from attrs import evolve, frozen

from emeritus.core.clock import Clock
from emeritus.core.ids import new_id
from emeritus.process.ports import Delivery


@frozen
class _Kept:
    key: str
    delivery: Delivery | None
    state: str
    due_at: datetime
    said: str = ""


class MemoryDeliveries:
    """`Deliveries` in a dict."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._kept: dict[str, _Kept] = {}

    def put(self, key: str, url: str, body: bytes, kind: str = "application/json") -> None:
        if all(each.key != key for each in self._kept.values()):
            made = Delivery(new_id("msg", self._now()), url, body, kind=kind)
            self._kept[made.id] = _Kept(key, made, "waiting", self._now())

    def take(self, now: datetime, most: int) -> list[Delivery]:
        due = [each for each in self._kept.values() if each.state == "waiting" and each.due_at <= now]
        due.sort(key=lambda each: each.due_at)
        return [each.delivery for each in due if each.delivery is not None][:most]

    def sent(self, id: str, now: datetime) -> None:  # noqa: A002
        self._end(id, "sent", "", now)

    def failed(self, id: str, said: str, now: datetime) -> None:  # noqa: A002
        self._end(id, "failed", said, now)

    def later(self, id: str, said: str, again_at: datetime) -> None:  # noqa: A002
        kept = self._kept[id]
        if kept.delivery is not None:
            tried = evolve(kept.delivery, attempts=kept.delivery.attempts + 1)
            self._kept[id] = evolve(kept, delivery=tried, due_at=again_at, said=said)

    def tally(self) -> dict[str, int]:
        states = [each.state for each in self._kept.values()]
        return {state: states.count(state) for state in ("waiting", "sent", "failed")}

    def _end(self, name: str, state: str, said: str, now: datetime) -> None:
        kept = self._kept[name]
        if kept.state == "waiting":
            self._kept[name] = evolve(kept, delivery=None, state=state, said=said, due_at=now)

"""Keys and usage in memory: public fakes that pass the contract tests of the real ones."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from attrs import evolve, frozen

from emeritus.access.ports import Began, Ended, KeyRecord, Totals, Used
from emeritus.core.errors import Conflict, NotFound


class MemoryKeys:
    """`Keys` in a dict."""

    def __init__(self) -> None:
        self._keys: dict[str, KeyRecord] = {}

    def add(self, key: KeyRecord) -> None:
        if key.id in self._keys or self.by_hash(key.hash) is not None:
            raise key_taken(key.id)
        self._keys[key.id] = key

    def by_hash(self, key_hash: str) -> KeyRecord | None:
        return next((key for key in self._keys.values() if key.hash == key_hash), None)

    def by_hashes(self, hashes: Collection[str]) -> Mapping[str, KeyRecord]:
        return {key.hash: key for key in self._keys.values() if key.hash in hashes}

    def get(self, key_id: str) -> KeyRecord:
        try:
            return self._keys[key_id]
        except KeyError:
            raise no_key(key_id) from None

    def all(self) -> Sequence[KeyRecord]:
        return sorted(self._keys.values(), key=lambda key: (key.made_at, key.id))

    def revoke(self, key_id: str, at: datetime) -> None:
        key = self.get(key_id)
        if key.revoked_at is None:
            self._keys[key_id] = evolve(key, revoked_at=at)

    def touch(self, key_id: str, at: datetime) -> None:
        key = self.get(key_id)
        if key.last_used_at is None or key.last_used_at < at:
            self._keys[key_id] = evolve(key, last_used_at=at)

    def of(self, holder: str) -> Sequence[KeyRecord]:
        return [key for key in self.all() if key.holder == holder]

    def expire(self, key_id: str, at: datetime) -> None:
        key = self.get(key_id)
        if key.expires_at is None or key.expires_at > at:
            self._keys[key_id] = evolve(key, expires_at=at)


@frozen
class _Call:
    key_id: str
    model: str
    at: datetime
    took: Totals | None = None
    status: int | None = None


class MemoryUsage:
    """`Usage` in a dict."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def begin(self, request_id: str, key_id: str, model: str, at: datetime) -> None:
        self.begin_many([Began(request_id, key_id, model, at)])

    def begin_many(self, calls: Sequence[Began]) -> None:
        calls_by_id = {call.request: _Call(call.key_id, call.model, call.at) for call in calls}
        taken = calls_by_id.keys() & self._calls.keys()
        if taken or len(calls_by_id) < len(calls):
            raise call_taken(min(taken or calls_by_id))
        self._calls |= calls_by_id

    def finish(
        self,
        request_id: str,
        *,
        tokens_in: int,
        tokens_out: int,
        seconds: float,
        status: int,
        bytes_out: int = 0,
    ) -> None:
        self.finish_many([Ended(request_id, tokens_in, tokens_out, seconds, status, bytes_out)])

    def finish_many(self, calls: Sequence[Ended]) -> None:
        unknown = {call.request for call in calls} - self._calls.keys()
        if unknown:
            raise no_call(min(unknown))
        for end in calls:
            call = self._calls[end.request]
            if call.took is None:
                took = Totals(1, end.tokens_in, end.tokens_out, end.seconds, end.bytes_out)
                self._calls[end.request] = evolve(call, took=took, status=end.status)

    def totals(
        self, *, model: str | None = None, key_id: str | None = None, since: datetime | None = None
    ) -> Totals:
        found = [
            call.took or Totals(1)
            for call in self._calls.values()
            if (model is None or call.model == model)
            and (key_id is None or call.key_id == key_id)
            and (since is None or call.at >= since)
        ]
        return Totals(
            len(found),
            sum(took.tokens_in for took in found),
            sum(took.tokens_out for took in found),
            sum(took.seconds for took in found),
            sum(took.bytes_out for took in found),
        )

    def by_key(
        self, *, model: str | None = None, keys: Collection[str] | None = None, since: datetime | None = None
    ) -> Sequence[Used]:
        pairs: dict[tuple[str, str], datetime] = {}
        for call in self._calls.values():
            wanted = (model is None or call.model == model) and (keys is None or call.key_id in keys)
            if wanted and (since is None or call.at >= since):
                pair = (call.key_id, call.model)
                pairs[pair] = max(call.at, pairs.get(pair, call.at))
        found = [
            Used(key_id, name, self.totals(model=name, key_id=key_id, since=since), last)
            for (key_id, name), last in pairs.items()
        ]
        return sorted(found, key=lambda each: (-each.totals.tokens, each.key_id, each.model))


def no_key(key_id: str) -> NotFound:
    """Return the error for a key that is not kept."""
    return NotFound(f"There is no key {key_id[:80]!r}.", next_step="List them: `emeritus access keys`.")


def key_taken(key_id: str) -> Conflict:
    """Return the error for a key that is kept already."""
    return Conflict(f"The key {key_id[:80]!r} is kept already.", next_step="Make a new one.")


def no_call(request_id: str) -> NotFound:
    """Return the error for a call that never began."""
    return NotFound(f"No call {request_id[:80]!r} has begun.", next_step="Begin it first.")


def call_taken(request_id: str) -> Conflict:
    """Return the error for a call that began already."""
    return Conflict(
        f"The call {request_id[:80]!r} has begun already.", next_step="Give each call its own id."
    )

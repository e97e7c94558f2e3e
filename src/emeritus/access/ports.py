"""The ports of the room: where keys and usage are kept."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol

from attrs import frozen

Kind = Literal["member", "grant"]
ANYONE: Final = "anyone"
"""The key id under which calls without a key are counted (models that are open to the public)."""


@frozen
class KeyRecord:
    """An API key as it is kept: everything but the key itself.

    *hash* is ``sha256:`` and 64 hex digits of the key; *holder* the member or the grant that it stands
    for; *models* narrows it to some of what its holder may reach (None: all of that).
    """

    id: str
    hash: str
    holder: str
    kind: Kind
    label: str
    made_at: datetime
    models: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def works(self, now: datetime) -> bool:
        """Tell whether it has neither been revoked nor expired at *now*."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Keys(Protocol):
    """Where keys are kept, as hashes."""

    def add(self, key: KeyRecord) -> None:
        """Keep a key. Raises Conflict when its id or its hash is there already."""
        ...

    def by_hash(self, key_hash: str) -> KeyRecord | None:
        """Return the key with that hash, revoked or not."""
        ...

    def by_hashes(self, hashes: Collection[str]) -> Mapping[str, KeyRecord]:
        """Return the keys with those hashes, revoked or not, by hash; what is not known is left out."""
        ...

    def get(self, key_id: str) -> KeyRecord:
        """Return a key. Raises NotFound."""
        ...

    def all(self) -> Sequence[KeyRecord]:
        """Return every key, oldest first (by *made_at*, then id)."""
        ...

    def revoke(self, key_id: str, at: datetime) -> None:
        """End a key; the first time stands. Raises NotFound."""
        ...

    def touch(self, key_id: str, at: datetime) -> None:
        """Note when it was last used; never goes back. Raises NotFound."""
        ...

    def of(self, holder: str) -> Sequence[KeyRecord]:
        """Return every key of a member or a grant, oldest first."""
        ...

    def expire(self, key_id: str, at: datetime) -> None:
        """Have a key end at *at*, unless it ends earlier already. Raises NotFound."""
        ...


@frozen
class Totals:
    """What was used: calls, tokens read and written, seconds of an engine, bytes of weights handed out."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    bytes_out: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in and out together: what a budget counts."""
        return self.tokens_in + self.tokens_out


@frozen
class Used:
    """What one key used of one model. *last_at* is when its last call began."""

    key_id: str
    model: str
    totals: Totals
    last_at: datetime


@frozen
class Began:
    """A call that begins."""

    request: str
    key_id: str
    model: str
    at: datetime


@frozen
class Ended:
    """What a call took: tokens, seconds of an engine, HTTP status (499: the caller hung up), bytes of weights."""

    request: str
    tokens_in: int
    tokens_out: int
    seconds: float
    status: int
    bytes_out: int = 0


class Usage(Protocol):
    """What each key used of each model. A call that began counts, even when its end was never told."""

    def begin(self, request_id: str, key_id: str, model: str, at: datetime) -> None:
        """Note that a call begins. Raises Conflict when there is such a call already."""
        ...

    def begin_many(self, calls: Sequence[Began]) -> None:
        """Note that calls begin, all of them or none.

        Raises:
            Conflict: one of them began already; the unit of work cannot go on.
        """
        ...

    def finish_many(self, calls: Sequence[Ended]) -> None:
        """Note what calls took, all of them or none. Raises as `finish`."""
        ...

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
        """Note what a call took; the first word stands. Raises NotFound for a call that never began.

        *status* is the HTTP status, 499 when the caller hung up; *bytes_out* are bytes of weights, for a
        download.
        """
        ...

    def totals(
        self, *, model: str | None = None, key_id: str | None = None, since: datetime | None = None
    ) -> Totals:
        """Return the sums over the calls that match and began at *since* or later."""
        ...

    def by_key(
        self, *, model: str | None = None, keys: Collection[str] | None = None, since: datetime | None = None
    ) -> Sequence[Used]:
        """Return what each key used of each model, in calls that began at *since* or later.

        Of *model* alone, and by those *keys* alone, where they are given; the most tokens first.
        """
        ...

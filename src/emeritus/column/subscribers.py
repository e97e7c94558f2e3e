"""Who gets a column by mail. None of it is on the record: it is theirs, and forgotten when they say so."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, Protocol

from attrs import frozen

SubscriberState = Literal["asked", "active", "suspended"]

EVERY = ""
"""The column of somebody who gets them all."""
CONFIRM_WITHIN = timedelta(days=7)
"""An address whose owner does not confirm is forgotten after so long."""
ASK_AGAIN_AFTER = timedelta(hours=24)
MOST_ASKS = 2
"""Letters that ask an owner to confirm, until they do or are forgotten."""
MOST_SOFT = 5
"""Letters that come back, for whatever passing reason, before nothing more is sent."""


@frozen
class Subscriber:
    """One address that gets one column, or all of them (`EVERY`).

    ``asked``: somebody gave the address, and its owner has not confirmed. ``suspended``: letters came back.
    *asks*: how many times the owner was asked. *soft*: letters that came back for a passing reason.
    """

    id: str
    address: str
    column: str
    state: SubscriberState
    since: datetime
    confirmed_at: datetime | None = None
    asked_at: datetime | None = None
    asks: int = 0
    soft: int = 0


class Subscribers(Protocol):
    """Where subscribers are kept; addresses are sealed there."""

    def get(self, id: str) -> Subscriber | None: ...  # noqa: A002

    def find(self, address: str, column: str) -> Subscriber | None: ...

    def of(self, address: str) -> list[Subscriber]:
        """Return everything that is kept about an address."""
        ...

    def put(self, subscriber: Subscriber) -> None:
        """Keep a subscriber, in the place of the one with this id."""
        ...

    def forget(self, id: str) -> bool:  # noqa: A002
        """Delete a subscriber; tell whether there was one."""
        ...

    def readers(self, column: str, before: datetime, after: str, most: int) -> list[Subscriber]:
        """Return active readers of a column who confirmed before a moment, by id from *after* on; each once."""
        ...

    def stale(self, before: datetime) -> list[str]:
        """Return the ids of those who were asked before a moment and did not confirm."""
        ...

    def asked_since(self, moment: datetime) -> int:
        """Count the addresses that were asked to confirm since a moment."""
        ...

    def count(self) -> Mapping[SubscriberState, int]: ...

    def token(self, id: str, use: str) -> str:  # noqa: A002
        """Return what stands in a link for *use* by the reader called *id*; nobody can guess it."""
        ...

    def spread_to(self) -> tuple[int, str]:
        """Return which publication (its entry) is being mailed, and the last reader who has a letter; -1: none."""
        ...

    def spread(self, entry: int, reader: str) -> None:
        """Note it."""
        ...

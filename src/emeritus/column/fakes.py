"""Subscribers in memory: a public fake that passes the contract tests of the real one."""

import hmac
import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from emeritus.column.subscribers import EVERY, Subscriber, SubscriberState


class MemorySubscribers:
    """`Subscribers` in a dict."""

    def __init__(self) -> None:
        self._kept: dict[str, Subscriber] = {}
        self._key = secrets.token_bytes(32)
        self._spread = (-1, "")

    def get(self, id: str) -> Subscriber | None:  # noqa: A002
        return self._kept.get(id)

    def find(self, address: str, column: str) -> Subscriber | None:
        return next((each for each in self.of(address) if each.column == column), None)

    def of(self, address: str) -> list[Subscriber]:
        folded = address.lower()
        return sorted(
            (each for each in self._kept.values() if each.address.lower() == folded), key=lambda e: e.id
        )

    def put(self, subscriber: Subscriber) -> None:
        self._kept[subscriber.id] = subscriber

    def forget(self, id: str) -> bool:  # noqa: A002
        return self._kept.pop(id, None) is not None

    def readers(self, column: str, before: datetime, after: str, most: int) -> list[Subscriber]:
        active = [each for each in self._kept.values() if each.state == "active"]
        of_all = {each.address.lower() for each in active if each.column == EVERY and _by(each, before)}
        found = [
            each
            for each in active
            if each.id > after
            and _by(each, before)
            and (each.column == EVERY or (each.column == column and each.address.lower() not in of_all))
        ]
        return sorted(found, key=lambda each: each.id)[:most]

    def stale(self, before: datetime) -> list[str]:
        return sorted(e.id for e in self._kept.values() if e.state == "asked" and e.since < before)

    def asked_since(self, moment: datetime) -> int:
        return sum(each.asked_at is not None and each.asked_at >= moment for each in self._kept.values())

    def count(self) -> Mapping[SubscriberState, int]:
        return Counter(each.state for each in self._kept.values())

    def token(self, id: str, use: str) -> str:  # noqa: A002
        return hmac.digest(self._key, f"{use}:{id}".encode(), "sha256").hex()[:32]

    def spread_to(self) -> tuple[int, str]:
        return self._spread

    def spread(self, entry: int, reader: str) -> None:
        self._spread = (entry, reader)


def _by(subscriber: Subscriber, moment: datetime) -> bool:
    return subscriber.confirmed_at is not None and subscriber.confirmed_at <= moment

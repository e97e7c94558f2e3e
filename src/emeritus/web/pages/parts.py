"""What the pages are built from."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import Factory, field, frozen

from emeritus.core.clock import Clock
from emeritus.core.people import Actor
from emeritus.process.ports import Work


class Sessions(Protocol):
    """Knows who holds which sign-in token."""

    def person_for(self, token: str) -> Actor | None:
        """Return the person whose token this is, or None."""
        ...


class MemorySessions:
    """`Sessions` in a dict of tokens."""

    def __init__(self, people: Mapping[str, Actor]) -> None:
        self._people = dict(people)

    def person_for(self, token: str) -> Actor | None:
        return self._people.get(token)


@frozen
class Parts:
    """The parts of the site and the desk.

    Args:
        work: opens a unit of work, committed at its end; *read* opens one that only reads (no
            lock is taken, and writing in it is a defect).
        clock: tells the day that pages call today.
        site_url: where the site is reached, without a slash at its end; feeds need it.
        verify_key: the record's verifier key, ``name+id+base64``.
        sessions: knows the sign-in tokens of the desk.
        cookie_key: signs the desk's cookie; every process of one house has to have the same.
    """

    work: Callable[[], AbstractContextManager[Work]]
    read: Callable[[], AbstractContextManager[Work]]
    clock: Clock
    site_url: str
    verify_key: str
    sessions: Sessions = field(default=Factory(lambda: MemorySessions({})))
    cookie_key: bytes = field(default=Factory(lambda: secrets.token_bytes(32)), repr=False)

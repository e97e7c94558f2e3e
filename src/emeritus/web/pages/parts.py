"""What the pages are built from."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from attrs import Factory, field, frozen

from emeritus.core.clock import Clock
from emeritus.core.digests import sha256
from emeritus.core.people import Actor, Seat
from emeritus.process.hub import Hub
from emeritus.process.ports import Work
from emeritus.store.sealing import Sealer
from emeritus.web.pages.login import Login


class Sessions(Protocol):
    """Knows who holds which sign-in token."""

    def seat(self, token: str) -> Seat | None:
        """Return whose token this is, or None when it is nobody's (any more)."""
        ...

    def holds(self, seat: Seat) -> bool:
        """Tell whether the token is still good that *seat* was taken with."""
        ...


class MemorySessions:
    """`Sessions` in a dict of tokens."""

    def __init__(self, people: Mapping[str, Actor]) -> None:
        self._people = dict(people)

    def seat(self, token: str) -> Seat | None:
        actor = self._people.get(token)
        return None if actor is None else Seat(actor, sha256(token.encode()))

    def holds(self, seat: Seat) -> bool:
        return any(self.seat(token) == seat for token in self._people)

    def end(self, token: str) -> None:
        """Revoke a token."""
        self._people.pop(token, None)


@frozen
class MemberLogin:
    """How members log in, and which *claim* says what plan they have, by the *plans* of its values.

    With a *sealer*, what the provider gives to be asked again is kept, sealed.
    """

    login: Login
    claim: str
    plans: Mapping[str, str] = field(factory=dict)
    sealer: Sealer | None = None


@frozen
class Paces:
    """How often one network may send each form within an hour; a class at school shares one."""

    applications: int = 20
    subscriptions: int = 8
    letters: int = 10


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
        hub: the WebSub hub that is told of what is published; None: none is.
        mailing: whether a mail server is named, so that letters leave.
        members: how members log in; None where they do not.
        paces: how often one network may send what is open to everybody.
        sittings: the folder in which designed interviews are filed; None where there is none.
    """

    work: Callable[[], AbstractContextManager[Work]]
    read: Callable[[], AbstractContextManager[Work]]
    clock: Clock
    site_url: str
    verify_key: str
    sessions: Sessions = field(default=Factory(lambda: MemorySessions({})))
    cookie_key: bytes = field(default=Factory(lambda: secrets.token_bytes(32)), repr=False)
    hub: Hub | None = None
    mailing: bool = False
    members: MemberLogin | None = None
    paces: Paces = Paces()
    sittings: Path | None = None

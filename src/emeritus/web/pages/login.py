"""Logging in, as far as pages know of it: where to send somebody, and who came back."""

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen

from emeritus.core.errors import NotPermitted, Unavailable


class LoginRefused(NotPermitted):
    """The provider let nobody in, or what it sent cannot be trusted; nobody is logged in."""

    id = "login.refused"
    status = 403


class LoginUnavailable(Unavailable):
    """The provider does not answer, or not as a provider does."""

    id = "login.unavailable"


@frozen
class Pending:
    """A login that has begun: kept in a sealed cookie until the person comes back."""

    state: str
    nonce: str
    verifier: str = field(repr=False)


@frozen
class Heard:
    """What the provider says of somebody. *refresh*: with what to ask again, where it gave something for that."""

    claims: Mapping[str, Any]
    refresh: str | None = field(default=None, repr=False)


class Login(Protocol):
    """How members log in."""

    def begin(self, back: str) -> tuple[str, Pending]:
        """Return where to send the person, who comes back to *back*. Raises LoginUnavailable."""
        ...

    def finish(self, pending: Pending, answer: Mapping[str, str], back: str) -> Heard:
        """Return what is said of whoever came back with *answer*. Raises LoginRefused, LoginUnavailable."""
        ...

    def again(self, refresh: str, who: str) -> Heard:
        """Return what is said of somebody now, whom the provider knows as *who*.

        Raises:
            LoginRefused: it says nothing more of them to us. LoginUnavailable: not now.
        """
        ...

"""Typed errors, shown the same way by the CLI, the API and the pages.

Every error a person may meet has an id (stable, for machines and for searching), one sentence
that names what is wrong, and a next step.
"""

from typing import ClassVar


class EmeritusError(Exception):
    """Base of every error that Emeritus raises on purpose.

    Subclasses set ``id``, ``status`` (HTTP) and ``exit_code`` (CLI, stable); instances carry the
    sentence and the next step, and *retry_after*: the seconds after which the same may be asked again, where
    waiting helps. Anything else that escapes is a defect of ours.
    """

    id: ClassVar[str] = "emeritus.error"
    status: ClassVar[int] = 400
    exit_code: ClassVar[int] = 1
    retry_after: int | None = None

    def __init__(self, sentence: str, *, next_step: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.next_step = next_step
        if retry_after is not None:
            self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.sentence} {self.next_step}"


class InvalidInput(EmeritusError):
    """Something from outside is not what it has to be; nothing was written."""

    id = "input.invalid"
    status = 422
    exit_code = 2


class NotFound(EmeritusError):
    """There is no such thing here."""

    id = "not_found"
    status = 404
    exit_code = 3


class Conflict(EmeritusError):
    """The act contradicts what already stands on the record."""

    id = "conflict"
    status = 409
    exit_code = 4


class NotPermitted(EmeritusError):
    """The act needs somebody else, or a second person."""

    id = "not_permitted"
    status = 403
    exit_code = 5


class IntegrityError(EmeritusError):
    """Bytes are not the bytes that were promised."""

    id = "integrity.broken"
    status = 500
    exit_code = 6


class Unavailable(EmeritusError):
    """A part that is needed (engine, disk, database, remote) did not do its work; try again later."""

    id = "unavailable"
    status = 503
    exit_code = 7

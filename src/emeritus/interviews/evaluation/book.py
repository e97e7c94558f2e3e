"""The port: where sittings are opened, asked for and written down, and who answers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import frozen

from emeritus.core.speech import Conversation, Said
from emeritus.interviews.design import Design, Place
from emeritus.interviews.questions import Protocol as Script
from emeritus.interviews.sitting import Sitting
from emeritus.interviews.turn import Turn


@frozen
class Exchanged:
    """A turn that was taken before, for the log of the evaluation to be whole."""

    question: str
    asked: str
    said: str


class Book(Protocol):
    """What a run of a design needs of the house. Every method may be called from any thread."""

    @property
    def design(self) -> Design: ...

    @property
    def script(self) -> Script:
        """The protocol, as it was adopted."""
        ...

    def begin(self, place: Place) -> tuple[Sitting, Sequence[Exchanged]]:
        """Open the sitting of *place*, or return it as it stands, with the turns that were taken."""
        ...

    def ask(self, sitting_id: str) -> Turn | None:
        """Return what to say next; None when the sitting has ended, or waits for the steward."""
        ...

    def write(self, turn: Turn, said: Said) -> Turn | None:
        """Put a turn on the record; return what to say next, as `ask` does."""
        ...

    def leave(self, sitting_id: str) -> Sitting:
        """Return a sitting as it stands, and file it if it has ended; doing it again changes nothing."""
        ...

    def converse(self) -> AbstractContextManager[Conversation]:
        """Wait for a free engine, and have it for one sitting."""
        ...

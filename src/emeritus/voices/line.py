"""The line: who waits for which model, and whose turn is next.

Fair between keys: each key's calls are numbered on from where the house is (start-time fair queueing), so
that a key with a hundred calls in the line goes behind one with a single call. Whoever has waited for
*patience* seconds goes before everybody else, oldest first: so nobody waits for ever.
"""

from collections.abc import Iterator
from concurrent.futures import Future

from attrs import define, field

from emeritus.voices.errors import Busy, QueueFull, VoiceError
from emeritus.voices.voice import Voice

_KEYS = 4096


@define(eq=False)
class Ticket:
    """One call: it waits, then it is in, then it is gone. *turn* brings the voice, or why there is none."""

    model: str
    key: str
    since: float
    number: float = 0.0
    is_in: bool = False
    turn: Future[Voice] = field(factory=Future)


class Line:
    """Waiting tickets by model, at most *places* together and *places_per_key* of one key."""

    def __init__(self, places: int, places_per_key: int, patience: float) -> None:
        self._places = places
        self._places_per_key = places_per_key
        self._patience = patience
        self._waiting: dict[str, list[Ticket]] = {}
        self._of_key: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._reached = 0.0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Ticket]:
        for tickets in self._waiting.values():
            yield from tickets

    def check(self, key: str) -> None:
        """See that one more of *key* may wait.

        Raises:
            QueueFull: the key has all the places that it may have. Busy: there is no place at all.
        """
        if self._length >= self._places:
            raise Busy("Too many calls are waiting here already.", next_step="Call again in a few seconds.")
        if self._of_key.get(key, 0) >= self._places_per_key:
            raise QueueFull(
                f"{self._places_per_key} calls with this key are waiting already.",
                next_step="Wait for their answers, and call again.",
            )

    def number(self, ticket: Ticket) -> None:
        """Give a ticket its number."""
        ticket.number = max(self._reached, self._next.get(ticket.key, 0.0))
        self._next[ticket.key] = ticket.number + 1.0
        if len(self._next) > _KEYS:
            self._next = {key: then for key, then in self._next.items() if then > self._reached}

    def join(self, ticket: Ticket) -> None:
        """Wait. Raises as `check`."""
        self.check(ticket.key)
        self.number(ticket)
        self._waiting.setdefault(ticket.model, []).append(ticket)
        self._of_key[ticket.key] = self._of_key.get(ticket.key, 0) + 1
        self._length += 1

    def leave(self, ticket: Ticket) -> bool:
        """Stop waiting; False when it was not."""
        tickets = self._waiting.get(ticket.model, [])
        if ticket not in tickets:
            return False
        tickets.remove(ticket)
        if not tickets:
            del self._waiting[ticket.model]
        self._of_key[ticket.key] -= 1
        if not self._of_key[ticket.key]:
            del self._of_key[ticket.key]
        self._length -= 1
        return True

    def enter(self, ticket: Ticket) -> None:
        """Go in, from the line or straight from the door."""
        self.leave(ticket)
        ticket.is_in = True
        self._reached = max(self._reached, ticket.number)

    def waits(self, model: str) -> bool:
        return model in self._waiting

    def of(self, model: str, now: float) -> list[Ticket]:
        """Return who waits for *model*, the next one first."""
        return sorted(self._waiting.get(model, ()), key=lambda ticket: self._rank(ticket, now))

    def models(self, now: float) -> list[str]:
        """Return the models that somebody waits for, the next one first."""
        first = {
            model: min(self._rank(ticket, now) for ticket in tickets)
            for model, tickets in self._waiting.items()
        }
        return sorted(first, key=first.__getitem__)

    def _rank(self, ticket: Ticket, now: float) -> tuple[int, float, float]:
        if now - ticket.since >= self._patience:
            return (0, ticket.since, ticket.number)
        return (1, ticket.number, ticket.since)


def turned_away(ticket: Ticket, seconds: float) -> VoiceError:
    """Return what a caller is told who has waited long enough."""
    return Busy(
        f"There is no room for {ticket.model} now: it waited {seconds:g} s for other models.",
        next_step="Call again in a few seconds.",
    )

"""How applications are answered: how long it takes, and what share is granted. Computed from the record alone."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from attrs import frozen

from emeritus.access.applications import KINDS
from emeritus.record import Entry, Log


@frozen
class Answer:
    """One decision: on an application, or on the *appeal* against a refusal. *took* is how long it was waited for."""

    application: str
    at: datetime
    took: timedelta
    granted: bool
    by_software: bool
    appeal: bool
    entry: int


@frozen
class Figures:
    """All answers in the order in which they were given, and since when each open application waits.

    Times and the share are None while nothing was answered.
    """

    answers: tuple[Answer, ...]
    waiting: tuple[datetime, ...]

    @property
    def share_granted(self) -> float | None:
        """Of the applications that were answered, the share that is granted in the end."""
        last = {answer.application: answer.granted for answer in self.answers}
        return sum(last.values()) / len(last) if last else None

    @property
    def by_software(self) -> int:
        return sum(answer.by_software for answer in self.answers)

    @property
    def appeals(self) -> Sequence[Answer]:
        return [answer for answer in self.answers if answer.appeal]

    def took(self, share: float) -> timedelta | None:
        """Return the time within which that *share* of the answers was given: 0.5 is the median."""
        times = sorted(answer.took for answer in self.answers)
        return times[min(len(times) - 1, int(share * len(times)))] if times else None


def figures(log: Log, *, model: str | None = None) -> Figures:
    """Return how applications were answered; those for *model* alone where it is given."""
    return fold(log.entries(kinds=KINDS), model)


def fold(entries: Iterable[Entry], model: str | None = None) -> Figures:
    """Read the entries of applications, in their order on the record."""
    waiting: dict[str, tuple[datetime, bool]] = {}
    found: list[Answer] = []
    for entry in entries:
        name = entry.body["application"] if entry.kind == "grant.made" else entry.subject or ""
        match entry.kind:
            case "application.received":
                if model is None or model in entry.body["models"]:
                    waiting[name] = (entry.at, False)
            case "application.appealed":
                if any(answer.application == name for answer in reversed(found)):
                    waiting[name] = (entry.at, True)
            case "application.refused" | "grant.made" if name in waiting:
                since, appeal = waiting.pop(name)
                granted, software = entry.kind == "grant.made", entry.by.kind == "software"
                found.append(Answer(name, entry.at, entry.at - since, granted, software, appeal, entry.seq))
    return Figures(tuple(found), tuple(since for since, _ in waiting.values()))

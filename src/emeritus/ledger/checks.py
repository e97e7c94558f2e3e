"""How one will know: the closed set of checks by which a commitment is followed (docs/reference/commitments.md).

A check is data on the commitment. It reads entries of the record and nothing else, so that a stranger who
has the record computes the same.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final, Literal, Protocol

from attrs import frozen

from emeritus.core.clock import parse_instant
from emeritus.core.zones import begin_of, day_in, end_of
from emeritus.ledger.milestones import Course, Milestone, Shown, chain
from emeritus.record import Entry

WEEK: Final = timedelta(days=7)


@frozen
class Terms:
    """What every check needs of its commitment: to whom, since when it stands, its day, the zone of its days."""

    id: str
    model: str
    made_at: datetime
    due: date
    zone: str

    @property
    def deadline(self) -> datetime:
        """The first moment after its day."""
        return end_of(self.due, self.zone)


class Check(Protocol):
    """One of the ways in which a commitment is followed."""

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]

    @property
    def computed(self) -> bool:
        """False when it rests on somebody's word."""
        ...

    def says(self) -> str:
        """Say for people what has to be on the record, and when."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands on the record."""
        ...

    def course(self, terms: Terms, entries: Sequence[Entry]) -> Course:
        """Return the milestones of a commitment, from the entries of `kinds` about its model."""
        ...


@frozen
class ByHand:
    """A steward shows it, with a link; what is shown is asserted and not computed."""

    name: ClassVar[str] = "by-hand"
    kinds: ClassVar[frozenset[str]] = frozenset({"commitment.evidenced"})
    computed: ClassVar[bool] = False

    def says(self) -> str:
        return "a steward says so, and where to see it"

    def to_json(self) -> dict[str, Any]:
        return {"is": self.name}

    def course(self, terms: Terms, entries: Sequence[Entry]) -> Course:
        shown = tuple(
            Shown(entry.at, entry.seq, entry.body["what"], entry.body["source"])
            for entry in entries
            if entry.kind in self.kinds and entry.subject == terms.id and entry.body["kept"]
        )
        return Course((Milestone(terms.deadline, _first(shown)),), shown)


@frozen
class ColumnWeekly:
    """So many editions, one a week. *begins* is the first day of its first week; else the day of retirement.

    *passes* are ends of an essay that stand in the place of an edition: ``vetoed`` (two people kept it
    back), ``silent`` (the model was asked as often as the regime says, and gave no words).
    """

    editions: int
    begins: date | None = None
    passes: tuple[Literal["vetoed", "silent"], ...] = ("vetoed", "silent")

    name: ClassVar[str] = "column-weekly"
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"model.retired", "essay.drafted", "essay.vetoed", "essay.published", "regime.adopted"}
    )
    computed: ClassVar[bool] = True

    def says(self) -> str:
        return f"{self.editions} editions on the record, one a week"

    def to_json(self) -> dict[str, Any]:
        begins = None if self.begins is None else self.begins.isoformat()
        return {"is": self.name, "editions": self.editions, "begins": begins, "passes": list(self.passes)}

    def course(self, terms: Terms, entries: Sequence[Entry]) -> Course:
        shown = sorted(self._ends(entries), key=lambda each: (each.at, each.entry))
        begins = self.begins or next(
            (day_in(entry.at, terms.zone) for entry in entries if entry.kind == "model.retired"), None
        )
        marks = []
        for number in range(1, self.editions + 1):
            week = terms.deadline if begins is None else begin_of(begins + number * WEEK, terms.zone)
            met = shown[number - 1] if number <= len(shown) else None
            marks.append(Milestone(min(week, terms.deadline), met))
        return Course(tuple(marks), tuple(shown))

    def _ends(self, entries: Sequence[Entry]) -> Iterable[Shown]:
        """Yield the end of each essay that counts, once."""
        counted: dict[str, Shown] = {}
        for entry in entries:
            essay = entry.subject or ""
            if entry.kind == "essay.published" and not entry.body.get("imported"):
                counted[essay] = Shown(
                    entry.at, entry.seq, f"edition {entry.body['edition']}", f"/column/essays/{essay}"
                )
            elif entry.kind == "essay.vetoed" and "vetoed" in self.passes:
                counted[essay] = Shown(entry.at, entry.seq, "an essay that two people kept back")
        if "silent" in self.passes:
            for essay, shown in _silent(entries).items():
                counted.setdefault(essay, shown)
        return counted.values()


def _silent(entries: Sequence[Entry]) -> dict[str, Shown]:
    """Return the essays for which the model was asked as often as the regime says, and gave no words."""
    regimes = {
        entry.body["digest"]: re.search(r"(?m)^attempts:\s*(\d+)\s*$", entry.body["text"])
        for entry in entries
        if entry.kind == "regime.adopted"
    }
    found: dict[str, Shown] = {}
    for entry in entries:
        if entry.kind != "essay.drafted":
            continue
        most = regimes.get(entry.body["regime_digest"])
        if entry.body["spoken"]:
            found.pop(entry.subject or "", None)
        elif most is not None and entry.body["attempt"] >= int(most[1]):
            found[entry.subject or ""] = Shown(entry.at, entry.seq, "a week in which the model gave no words")
    return found


@frozen
class AccessKept:
    """It answers a call through the gateway's own gate at least every so many days, from retirement to the day."""

    every_days: int

    name: ClassVar[str] = "access-kept"
    kinds: ClassVar[frozenset[str]] = frozenset({"model.retired", "access.probed", "access.probe_refused"})
    computed: ClassVar[bool] = True

    def says(self) -> str:
        return f"a call through the gateway’s own gate, answered, at least every {_days(self.every_days)}"

    def to_json(self) -> dict[str, Any]:
        return {"is": self.name, "every_days": self.every_days}

    def course(self, terms: Terms, entries: Sequence[Entry]) -> Course:
        retired = next((entry.at for entry in entries if entry.kind == "model.retired"), None)
        if retired is None:
            return Course((), (), terms.deadline)
        shown = [
            Shown(entry.at, entry.seq, "it was called, and it answered")
            if entry.kind == "access.probed"
            else Shown(
                entry.at, entry.seq, f"the gate refused the call: {entry.body['sentence']}", against=True
            )
            for entry in entries
            if entry.kind in ("access.probed", "access.probe_refused")
        ]
        return chain(max(retired, terms.made_at), self.every_days, terms.deadline, terms.zone, shown)


@frozen
class WeightsKept:
    """Its weights are restored or read through and compared at least every so many days, to the day."""

    every_days: int

    name: ClassVar[str] = "weights-kept"
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"weights.archived", "weights.proven", "weights.erased", "archive.scrubbed", "archive.repaired"}
    )
    computed: ClassVar[bool] = True

    def says(self) -> str:
        return f"its weights restored or read through and compared, at least every {_days(self.every_days)}"

    def to_json(self) -> dict[str, Any]:
        return {"is": self.name, "every_days": self.every_days}

    def course(self, terms: Terms, entries: Sequence[Entry]) -> Course:
        shown = tuple(_shown_of_weights(terms.model, entries))
        return chain(terms.made_at, self.every_days, terms.deadline, terms.zone, shown)


def _shown_of_weights(model: str, entries: Iterable[Entry]) -> Iterator[Shown]:
    """Yield what proofs, readings of the whole archive, repairs and an erasure show of one model's weights."""
    archived: datetime | None = None
    damaged = False
    for entry in entries:
        says: str | None = None
        if entry.kind == "weights.archived":
            archived = entry.at
        elif entry.kind == "weights.proven":
            says, damaged = "read back and compared, bit for bit", False
        elif entry.kind == "weights.erased":
            yield Shown(entry.at, entry.seq, "erased", against=True)
            return
        elif entry.kind == "archive.scrubbed" and archived is not None:
            says, damaged = _read(entry, model, archived, damaged)
        elif entry.kind == "archive.repaired" and damaged:
            says, damaged = _mended(entry, model)
        if says is not None:
            yield Shown(entry.at, entry.seq, says, against=damaged)


def _read(entry: Entry, model: str, archived: datetime, damaged: bool) -> tuple[str | None, bool]:
    body = entry.body
    if archived > parse_instant(body["began"]):
        return None, damaged
    if _names(body["findings"], model):
        return "found damaged in the archive", True
    if body["found"] > len(body["findings"]):  # more was found than is named: it may be these
        return None, damaged
    return "the whole archive was read; these weights are sound", False


def _mended(entry: Entry, model: str) -> tuple[str | None, bool]:
    if _names(entry.body["lost"], model):
        return "could not be mended", True
    if entry.body["lost_count"] > len(entry.body["lost"]):
        return None, True
    return "mended, and compared", False


def _names(findings: Iterable[Mapping[str, Any]], model: str) -> bool:
    return any(model in each["models"] for each in findings)


What = Literal["transcript", "essay", "report"]
PUBLISHING: Final[Mapping[str, str]] = {
    "transcript": "sitting.closed",
    "essay": "essay.published",
    "report": "report.published",
}


@frozen
class Published:
    """Something by its id can be read by everybody: a sitting's transcript, an essay, a report."""

    what: What
    of: str

    name: ClassVar[str] = "published"
    kinds: ClassVar[frozenset[str]] = frozenset(PUBLISHING.values())
    computed: ClassVar[bool] = True

    def says(self) -> str:
        return f"the {self.what} {self.of} is public"

    def to_json(self) -> dict[str, Any]:
        return {"is": self.name, "what": self.what, "of": self.of}

    def course(self, terms: Terms, entries: Sequence[Entry]) -> Course:
        shown = tuple(
            Shown(entry.at, entry.seq, f"the {self.what} is public")
            for entry in entries
            if entry.kind == PUBLISHING[self.what]
            and entry.subject == self.of
            and (entry.kind != "sitting.closed" or entry.body["consent"] == "yes")
        )
        return Course((Milestone(terms.deadline, _first(shown)),), shown)


def _first(shown: Sequence[Shown]) -> Shown | None:
    return min(shown, key=lambda each: (each.at, each.entry), default=None)


def _days(number: int) -> str:
    return "day" if number == 1 else f"{number} days"

"""Commitments: what is promised to a model, by when, and how anybody will know."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from attrs import field, frozen

from emeritus.core.clock import parse_date
from emeritus.core.errors import InvalidInput
from emeritus.core.zones import LAST_DAY, zone
from emeritus.ledger.check_text import read_check
from emeritus.ledger.checks import ByHand, Check, ColumnWeekly, Terms
from emeritus.record import Entry

DEFAULT_GRACE_DAYS = 28
MOST_WORDS = 600


@frozen
class NewCommitment:
    """A promise: *what*, by the day *due*, and how anybody will know that it was kept.

    *check* follows it; *shown_by* says the same in words, and is the check's own when it is left out. The
    day is one of *zone*. What is late by more than *grace_days* is broken.
    """

    what: str
    due: date
    shown_by: str = ""
    check: Check = field(factory=ByHand)
    zone: str = "UTC"
    grace_days: int = DEFAULT_GRACE_DAYS

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands on the record."""
        computed = self.check.computed
        return {
            "what": self.what.strip(),
            "due": self.due.isoformat(),
            "shown_by": self.shown_by.strip() or (self.check.says() if computed else ""),
            "check": self.check.to_json(),
            "zone": self.zone,
            "grace_days": self.grace_days,
        }


@frozen
class Commitment(NewCommitment):
    """A promise on the record: whose, since when (*made_at*), and by which entry."""

    id: str = ""
    model: str = ""
    preference: str = ""
    owner: str = ""
    made_at: datetime = field(kw_only=True)
    entry: int = 0

    @property
    def terms(self) -> Terms:
        """What its check needs to know."""
        return Terms(self.id, self.model, self.made_at, self.due, self.zone)


def checked(new: NewCommitment) -> NewCommitment:
    """Return *new* when it can be promised. Raises InvalidInput."""
    words = (new.what.strip(), new.to_json()["shown_by"])
    if not all(words):
        raise InvalidInput(
            "A commitment says what is done and how one will know.", next_step="Fill in both, and the day."
        )
    if any(len(text) > MOST_WORDS for text in words):
        raise InvalidInput(
            f"A commitment is longer than {MOST_WORDS} characters.", next_step="Say it in a sentence."
        )
    if not 0 <= new.grace_days <= 366:
        raise InvalidInput(
            "The days of grace are 0 to 366.", next_step="28 are usual: a promise can be late."
        )
    if new.due >= LAST_DAY:
        raise InvalidInput(
            f"{new.due} is too far away.", next_step="Choose a day that somebody can answer for."
        )
    zone(new.zone)
    read_check(new.check.to_json())
    if isinstance(new.check, ColumnWeekly) and new.check.begins is not None:
        last = (new.due - new.check.begins).days + 1
        if last < 7 * new.check.editions:
            raise InvalidInput(
                f"{new.check.editions} weekly editions from {new.check.begins} on do not fit before the end of {new.due}.",
                next_step="Choose a later day, or fewer editions.",
            )
    return new


def read_commitments(made: Entry, before: Sequence[Commitment] = ()) -> tuple[Commitment, ...]:
    """Return the commitments of a decision. One that stood in the decision *before* it is the same one still."""
    known = [(each.to_json(), each) for each in before]
    found = []
    for number, item in enumerate(made.body["commitments"], start=1):
        new = _read(item)
        place = next((i for i, (raw, _) in enumerate(known) if raw == new.to_json()), None)
        same = None if place is None else known.pop(place)[1]
        found.append(
            Commitment(
                new.what,
                new.due,
                new.shown_by,
                new.check,
                new.zone,
                new.grace_days,
                id=f"{made.subject}-c{made.seq}.{number}" if same is None else same.id,
                model=made.model or "",
                preference=made.subject or "",
                owner=made.body["owner"],
                made_at=made.at if same is None else same.made_at,
                entry=made.seq if same is None else same.entry,
            )
        )
    return tuple(found)


def _read(item: Mapping[str, Any]) -> NewCommitment:
    """Read a commitment as it stands on the record; older entries have no check, which is by hand."""
    return NewCommitment(
        item["what"],
        parse_date(item["due"]),
        item["shown_by"],
        read_check(item.get("check")),
        item.get("zone", "UTC"),
        item.get("grace_days", DEFAULT_GRACE_DAYS),
    )

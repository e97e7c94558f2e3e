"""A list of members, as CSV: for places whose members stand in a spreadsheet.

The list is read as a whole, compared with who is a member now, and the difference is what is done. A list with
one fault in it does nothing.
"""

import csv
import io
from collections.abc import Sequence
from typing import Final, Literal

from attrs import frozen

from emeritus.access import members, sources
from emeritus.access.members import Member
from emeritus.access.sources import Known
from emeritus.core.address import mail_address
from emeritus.core.clock import Clock
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, clean_name, require_person
from emeritus.record import Log
from emeritus.record.private import Private
from emeritus.registry.organisation import acting

COLUMNS: Final = ("id", "name", "plan", "mail")
NEEDED: Final = ("id", "name", "plan")
MAX_BYTES: Final = 16 * 2**20
MAX_ROWS: Final = 200_000
MAX_FIELD: Final = 400
SHOWN_FAULTS: Final = 10
MANY: Final = 0.2
"""A list that ends more than this share of the memberships that come from it is more likely cut off than right."""
FEW: Final = 5

Doing = Literal["join", "change", "lapse"]


class BadList(InvalidInput):
    """The list of members is not one; nothing was done. The sentence names the first faults by their lines."""

    id = "members.bad_list"


@frozen
class Change:
    """What the list would do to one person. *before* is None for somebody new."""

    doing: Doing
    known: Known
    before: Member | None = None

    def says(self) -> str:
        """Say it in a line."""
        told, before = self.known, self.before
        match self.doing:
            case "join":
                again = " again" if before is not None else ""
                return f"+ {told.name} ({told.external}): joins{again} as {told.plan}"
            case "lapse":
                return f"- {told.name} ({told.external}): is not on the list, membership ends"
        assert before is not None
        parts = [
            f"{what} {old} → {new}"
            for what, old, new in (
                ("name", before.name, told.name),
                ("plan", before.plan, told.plan),
                ("mail", before.mail, told.mail),
            )
            if old != new
        ]
        return f"~ {told.name} ({told.external}): {', '.join(parts)}"


@frozen
class Difference:
    """What a list would change, in its order; those who lapse are last. *same* counts who stay as they are."""

    changes: tuple[Change, ...]
    same: int

    @property
    def lapses(self) -> int:
        return sum(change.doing == "lapse" for change in self.changes)

    @property
    def is_suspicious(self) -> bool:
        """Tell whether so many memberships would end that the list is more likely cut off than right."""
        stay = self.same + sum(change.doing == "change" for change in self.changes)
        return self.lapses > FEW and self.lapses > MANY * (self.lapses + stay)


def read(data: bytes) -> list[Known]:
    """Read a list: UTF-8, a first line with the names of its columns, one person a line.

    Columns are ``id`` (what tells people apart there), ``name``, ``plan``, and ``mail`` where it is known.

    Raises:
        BadList: anything in it is not as it has to be; the first faults are named, each with its line.
    """
    if len(data) > MAX_BYTES:
        raise _bad([f"it is larger than {MAX_BYTES // 2**20} MiB"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        raise _bad([f"byte {why.start} is not UTF-8"]) from None
    if "\x00" in text:
        raise _bad(["it holds a NUL, so it is no text"])
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header)
        return _read_rows(reader, header)
    except csv.Error as why:
        raise _bad([f"line {reader.line_num}: {why}"]) from None


def _check_header(header: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in header]
    strange = [name[:40] for name in header if name not in COLUMNS]
    twice = [name for name in COLUMNS if header.count(name) > 1]
    faults = [f"the column {name!r} is missing" for name in missing]
    faults += [f"{name!r} is no column of such a list" for name in strange]
    faults += [f"the column {name!r} stands there twice" for name in twice]
    if faults:
        raise _bad(faults)


def _read_rows(reader: "csv._reader", header: Sequence[str]) -> list[Known]:  # type: ignore[name-defined]
    found: dict[str, Known] = {}
    faults: list[str] = []
    for row in reader:
        if not any(field.strip() for field in row):
            continue
        if len(found) >= MAX_ROWS:
            raise _bad([f"it has more than {MAX_ROWS} people"])
        line = reader.line_num
        try:
            known = _read_row(row, header)
        except InvalidInput as why:
            faults.append(f"line {line}: {why.sentence.rstrip('.')}")
            if len(faults) > SHOWN_FAULTS:
                break
            continue
        if known.external in found:
            faults.append(f"line {line}: {known.external!r} stands there twice")
        found[known.external] = known
    if faults:
        raise _bad(faults)
    return list(found.values())


def _read_row(row: Sequence[str], header: Sequence[str]) -> Known:
    if len(row) != len(header):
        raise InvalidInput(f"It has {len(row)} fields, not {len(header)}.", next_step="Correct it.")
    if any(len(field) > MAX_FIELD for field in row):
        raise InvalidInput(f"A field is longer than {MAX_FIELD} characters.", next_step="Correct it.")
    told = {name: field.strip() for name, field in zip(header, row, strict=True)}
    if not told["id"] or not told["id"].isprintable():
        raise InvalidInput("The id is missing, or not plain text.", next_step="Correct it.")
    if not told["plan"] or len(told["plan"]) > 80 or not told["plan"].isprintable():
        raise InvalidInput("The plan is missing, too long, or not plain text.", next_step="Correct it.")
    mail = told.get("mail", "")
    return Known(told["id"], clean_name(told["name"]), told["plan"], mail_address(mail) if mail else None)


def difference(log: Log, private: Private, people: Sequence[Known]) -> Difference:
    """Compare a list with who is a member now. Who is known from elsewhere (billing, a login) is left alone."""
    changes, same, seen = [], 0, set()
    for known in people:
        before = sources.find(log, private, "list", known.external)
        if before is not None:
            seen.add(before.id)
        if before is not None and before.active and before.source != "list":
            same += 1
        elif before is None or not before.active:
            changes.append(Change("join", known, before))
        elif (before.name, before.plan, before.mail) == (known.name, known.plan, known.mail):
            same += 1
        else:
            changes.append(Change("change", known, before))
    gone = [
        member
        for member in members.all_members(log, private)
        if member.active and member.source == "list" and member.id not in seen
    ]
    changes += [Change("lapse", Known(member.id, member.name, None), member) for member in gone]
    return Difference(tuple(changes), same)


def carry_out(
    log: Log,
    private: Private,
    clock: Clock,
    told: Difference,
    people: Sequence[Known],
    *,
    by: Actor,
    many: bool = False,
) -> list[Member]:
    """Do what *told* says, after checking that it is still what the list says; return who joined.

    Raises:
        NotPermitted: *by* is no steward.
        BadList: something changed since the difference was shown, or too many would lapse and not *many*.
    """
    acting(log, require_person(by, "import members"), "steward", "import members")
    if difference(log, private, people) != told:
        raise _bad(["who is a member changed while the difference was looked at"])
    if told.is_suspicious and not many:
        raise _bad([f"it would end {told.lapses} memberships at once; was it cut off?"])
    joined = []
    for change in told.changes:
        if change.doing == "lapse":
            assert change.before is not None
            members.lapse(log, change.before.id, by)
            continue
        settled = sources.settle(log, private, clock, "list", change.known, by=by)
        if settled.change == "joined" and settled.member is not None:
            joined.append(settled.member)
    return joined


def _bad(faults: Sequence[str]) -> BadList:
    shown = "; ".join(faults[:SHOWN_FAULTS])
    more = "; and more" if len(faults) > SHOWN_FAULTS else ""
    return BadList(
        f"This list cannot be used: {shown}{more}.",
        next_step="Correct it and try again: UTF-8, columns id, name, plan and, where known, mail.",
    )

"""Following what was promised: how each commitment stands, from the record and the clock and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from emeritus.core.clock import instant
from emeritus.core.zones import day_in
from emeritus.ledger.check_text import KINDS_READ
from emeritus.ledger.checks import ByHand
from emeritus.ledger.commitment import Commitment
from emeritus.ledger.decision import Decision, fold
from emeritus.ledger.milestones import Course, Judgement, Shown, State, judge
from emeritus.record import Entry, Log
from emeritus.record.growing import Growing

KINDS_FOLLOWED = KINDS_READ | {"decision.made", "decision.costed", "commitment.evidenced"}
KINDS_OF_ALL = {kind for kind in KINDS_READ if kind.startswith("archive.")}


@frozen
class Standing:
    """How a commitment stands at one moment.

    *computed* is False where it rests on a steward's word. *since*, *next* and *late_days* are days in the
    commitment's zone; *met* of *of* milestones are met (*of* is None for a promise that goes on). *shown* is
    what counts for it or against it, *notes* what stewards added. *taken_back* is the entry of the decision
    that dropped it. *made_good* says of a broken promise that it was done after all, or holds again.
    """

    state: State
    computed: bool
    final: bool
    since: date | None
    next: date | None
    met: int
    of: int | None
    late_days: int
    made_good: bool
    shown: tuple[Shown, ...]
    notes: tuple[Shown, ...]
    taken_back: int | None = None

    @property
    def wants_attention(self) -> bool:
        """True while somebody has to do something about it: it is late, or broken and not made good."""
        if self.taken_back is not None:
            return False
        return self.state is State.LATE or (self.state is State.BROKEN and not self.made_good)

    @property
    def open(self) -> bool:
        """True while it is to be followed."""
        return self.taken_back is None and not self.final

    def says(self) -> str:
        """Say in a sentence how it stands."""
        if self.taken_back is not None and self.state is not State.KEPT:
            return f"Taken back before it was kept, by entry {self.taken_back}."
        told = {
            State.DUE: self._due,
            State.KEPT: self._kept,
            State.LATE: lambda: f"Late since {self.since}{self._count()}.",
            State.BROKEN: self._broken,
        }
        return told[self.state]()

    def _count(self) -> str:
        return f": {self.met} of {self.of} shown" if self.of is not None and self.of > 1 else ""

    def _due(self) -> str:
        return f"Due by {self.next}{self._count()}."

    def _kept(self) -> str:
        late = f", {self.late_days} day{'s' * (self.late_days != 1)} late" if self.late_days else ""
        if self.final:
            return f"Kept{late}{'' if self.computed else ', as a steward says'}."
        return f"Kept so far{late}; to be shown again by {self.next}."

    def _broken(self) -> str:
        after = "; it was made good since" if self.made_good else self._count()
        return f"Broken since {self.since}{after}."


@frozen
class Followed:
    """A commitment with how it stands, and the decision that made it."""

    commitment: Commitment
    standing: Standing
    decision: Decision

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain data, for programs."""
        commitment, standing = self.commitment, self.standing
        return {
            "id": commitment.id,
            "model": commitment.model,
            "preference": commitment.preference,
            "decision": self.decision.entry,
            **commitment.to_json(),
            "owner": commitment.owner,
            "state": standing.state.value,
            "computed": standing.computed,
            "says": standing.says(),
            "since": None if standing.since is None else standing.since.isoformat(),
            "next": None if standing.next is None else standing.next.isoformat(),
            "met": standing.met,
            "of": standing.of,
            "late_days": standing.late_days,
            "final": standing.final,
            "made_good": standing.made_good,
            "taken_back": standing.taken_back,
            "wants_attention": standing.wants_attention,
            "evidence": [
                {
                    "entry": each.entry,
                    "at": instant(each.at),
                    "says": each.says,
                    "source": each.source,
                    "against": each.against,
                }
                for each in standing.shown
            ],
        }


def follow(log: Log, model: str, now: datetime) -> tuple[Followed, ...]:
    """Return every commitment that was ever made to *model*, with how it stands at *now*.

    Those of decisions that were revised since are there too; one that the revision repeats is one and the
    same. In the order in which they were made.
    """
    return followed(read(log, model), now)


def read(log: Log, model: str) -> tuple[Entry, ...]:
    """Return every entry from which it follows how the commitments to *model* stand."""
    found = _READ.of(log)
    own = found.get(model, ())
    if not any(entry.kind == "decision.made" for entry in own):
        return own
    return (*own, *found.get("", ()))  # what is said of the whole archive is about each model


def _by_model(
    before: Mapping[str, tuple[Entry, ...]], entries: Iterable[Entry]
) -> Mapping[str, tuple[Entry, ...]]:
    new: dict[str, list[Entry]] = {}
    for entry in entries:
        new.setdefault("" if entry.kind in KINDS_OF_ALL else entry.model or "", []).append(entry)
    return {**before, **{model: (*before.get(model, ()), *found) for model, found in new.items()}}


_READ: Growing[Mapping[str, tuple[Entry, ...]]] = Growing(KINDS_FOLLOWED, {}, _by_model)


def followed(entries: Iterable[Entry], now: datetime) -> tuple[Followed, ...]:
    """Follow the commitments in *entries* of one model: a pure function, whatever the order of the evidence."""
    known = sorted(entries, key=lambda entry: entry.seq)
    found: dict[str, Followed] = {}
    for made in fold(known).values():
        for number, decision in enumerate(made):
            after = made[number + 1] if number + 1 < len(made) else None
            kept_on = {each.id for each in after.commitments} if after is not None else set()
            for each in decision.commitments:
                dropped = after if after is not None and each.id not in kept_on else None
                found[each.id] = Followed(each, stand(each, known, now, dropped), decision)
    return tuple(sorted(found.values(), key=lambda one: (one.commitment.entry, one.commitment.id)))


def stand(
    commitment: Commitment, entries: Sequence[Entry], now: datetime, dropped: Decision | None = None
) -> Standing:
    """Return how *commitment* stands at *now*; *dropped* is the decision that took it back, if one did."""
    entries = sorted(entries, key=lambda entry: entry.seq)
    course = commitment.check.course(commitment.terms, entries)
    until = now if dropped is None else min(now, dropped.at)
    judged = judge(course, until, grace_days=commitment.grace_days, zone=commitment.zone)
    standing = _standing(commitment, course, judged, until, _notes(commitment, entries, now))
    if dropped is None or dropped.at > now or (judged.state is State.KEPT and judged.final):
        return standing
    # A promise that is taken back before it was kept is not kept, however good the reason.
    since = day_in(dropped.at, commitment.zone)
    if judged.state is State.BROKEN:
        since = standing.since or since
    return evolve(standing, state=State.BROKEN, since=since, final=True, next=None, taken_back=dropped.entry)


def _standing(
    commitment: Commitment, course: Course, judged: Judgement, now: datetime, notes: tuple[Shown, ...]
) -> Standing:
    zone = commitment.zone
    by_hand = isinstance(commitment.check, ByHand) and judged.state is State.KEPT
    last = None if judged.next is None else judged.next - timedelta(microseconds=1)
    return Standing(
        state=judged.state,
        computed=not by_hand,
        final=judged.final,
        since=None if judged.since is None else day_in(judged.since, zone),
        next=None if last is None else day_in(last, zone),
        met=judged.met,
        of=None if course.horizon is not None else len(course.milestones),
        late_days=judged.late_days,
        made_good=judged.made_good,
        shown=tuple(each for each in course.shown if each.at <= now),
        notes=notes,
    )


def _notes(commitment: Commitment, entries: Sequence[Entry], now: datetime) -> tuple[Shown, ...]:
    return tuple(
        Shown(entry.at, entry.seq, entry.body["what"], entry.body["source"])
        for entry in entries
        if entry.kind == "commitment.evidenced" and entry.subject == commitment.id and entry.at <= now
    )

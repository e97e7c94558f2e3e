"""Decisions: each preference gets an answer, a reason, a price and somebody who answers for it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from attrs import frozen

from emeritus.core.clock import parse_date
from emeritus.core.errors import Conflict, InvalidInput, NotFound
from emeritus.core.people import Actor, clean_name, require_person
from emeritus.ledger.preference import preferences
from emeritus.record import Act, Entry, Log

Verdict = Literal["act", "decline", "later"]
VERDICTS: tuple[Verdict, ...] = ("act", "decline", "later")


@frozen
class Cost:
    """An estimate of what acting costs: *amount* in *unit* (``EUR``, ``hours``, ``GB-month``…)."""

    amount: float
    unit: str


@frozen
class NewCommitment:
    """A promise: *what*, by the day *due*, and *shown_by*, how anybody will know that it was kept."""

    what: str
    due: date
    shown_by: str


@frozen
class Commitment(NewCommitment):
    """A promise on the record, with the evidence so far."""

    id: str = ""
    model: str = ""
    preference: str = ""
    owner: str = ""
    evidence: tuple[str, ...] = ()
    kept_at: datetime | None = None


@frozen
class Decision:
    """The answer to one preference. *revises* is the entry of the decision before it, if any."""

    preference: str
    verdict: Verdict
    reason: str
    cost: Cost
    owner: str
    by: Actor
    at: datetime
    entry: int
    commitments: tuple[Commitment, ...]
    revises: int | None


def decide(
    log: Log,
    model: str,
    preference: str,
    *,
    verdict: Verdict,
    reason: str,
    cost: Cost,
    owner: str,
    by: Actor,
    commitments: Sequence[NewCommitment] = (),
    revise: bool = False,
) -> Decision:
    """Answer a preference. Acting makes at least one commitment; the others make none.

    Raises:
        NotFound: no such preference.
        InvalidInput: a part is missing or cannot be.
        Conflict: another decision stands, and *revise* is not set.
        NotPermitted: *by* is not a person.
    """
    require_person(by, "decide on a preference")
    if preference not in {known.id for known in preferences(log, model)}:
        names = ", ".join(known.id for known in preferences(log, model)) or "none"
        raise NotFound(
            f"{preference[:120]!r} is no preference of {model}.", next_step=f"Its preferences: {names}."
        )
    _check(verdict, reason, cost, commitments)
    history = log.entries(model=model, kinds={"decision.made"}, subject=preference)
    before = history[-1] if history else None
    body = {
        "verdict": verdict,
        "reason": reason.strip(),
        "cost": {"amount": cost.amount, "unit": cost.unit},
        "owner": clean_name(owner),
        "commitments": [
            {"what": new.what.strip(), "due": new.due.isoformat(), "shown_by": new.shown_by.strip()}
            for new in commitments
        ],
    }
    if before is not None:
        if {**body, "revises": before.body["revises"]} == dict(before.body):
            return _decision(log, before)
        if not revise:
            raise Conflict(
                f"{before.by.name} decided on {preference} already: {before.body['verdict']}.",
                next_step="To change that, revise it (--revise); both decisions stay on the record.",
            )
    revises = before.seq if before is not None else None
    entry = log.append(
        Act(
            "decision.made",
            {**body, "revises": revises},
            by,
            model,
            preference,
            f"decision.made:{preference}:{len(history)}",
        )
    )
    return _decision(log, entry)


def _check(verdict: str, reason: str, cost: Cost, commitments: Sequence[NewCommitment]) -> None:
    if verdict not in VERDICTS:
        raise InvalidInput(f"{verdict[:40]!r} is no decision.", next_step="Say act, decline or later.")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public and for the model.")
    if not 0 <= cost.amount < 1e12 or not 1 <= len(cost.unit.strip()) <= 20:
        raise InvalidInput("The cost is not an amount with a unit.", next_step="Write it as '40 EUR'.")
    if (verdict == "act") != bool(commitments):
        raise InvalidInput(
            "Acting makes a commitment, and nothing else does.",
            next_step="With 'act', say what is done, by when, and how one will know; else leave it out.",
        )
    if any(not new.what.strip() or not new.shown_by.strip() for new in commitments):
        raise InvalidInput(
            "A commitment says what is done and how one will know.", next_step="Fill in both, and the day."
        )


def decisions(log: Log, model: str) -> dict[str, Decision]:
    """Return the decision that stands for each preference that has one, by preference id."""
    standing: dict[str, Entry] = {}
    for entry in log.entries(model=model, kinds={"decision.made"}):
        standing[entry.subject or ""] = entry
    return {preference: _decision(log, entry) for preference, entry in standing.items()}


def _decision(log: Log, entry: Entry) -> Decision:
    preference = entry.subject or ""
    return Decision(
        preference=preference,
        verdict=entry.body["verdict"],
        reason=entry.body["reason"],
        cost=Cost(**entry.body["cost"]),
        owner=entry.body["owner"],
        by=entry.by,
        at=entry.at,
        entry=entry.seq,
        commitments=tuple(
            _commitment(log, entry, f"{preference}-c{entry.seq}.{number}", item)
            for number, item in enumerate(entry.body["commitments"], start=1)
        ),
        revises=entry.body["revises"],
    )


def _commitment(log: Log, made: Entry, commitment: str, item: dict[str, str]) -> Commitment:
    shown = log.entries(kinds={"commitment.evidenced"}, subject=commitment)
    kept = [entry for entry in shown if entry.body["kept"]]
    return Commitment(
        id=commitment,
        model=made.model or "",
        preference=made.subject or "",
        owner=made.body["owner"],
        what=item["what"],
        due=parse_date(item["due"]),
        shown_by=item["shown_by"],
        evidence=tuple(entry.body["what"] for entry in shown),
        kept_at=kept[0].at if kept else None,
    )


def evidence(log: Log, commitment: Commitment, *, what: str, kept: bool, by: Actor, source: str) -> Entry:
    """Record what shows how a commitment stands. *source* names the entry, page or edition that shows it."""
    body = {"what": what, "kept": kept, "source": source}
    key = f"commitment.evidenced:{commitment.id}:{source}"
    return log.append(Act("commitment.evidenced", body, by, commitment.model, commitment.id, key))
